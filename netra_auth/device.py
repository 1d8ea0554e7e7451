"""Devices that signed in before, known by a signed cookie."""

import base64
import binascii
import hashlib
import hmac

from netra_auth.deps import RandomBytes

_ID_BYTES = 12
_TAG_BYTES = 32


class Devices:
    """Makes and reads the cookie that says: this browser signed in to this account before.

    It is no credential: it only gives its bearer a failure counter apart from strangers'.
    """

    def __init__(self, key: bytes, random_bytes: RandomBytes) -> None:
        self._key = key
        self._random_bytes = random_bytes

    def remember(self, email: str) -> str:
        """A cookie value for a browser that has just signed in to this account."""
        device = self._random_bytes(_ID_BYTES)
        value = device + self._tag(email, device)
        return base64.urlsafe_b64encode(value).decode()

    def known(self, cookie: str | None, email: str) -> str | None:
        """The device's id when the cookie is of this account, else None."""
        try:
            value = base64.urlsafe_b64decode(cookie or "")
        except (ValueError, binascii.Error):
            return None
        device, tag = value[:_ID_BYTES], value[_ID_BYTES:]
        if len(tag) != _TAG_BYTES or not hmac.compare_digest(tag, self._tag(email, device)):
            return None
        return device.hex()

    def _tag(self, email: str, device: bytes) -> bytes:
        return hmac.new(self._key, email.encode() + b"|" + device, hashlib.sha256).digest()
