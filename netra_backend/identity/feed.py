"""Follows the auth service's feed of changes by long poll."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import msgspec
import structlog

from netra_backend.identity.revocations import Change, Revocations

CHANGES_PATH: Final = "/auth/internal/changes"
WAIT_S: Final = 4
"""Shorter than the 10 s after which knowledge is stale: an empty answer proves it current."""

_log = structlog.get_logger(__name__)


class _Answer(msgspec.Struct):
    changes: list[Change]
    last: int


class RevocationFeed:
    """Applies each change to `revocations`, then tells `on_change`, which closes sockets."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        revocations: Revocations,
        *,
        credential: str,
        on_change: Callable[[Change], Awaitable[None]],
        retry_s: float = 0.5,
    ) -> None:
        self._client = client
        self._revocations = revocations
        self._headers = {"Authorization": f"Bearer {credential}"}
        self._on_change = on_change
        self._retry_s = retry_s
        self._after = 0

    async def follow(self) -> None:
        """Poll until cancelled. Failures are waited out; the knowledge grows stale meanwhile."""
        while True:
            try:
                await self.poll(wait_s=WAIT_S)
            except (httpx.HTTPError, msgspec.DecodeError, msgspec.ValidationError) as error:
                _log.warning("revocation_feed_unreachable", error=type(error).__name__)
                await asyncio.sleep(self._retry_s)

    async def poll(self, *, wait_s: int) -> None:
        """One request; many changes come in pages, and only the last makes us current."""
        response = await self._client.get(
            CHANGES_PATH,
            params={"after": self._after, "wait_s": wait_s if self._revocations_known else 0},
            headers=self._headers,
            timeout=wait_s + 5.0,
        )
        response.raise_for_status()
        answer = msgspec.json.decode(response.content, type=_Answer)
        if answer.last < self._after:
            self._revocations.forget_currency()
            self._after = answer.last
            return
        for change in answer.changes:
            self._revocations.apply(change)
            await self._on_change(change)
        self._after = max(self._after, answer.last)
        if not answer.changes or self._revocations_known:
            self._revocations.current()

    @property
    def _revocations_known(self) -> bool:
        return self._revocations.age_s is not None
