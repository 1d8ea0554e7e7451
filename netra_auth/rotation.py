"""The rule of refresh tokens, without I/O.

A session is a chain of refresh tokens; each use spends one and makes the next. Presenting a spent
token means that two parties hold the chain, so the chain ends. One exception keeps honest
clients with two tabs or a lost answer alive: for a short grace, the immediate predecessor of the
current token is answered with the very same pair again, so the chain never forks.
"""

from dataclasses import dataclass
from enum import Enum

CLOCK_STEP_BACK_S = 2.0
"""How far a clock may step back (time synchronization) before a grace counts as over."""


@dataclass(frozen=True, slots=True)
class Chain:
    """State of a session. Times are Unix seconds."""

    generation: int
    """Number of the current, unspent token."""
    idle_expires_at: float
    absolute_expires_at: float
    ended: bool


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token that someone showed."""

    generation: int
    spent_at: float | None


class Verdict(Enum):
    """What to do with a presented refresh token."""

    ROTATE = "rotate"
    """Spend it and make the next pair."""
    REPEAT = "repeat"
    """Answer with the pair that its first use made."""
    REUSED = "reused"
    """Two parties hold the chain: end the session."""
    EXPIRED = "expired"
    """End the session: it idled too long or is too old."""
    ENDED = "ended"
    """The session ended before; nothing to do."""


def judge(chain: Chain, presented: Presented, *, now: float, grace_s: float) -> Verdict:
    """Decide on a presented token; total, and never ROTATE or REPEAT for a dead chain."""
    if chain.ended:
        return Verdict.ENDED
    if presented.generation != chain.generation and not _in_grace(chain, presented, now, grace_s):
        return Verdict.REUSED
    if now >= min(chain.idle_expires_at, chain.absolute_expires_at):
        return Verdict.EXPIRED
    return Verdict.ROTATE if presented.generation == chain.generation else Verdict.REPEAT


def _in_grace(chain: Chain, presented: Presented, now: float, grace_s: float) -> bool:
    if presented.generation != chain.generation - 1 or presented.spent_at is None:
        return False
    return -CLOCK_STEP_BACK_S <= now - presented.spent_at <= grace_s
