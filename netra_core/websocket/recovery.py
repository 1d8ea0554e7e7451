"""What a `resume` leads to, decided without I/O."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

ResyncReason: TypeAlias = Literal["epoch_changed", "position_unknown", "too_far_behind", "log_gap"]


@dataclass(frozen=True, slots=True)
class Replay:
    """Send after_seq + 1 … to_seq from the log, then what comes."""

    after_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class Resync:
    """The position cannot be continued exactly; nothing is replayed."""

    reason: ResyncReason


Recovery: TypeAlias = Replay | Resync


def recover(
    *, epoch: str, head: int, client_epoch: str, after_seq: int, max_replay: int
) -> Recovery:
    """How to continue a client that has folded everything up to `after_seq` of `client_epoch`.

    Exact or not at all: another epoch, a position past the head, or one further back than
    `max_replay` events need a resync.
    """
    if client_epoch != epoch:
        return Resync("epoch_changed")
    if after_seq > head:
        return Resync("position_unknown")
    if head - after_seq > max_replay:
        return Resync("too_far_behind")
    return Replay(after_seq, head)
