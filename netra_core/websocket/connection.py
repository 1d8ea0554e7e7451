"""One open connection: who, through what, how far."""

import asyncio
from dataclasses import dataclass

from netra_core.context import UserExecutionContext
from netra_core.events.port import Stream
from netra_core.websocket.feed import StreamFeed
from netra_core.websocket.limits import MessageRate
from netra_core.websocket.outbox import Outbox
from netra_core.websocket.transport import SocketTransport


@dataclass(slots=True, eq=False, kw_only=True)
class Connection:
    """One open connection. Times are those of the manager's monotonic clock, in seconds."""

    connection_id: str
    context: UserExecutionContext
    transport: SocketTransport
    feed: StreamFeed
    outbox: Outbox
    rate: MessageRate
    connected_at: float
    last_heard: float
    expires_at: float | None = None
    """Unix time at which the token ends."""
    pinged: bool = False
    lagging_since: float | None = None
    write_began: float | None = None
    pump: "asyncio.Task[None] | None" = None
    grace: asyncio.TimerHandle | None = None
    close_code: int | None = None
    ended: bool = False
    """True once its socket was told or dropped."""
    _waiters: asyncio.Event | None = None

    async def wait_ended(self) -> None:
        """Wait until the connection has ended."""
        if not self.ended:
            self._waiters = self._waiters or asyncio.Event()
            await self._waiters.wait()

    def end(self) -> None:
        """Mark it as ended."""
        self.ended = True
        if self._waiters is not None:
            self._waiters.set()

    @property
    def stream(self) -> Stream:
        """The stream whose events this connection gets."""
        return self.context.stream

    @property
    def epoch(self) -> str:
        """The epoch of its stream."""
        return self.feed.epoch

    @property
    def is_open(self) -> bool:
        """False once it is being closed."""
        return self.close_code is None
