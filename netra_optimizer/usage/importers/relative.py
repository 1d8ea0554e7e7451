"""Times counted from the beginning of a trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from netra_optimizer.usage.batch import to_us
from netra_optimizer.usage.importers.base import BAD_TIME, NO_TIME, Options, RowRefused
from netra_optimizer.usage.importers.values import moment, number

_FIRST_EPOCH: Final = 600_000_000
"""Smaller numbers (before 1989, were they seconds since 1970) count from a trace's beginning."""
LONGEST_US: Final = 10 * 365 * 86_400 * 10**6
"""Ten years: no trace is longer."""


@dataclass(frozen=True)
class RelativeClock:
    """How a trace writes its times: relative or not, and the unit of relative ones."""

    relative: bool
    us_per_unit: float

    @classmethod
    def of(cls, sample: Sequence[object], *, whole_is_ms: bool) -> "RelativeClock":
        """Judge by the first rows: fractions are seconds; whole numbers as the format has it."""
        found = [value for stamp in sample if (value := number(stamp)) is not None]
        relative = bool(found) and min(found) < _FIRST_EPOCH
        in_ms = whole_is_ms and all(value == int(value) for value in found)
        return cls(relative, 1e3 if in_ms else 1e6)

    def us(self, stamps: Sequence[float]) -> list[int]:
        """Microseconds since the trace's zero; what no trace holds is left out."""
        found = (stamp * self.us_per_unit for stamp in stamps)
        return [round(us) for us in found if us <= LONGEST_US]

    def absolute_us(self, stamp: object, options: Options) -> int:
        """Microseconds since 1970. Raises RowRefused."""
        if not self.relative:
            return to_us(moment(stamp, options.timezone))
        value = number(stamp)
        if value is None:
            raise RowRefused(NO_TIME if stamp is None else BAD_TIME)
        if not 0 <= value * self.us_per_unit <= LONGEST_US:
            raise RowRefused(BAD_TIME)
        return zero_us(options) + round(value * self.us_per_unit)


def zero_us(options: Options) -> int:
    """When the trace's zero was: `start`, else so that its latest call is now."""
    if options.start is not None:
        return to_us(options.start)
    latest = timedelta(microseconds=options.latest_relative_us or 0)
    return to_us(options.now - latest) // 1000 * 1000
