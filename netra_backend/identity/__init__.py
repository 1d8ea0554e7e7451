"""Who is asking: tokens of the auth service verified here, and its revocations followed."""

from netra_backend.identity.feed import RevocationFeed
from netra_backend.identity.keys import Keys, KeySet, SharedSecret
from netra_backend.identity.revocations import Revocations
from netra_backend.identity.verifier import Identity, TokenRules, TokenVerifier

__all__ = [
    "Identity",
    "KeySet",
    "Keys",
    "RevocationFeed",
    "Revocations",
    "SharedSecret",
    "TokenRules",
    "TokenVerifier",
]
