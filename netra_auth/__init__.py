"""The auth service: people, sessions, tokens, workspaces, API keys."""

from netra_auth.api import create_app
from netra_auth.database import AuthDatabaseManager
from netra_auth.deps import AuthDeps
from netra_auth.from_settings import folders_from, options_from
from netra_auth.operators import Operators
from netra_auth.options import AuthFolders, AuthOptions, OidcProvider, PasswordCost, Registration

__all__ = [
    "AuthDatabaseManager",
    "AuthDeps",
    "AuthFolders",
    "AuthOptions",
    "OidcProvider",
    "Operators",
    "PasswordCost",
    "Registration",
    "create_app",
    "folders_from",
    "options_from",
]
