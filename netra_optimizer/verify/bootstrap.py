"""Intervals on sums of per-record savings: block bootstrap over conversations and time.

A block is a whole conversation, or where none is named a trace, or a single call. Blocks come and
go as the traffic does, so their number is random too: each is drawn Poisson(1) times (the Poisson
bootstrap), and the sum is studentized, because a few long conversations carry much of it. The
quantiles of that bootstrap are taken in closed form through Hall's monotone transformation (On the
removal of skewness by transformation, 1992): no random number is drawn.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from netra_optimizer.results import Interval
from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.usage.frame import UsageFrame

LEVEL: Final = 0.90


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which block each record of a frame belongs to."""

    block: NDArray[np.int64]

    @classmethod
    def of(cls, frame: UsageFrame) -> "Blocks":
        """Conversations where they are named, else the record's own trace, else the record."""
        count = len(frame)
        block = np.arange(count, dtype=np.int64)
        offset = count
        for column in (frame.trace, frame.conversation):
            block = np.where(column.equals(""), block, offset + column.codes)
            offset += len(column.values)
        return cls(block)

    def interval(self, rows: Int64, savings: Float64) -> Interval:
        """The 90 % interval of the sum of the savings of these rows."""
        if not len(rows):
            return Interval(0.0, 0.0, 0.0)
        _, inverse = np.unique(self.block[rows], return_inverse=True)
        sums = np.bincount(inverse, weights=savings).astype(np.float64)
        return bootstrap_interval(sums)


def bootstrap_interval(sums: Float64, *, level: float = LEVEL) -> Interval:
    """Low, expected, high of the sum of the blocks' savings; the same for any order of the blocks.

    With s^2 = sum(x^2) and the skewness g = sum(x^3) / s^3, the studentized sum t becomes normal as
    t + g t^2 / 3 + g^2 t^3 / 27 + g / 6. Where no block loses, the low end is not below zero.
    """
    total = float(sums.sum())
    spread = float(np.sqrt(np.square(sums).sum()))
    if spread == 0.0:
        return Interval(total, total, total)
    skew = float(np.power(np.sort(sums / spread), 3).sum())
    reach = float(special.ndtri((1 + level) / 2))
    low = total - spread * _quantile(reach, skew)
    high = total - spread * _quantile(-reach, skew)
    if (sums >= 0).all():
        low = max(low, 0.0)
    return Interval(min(low, total), total, max(high, total))


def _quantile(normal: float, skew: float) -> float:
    """The studentized sum at which the transformed one is `normal`."""
    if abs(skew) < 1e-6:
        return normal
    return 3 / skew * (float(np.cbrt(1 + skew * (normal - skew / 6))) - 1)


def widened(interval: Interval, low_factor: float, high_factor: float) -> Interval:
    """The interval with the stated range of an assumption on top (factors on its ends)."""
    ends = (interval.low * low_factor, interval.high * high_factor)
    return Interval(min(*ends, interval.expected), interval.expected, max(*ends, interval.expected))
