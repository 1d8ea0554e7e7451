"""The period of the records, and its parts for choosing and for claiming."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

    The first part has the share of the calendar days, to the nearest day, so that it does not
    depend on the hour of the first and last call.
    """
    everything = np.ones(len(start_us), np.bool_)
    if not len(start_us):
        return Split(everything, everything, True, 0, 0, 0)
    first, last = int(start_us[0]), int(start_us[-1])
    if last - first < 2 * DAY_US:
        return Split(everything, everything, True, first, first, last)
    begins, ends = first // DAY_US, (last - 1) // DAY_US + 1
    days = min(max(round((ends - begins) * choose_share), 1), ends - begins - 1)
    cut = (begins + days) * DAY_US
    claim = start_us >= cut
    return Split(~claim, claim, False, first, cut, last)


def iso_time(us: int) -> str:
    """RFC 3339, UTC, to the microsecond where there are any."""
    return (_EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")
