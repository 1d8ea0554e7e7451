"""The auth service's public keys, cached for a bounded time."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Final, Protocol

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet as JoseKeySet
from joserfc.jwk import OctKey

from netra_backend.errors import AuthUnavailableError

JWKS_PATH: Final = "/.well-known/jwks.json"
FRESH_S: Final = 300.0
"""After this the keys are fetched again in passing."""
STALE_S: Final = 3600.0
"""After this keys that could not be fetched again are no longer trusted."""
_MIN_REFETCH_S: Final = 2.0


class Keys(Protocol):
    """Where the key of a token is found."""

    async def find(self, kid: str) -> JoseKeySet | None:
        """The keys, when one of them has this id. Raises AuthUnavailableError."""
        ...


class SharedSecret:
    """The one secret of an installation that signs with HS256; nothing is fetched."""

    def __init__(self, secret: str) -> None:
        raw = secret.encode()
        self._kid = f"hs-{hashlib.sha256(raw).hexdigest()[:16]}"
        self._keys = JoseKeySet([OctKey.import_key(raw, {"kid": self._kid})])

    async def find(self, kid: str) -> JoseKeySet | None:
        """The secret, when the id names it."""
        return self._keys if kid == self._kid else None


class KeySet:
    """Finds a key by its id.

    An unknown id makes one fetch, at most every 2 seconds, so that a rotated key is known at once
    and made-up ids cost the auth service nothing.
    """

    def __init__(
        self, client: httpx.AsyncClient, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._monotonic = monotonic
        self._keys: JoseKeySet | None = None
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> JoseKeySet | None:
        """The keys, when one of them has this id. Raises AuthUnavailableError."""
        now = self._monotonic()
        if self._keys is None or now - self._fetched_at > FRESH_S or not self._has(kid):
            await self._fetch()
        age = self._monotonic() - self._fetched_at
        if self._keys is None or age > STALE_S:
            raise AuthUnavailableError(
                "Tokens cannot be verified now: the auth service gave no keys.",
                hint="Try again in a moment.",
            )
        return self._keys if self._has(kid) else None

    def _has(self, kid: str) -> bool:
        return self._keys is not None and any(key.kid == kid for key in self._keys.keys)

    async def _fetch(self) -> None:
        async with self._lock:
            if self._monotonic() - self._tried_at < _MIN_REFETCH_S:
                return
            self._tried_at = self._monotonic()
            try:
                response = await self._client.get(JWKS_PATH, timeout=5.0)
                response.raise_for_status()
                self._keys = JoseKeySet.import_key_set(response.json())
            except (httpx.HTTPError, ValueError, JoseError):
                return
            self._fetched_at = self._monotonic()
