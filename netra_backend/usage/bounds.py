"""How much may be in memory at one time: bytes that are held, and turns of work by their weight."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from threading import Lock

from netra_backend.errors import IngestFullError


class HeldBytes:
    """Counts the bytes of all bodies; what would be beyond `limit` is refused, never waited for.

    Bodies of one owner are beyond half of it only where there is one of them: whoever sends many
    leaves room for others.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._held = 0
        self._of: dict[str, int] = {}

    @property
    def held(self) -> int:
        """Bytes at this moment."""
        return self._held

    @contextmanager
    def body(self, owner: str = "") -> Generator["Held"]:
        """The bytes of one body of an owner (none: whose bodies have no share of their own), which
        are let go at the block's end.
        """
        held = Held(self, owner)
        try:
            yield held
        finally:
            held.take(-held.size)

    def require_room(self, size: int) -> None:
        """Raise IngestFullError where so many more bytes have no place now."""
        if size > 0 and self._held + size > self._limit:
            raise IngestFullError(
                f"Bodies of {self._held:,} bytes are being read.", hint="Send it again later."
            )

    def take(self, size: int, *, owner: str = "", by: int = 0) -> None:
        """Count so many more, or fewer, of a body that has `by`; from any thread.

        Raises IngestFullError.
        """
        with self._lock:
            self.require_room(size)
            if owner:
                self._take_of(owner, size, by)
            self._held += size

    def _take_of(self, owner: str, size: int, by: int) -> None:
        held = self._of.get(owner, 0)
        if size > 0 and held > by and held + size > self._limit // 2:
            raise IngestFullError(
                f"Bodies of {held:,} bytes of this workspace are being read.",
                hint="Send it again later, or fewer at a time.",
            )
        self._of[owner] = held + size
        if not self._of[owner]:
            del self._of[owner]


class Held:
    """Bytes of one body, counted with all others."""

    def __init__(self, among: HeldBytes, owner: str) -> None:
        self._among = among
        self._owner = owner
        self.size = 0

    def take(self, size: int) -> None:
        """Count so many more, or fewer. Raises IngestFullError."""
        self._among.take(size, owner=self._owner, by=self.size)
        self.size += size


class Turns:
    """Work of a weight each, `together` at most at one time, in the order in which it was asked.

    What weighs more than all of it goes alone.
    """

    def __init__(self, together: int) -> None:
        self._together = together
        self._free = together
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, weight: int) -> AsyncGenerator[None]:
        """Wait for the turn, and have it within the block."""
        weight = min(weight, self._together)
        if self._waiting or weight > self._free:
            await self._wait(weight)
        else:
            self._free -= weight
        try:
            yield
        finally:
            self._give_back(weight)

    async def _wait(self, weight: int) -> None:
        mine = asyncio.get_running_loop().create_future()
        place = (weight, mine)
        self._waiting.append(place)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # the turn came, and nobody takes it
                self._give_back(weight)
            else:
                self._waiting.remove(place)
                self._give_back(0)
            raise

    def _give_back(self, weight: int) -> None:
        self._free += weight
        while self._waiting and self._waiting[0][0] <= self._free:
            taken, future = self._waiting.popleft()
            self._free -= taken
            future.set_result(None)
