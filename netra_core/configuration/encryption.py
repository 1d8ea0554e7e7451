"""Encrypting stored secrets, and sealing the history, with keys derived from FERNET_KEY."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from netra_core.configuration.errors import EncryptionError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

_ENCRYPT: Final = b"netra-apex/configuration/encrypt"
_SEAL: Final = b"netra-apex/configuration/seal"
_NAME: Final = b"netra-apex/configuration/key-id"
_KEPT_PLAINTEXTS: Final = 1024


def _derive(key: str, purpose: bytes) -> bytes:
    return hmac.new(key.encode(), purpose, hashlib.sha256).digest()


class Cipher:
    """Encrypts with the first key and reads with any; a key is any text of 32 characters or more.

    The same keys seal what must not be changed: a seal (HMAC-SHA-256) cannot be made without them.
    Each use has a key of its own, derived from FERNET_KEY.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = tuple(key.strip() for key in keys if key.strip())
        if not self._keys:
            raise EncryptionError("There is no FERNET_KEY.", hint="Set FERNET_KEY.")
        self._fernet: MultiFernet | None = None
        self._plain = lru_cache(maxsize=_KEPT_PLAINTEXTS)(self._decrypt)

    @classmethod
    def of_setting(cls, fernet_key: str) -> "Cipher":
        """The cipher of a FERNET_KEY, in which older keys may follow after commas."""
        return cls(fernet_key.split(","))

    @property
    def key_id(self) -> str:
        """A name for the first key that tells nothing about it."""
        return _derive(self._keys[0], _NAME).hex()[:16]

    def encrypt(self, text: str) -> str:
        """The text as a Fernet token under the first key."""
        return self._engine().encrypt(text.encode("utf-8", "surrogatepass")).decode("ascii")

    def decrypt(self, token: str) -> str:
        """The text of a token made under any of the keys.

        Raises:
            EncryptionError: it was made under another key, or changed since.
        """
        return self._plain(token)

    def _decrypt(self, token: str) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return self._engine().decrypt(token).decode("utf-8", "surrogatepass")
        except (InvalidToken, TypeError, ValueError):
            raise EncryptionError(
                "A stored secret was encrypted with another FERNET_KEY, or changed since.",
                hint="Give the former key after the present one: FERNET_KEY=new,old.",
            ) from None

    def seal(self, text: str) -> str:
        """The seal of a text under the first key, in hexadecimal."""
        return self._seal(self._keys[0], text)

    def seal_holds(self, text: str, seal: str) -> bool:
        """True when the seal was made for this text under any of the keys."""
        given = seal.encode("utf-8", "surrogatepass")  # whatever stands in the row
        return any(hmac.compare_digest(self._seal(key, text).encode(), given) for key in self._keys)

    @staticmethod
    def _seal(key: str, text: str) -> str:
        return hmac.new(
            _derive(key, _SEAL), text.encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()

    def _engine(self) -> "MultiFernet":
        if self._fernet is None:
            # cryptography takes tens of milliseconds to import; many programs never need it
            from cryptography.fernet import Fernet, MultiFernet

            self._fernet = MultiFernet(
                [Fernet(base64.urlsafe_b64encode(_derive(key, _ENCRYPT))) for key in self._keys]
            )
        return self._fernet

    def __repr__(self) -> str:
        return f"Cipher({len(self._keys)} keys)"
