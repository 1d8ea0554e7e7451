"""One open connection: who, through what, how far."""

import asyncio
from dataclasses import dataclass, field

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
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    close_code: int | None = None

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
