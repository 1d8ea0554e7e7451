"""What the manager answers: deliveries, health, counts."""

from dataclasses import dataclass

from netra_core.events.types import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What became of one message.

    `delivered` counts connections that will send it next, `queued` is 1 when nobody is connected
    and the log keeps it for the next connection, `dropped` counts connections (or 1: nobody) that
    do not get it, and `why` says the reason of `queued` or `dropped`.
    """

    delivered: int = 0
    queued: int = 0
    dropped: int = 0
    why: str = ""
    event: Event | None = None
    """The logged event, where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionHealth:
    """One connection, seen now. Times in seconds."""

    connection_id: str
    user_id: str
    workspace_id: str
    connected_s: float
    silent_s: float
    position: int
    lag: int
    waiting: int
    blocked_s: float
    replaying: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerStats:
    """Counts since the start, and what is there now."""

    connections: int
    users: int
    streams: int
    subscribers: int
    opened: int
    closed: dict[int, int]
    encoded: int
    sent_events: int
    sent_messages: int
    log_reads: int
