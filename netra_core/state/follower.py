"""Hearing what other processes change."""

import asyncio
from collections.abc import Callable, Sequence

from netra_core.database.scope import SystemContext
from netra_core.state.errors import ChangesCompactedError
from netra_core.state.listeners import Listeners
from netra_core.state.store import Change, StateStore

_FOLLOWER = SystemContext(actor="state_follower")
_PAGE = 1000


class StateFollower:
    """Reads the change feed and tells the listeners of this process what others wrote.

    Each change is told once: those of this process were told at their commit and are left out. When
    the feed was compacted in between, listeners get ChangesLost.
    """

    def __init__(
        self,
        store: StateStore,
        listeners: Listeners,
        tell: Callable[[Sequence[Change]], None],
    ) -> None:
        self._store = store
        self._listeners = listeners
        self._tell = tell
        self._own: set[int] = set()
        self._after: int | None = None

    def told(self, changes: Sequence[Change]) -> None:
        """Note what listeners of this process know already."""
        if self._after is not None:
            self._own.update(change.record.revision for change in changes)

    async def begin(self) -> None:
        """Follow from now on."""
        if self._after is None:
            self._after = await self._store.revision()

    async def catch_up(self) -> int:
        """Tell what others wrote since the last time; returns how many changes that were."""
        await self.begin()
        assert self._after is not None
        count = 0
        while True:
            try:
                page = await self._store.changes(_FOLLOWER, None, after=self._after, limit=_PAGE)
            except ChangesCompactedError:
                self._listeners.lose(self._after)
                self._after = await self._store.revision()
                return count
            if not page:
                return count
            foreign = [change for change in page if change.record.revision not in self._own]
            self._after = page[-1].record.revision
            self._own = {revision for revision in self._own if revision > self._after}
            self._tell(foreign)
            count += len(foreign)

    async def run(self, *, every_s: float) -> None:
        """Catch up from time to time, until cancelled."""
        await self.begin()
        while True:
            await asyncio.sleep(every_s)
            await self.catch_up()
