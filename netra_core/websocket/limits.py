"""Limits of the socket layer and how they are counted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What one connection, one user and one stream may hold. Times in seconds, sizes in bytes."""

    connections_per_user: int = 10
    messages_per_minute: int = 120
    refused_before_close: int = 100
    """Messages over the rate that are refused before the connection is closed."""
    message_bytes: int = 1024 * 1024
    outbox_events: int = 256
    """How far a live connection may lag; further for `slow_after_s` and it is closed."""
    slow_after_s: float = 5.0
    send_timeout_s: float = 10.0
    """A single write that makes no progress for so long closes the connection."""
    heartbeat_s: float = 20.0
    """A client that pinged once and is then silent for three of these is closed."""
    resume_grace_s: float = 0.25
    """How long live events wait for a first `resume` after connecting."""
    max_replay_events: int = 100_000
    answers: int = 256
    """Answers waiting for a connection that does not read them."""
    recent_bytes: int = 1024 * 1024
    """Encoded events kept in memory for each connected stream."""
    batch: int = 64
    """Events handed to a socket in one write."""
    handler_timeout_s: float = 30.0
    close_timeout_s: float = 2.0


class MessageRate:
    """A token bucket: `per_minute` at once, refilled evenly; also counts refusals in a row.

    Times come from the caller, so that it can be tested and simulated.
    """

    __slots__ = ("_last", "_per_minute", "_tokens", "refused")

    def __init__(self, per_minute: int, now: float) -> None:
        self._per_minute = per_minute
        self._tokens = float(per_minute)
        self._last = now
        self.refused = 0

    def use(self, per_minute: int) -> None:
        """Count by another rate from now on; what was saved up stays within it."""
        self._per_minute = per_minute
        self._tokens = min(self._tokens, float(per_minute))

    def allow(self, now: float) -> bool:
        """True when one more message fits; a refusal is counted until the next one that fits."""
        self._tokens = min(
            float(self._per_minute), self._tokens + (now - self._last) * self._per_minute / 60
        )
        self._last = now
        if self._tokens >= 1:
            self._tokens -= 1
            self.refused = 0
            return True
        self.refused += 1
        return False
