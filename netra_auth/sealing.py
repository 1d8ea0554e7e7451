"""Keep an answer so that only the holder of the secret that asked for it can read it again."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from netra_auth.deps import RandomBytes

_NONCE_BYTES = 12


def seal(text: str, *, secret: str, random_bytes: RandomBytes) -> bytes:
    """AES-256-GCM under a key derived from `secret` (256 random bits); the store cannot open it."""
    nonce = random_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(secret)).encrypt(nonce, text.encode(), None)


def unseal(sealed: bytes, *, secret: str) -> str | None:
    """The text, or None where the secret is another one or the bytes were changed."""
    try:
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return AESGCM(_key(secret)).decrypt(nonce, body, None).decode()
    except InvalidTag:
        return None


def _key(secret: str) -> bytes:
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"apex refresh answer")
    return derive.derive(secret.encode())
