"""How much may run and wait at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Runs at once of a user and in all; how many of a user may wait beyond that."""

    per_user: int = 4
    in_all: int = 32
    waiting_per_user: int = 50
