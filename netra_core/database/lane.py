"""The write lane of one SQLite file: writers pass one at a time, in the order they came."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from netra_core.database.errors import DatabaseBusyError, NestedWriteError


class WriteLane:
    """A fair lock with a bounded wait, so that writers never fight inside SQLite.

    A task that holds the lane and asks for it again would wait for itself: it gets
    NestedWriteError at once.
    """

    def __init__(self, *, wait_s: float) -> None:
        self._lock = asyncio.Lock()
        self._wait_s = wait_s
        self._holder: asyncio.Task[object] | None = None

    @property
    def holder(self) -> asyncio.Task[object] | None:
        """The task that holds the lane, or None."""
        return self._holder

    def refuse_nesting(self) -> None:
        """Raise NestedWriteError when the current task holds the lane."""
        if self._holder is not None and self._holder is asyncio.current_task():
            raise NestedWriteError(
                "this task asks for a write while it holds a write session open",
                hint="Leave the session block first, or open the session with read_only=True.",
            )

    async def acquire(self) -> None:
        """Wait for the lane; DatabaseBusyError after the configured time."""
        self.refuse_nesting()
        if self._lock.locked():
            try:
                async with asyncio.timeout(self._wait_s):
                    await self._lock.acquire()
            except TimeoutError:
                raise DatabaseBusyError(
                    f"another writer held the database for more than {self._wait_s:g} s",
                    hint="Try again; keep write sessions short.",
                ) from None
        else:
            await self._lock.acquire()
        self._holder = asyncio.current_task()

    def release(self) -> None:
        """Let the next writer pass."""
        self._holder = None
        self._lock.release()

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Hold the lane for a block."""
        await self.acquire()
        try:
            yield
        finally:
            self.release()
