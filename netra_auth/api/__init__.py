"""HTTP of the auth service."""

from netra_auth.api.app import create_app

__all__ = ["create_app"]
