"""Random bearer secrets and their digests."""

import base64
import hashlib
import hmac

from netra_auth.deps import RandomBytes

SECRET_BYTES = 32


def new_secret(prefix: str, random_bytes: RandomBytes) -> str:
    """A bearer secret of 256 random bits behind a prefix that secret scanners can look for."""
    body = base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    return f"{prefix}_{body}"


def digest(secret: str) -> bytes:
    """SHA-256, enough for 256 random bits: there is nothing to guess, so nothing to slow down."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def same_secret(given: str, expected: str) -> bool:
    """Compare without telling by time how much of it was right."""
    return hmac.compare_digest(digest(given), digest(expected))
