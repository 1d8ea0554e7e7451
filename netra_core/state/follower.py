"""Hearing what other processes change."""

import asyncio
from collections.abc import Sequence

from netra_core.database.scope import SystemContext
from netra_core.state.errors import ChangesCompactedError
from netra_core.state.listeners import Listeners
from netra_core.state.store import Change, StateStore
from netra_core.state.types import StateChange
from netra_core.state.values import decode

_FOLLOWER = SystemContext(actor="state_follower")
_PAGE = 1000


class StateFollower:
    """Reads the change feed and tells the listeners of this process what others wrote.

    Each change is told once, by whoever comes first: the writer of this process at its commit, or
    the feed, which may show a commit before its writer goes on. When the feed was compacted in
    between, listeners get ChangesLost.
    """

    def __init__(self, store: StateStore, listeners: Listeners) -> None:
        self._store = store
        self._listeners = listeners
        self._own: set[int] = set()
        self._began: int | None = None
        self._after: int | None = None
        self._following = False
        self._one_at_a_time = asyncio.Lock()

    def committed(self, changes: Sequence[Change]) -> None:
        """Tell what this process committed, but for what the feed has told already."""
        new = [change for change in changes if not self._passed(change.record.revision)]
        if self._following:
            self._own.update(change.record.revision for change in new)
        self._tell(new)

    def _passed(self, revision: int) -> bool:
        """True when the feed was read up to there and beyond where it began."""
        if self._began is None or self._after is None:
            return False
        return self._began < revision <= self._after

    async def begin(self) -> None:
        """Follow from now on."""
        async with self._one_at_a_time:
            await self._begin()

    async def _begin(self) -> None:
        self._following = True
        if self._after is None:
            self._began = self._after = await self._store.revision()

    async def catch_up(self) -> int:
        """Tell what others wrote since the last time; returns how many changes that were."""
        async with self._one_at_a_time:
            await self._begin()
            return await self._read_on()

    async def _read_on(self) -> int:
        assert self._after is not None
        count = 0
        while True:
            try:
                page = await self._store.changes(_FOLLOWER, None, after=self._after, limit=_PAGE)
            except ChangesCompactedError:
                self._listeners.lose(self._after)
                self._began = self._after = await self._store.revision()
                return count
            if not page:
                return count
            foreign = [change for change in page if change.record.revision not in self._own]
            self._after = page[-1].record.revision
            self._own = {revision for revision in self._own if revision > self._after}
            self._tell(foreign)
            count += len(foreign)

    def _tell(self, changes: Sequence[Change]) -> None:
        if changes and len(self._listeners):
            self._listeners.tell(shown(changes))

    async def run(self, *, every_s: float) -> None:
        """Catch up from time to time, until cancelled."""
        await self.begin()
        while True:
            await asyncio.sleep(every_s)
            await self.catch_up()


def shown(changes: Sequence[Change]) -> list[StateChange]:
    """Changes as callers see them, each with a value of its own."""
    return [
        StateChange(
            owner=change.address.owner,
            key=change.address.key,
            operation=change.operation,
            value=decode(change.record.data),
            version=change.record.version,
            revision=change.record.revision,
            at=change.record.updated_at,
            by=change.record.updated_by,
        )
        for change in changes
    ]
