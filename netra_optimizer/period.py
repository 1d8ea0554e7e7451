"""The period of the records, and its parts for choosing and for claiming."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np

from netra_optimizer.usage.columns import Bool, Int64

DAY_US: Final = 86_400_000_000
DAYS_A_MONTH: Final = 365.25 / 12
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Split:
    """Changes are chosen on `choose` and claimed on `claim`; one and the same when `single`."""

    choose: Bool
    claim: Bool
    single: bool
    first_us: int
    cut_us: int
    """Where the claim's period begins."""
    last_us: int


def split_period(start_us: Int64, choose_share: float) -> Split:
    """Cut the period in two at a midnight (UTC); below two days not at all.

    The first part has the share of the days that have calls, to the nearest day, so that it does
    not depend on the hour of the first and last call, and one wrong time does not shift it.
    """
    everything = np.ones(len(start_us), np.bool_)
    if not len(start_us):
        return Split(everything, everything, True, 0, 0, 0)
    first, last = int(start_us[0]), int(start_us[-1])
    if last - first < 2 * DAY_US:
        return Split(everything, everything, True, first, first, last)
    used = days_with_calls(start_us)
    days = min(max(round(len(used) * choose_share), 1), len(used) - 1)
    cut = (used[days - 1] + 1) * DAY_US
    claim = start_us >= cut
    return Split(~claim, claim, False, first, cut, last)


def days_with_calls(start_us: Int64) -> list[int]:
    """Days since 1970 (UTC) on which there are calls, rising; of sorted times.

    A last call at the very midnight that ends a day makes no day of its own.
    """
    days: list[int] = []
    at = 0
    while at < len(start_us):
        days.append(int(start_us[at]) // DAY_US)
        at = int(np.searchsorted(start_us, (days[-1] + 1) * DAY_US))
    if len(days) > 2 and days[-1] == days[-2] + 1 and start_us[-1] == days[-1] * DAY_US:
        days.pop()
    return days


def longest_pause(start_us: Int64) -> tuple[int, int]:
    """The last day before the longest run of days without calls, and the first day after it."""
    days = days_with_calls(start_us)
    pairs = list(pairwise(days))
    return max(pairs, key=lambda pair: pair[1] - pair[0], default=(0, 0))


def iso_time(us: int) -> str:
    """RFC 3339, UTC, to the microsecond where there are any."""
    return (_EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")
