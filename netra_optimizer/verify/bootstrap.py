"""Intervals on sums of per-record savings: block bootstrap over conversations and time.

A block is a whole conversation, or where none is named a short stretch of time. Blocks come and go
as the traffic does, so their number is random too: each is drawn Poisson(1) times (the Poisson
bootstrap), which gives the variance of a compound Poisson sum.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from netra_optimizer.options import AnalysisOptions
from netra_optimizer.results import Interval
from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.usage.frame import UsageFrame

LEVEL: Final = 0.90
EXACT_BLOCKS: Final = 500
"""Up to these the bootstrap is drawn, beyond it is computed."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which block each record of a frame belongs to, and how intervals are drawn."""

    block: NDArray[np.int64]
    seed: int
    draws: int

    @classmethod
    def of(cls, frame: UsageFrame, options: AnalysisOptions) -> "Blocks":
        """Conversations where they are named, else the record's own trace, else the record."""
        count = len(frame)
        block = np.arange(count, dtype=np.int64)
        offset = count
        for column in (frame.trace, frame.conversation):
            named = np.array([bool(value) for value in column.values], np.bool_)
            mask = named[column.codes] if len(named) else np.zeros(count, np.bool_)
            block = np.where(mask, offset + column.codes, block)
            offset += len(column.values)
        return cls(block, options.seed, options.draws)

    def interval(self, rows: Int64, savings: Float64) -> Interval:
        """The 90 % interval of the sum of the savings of these rows."""
        if not len(rows):
            return Interval(0.0, 0.0, 0.0)
        _, inverse = np.unique(self.block[rows], return_inverse=True)
        sums = np.bincount(inverse, weights=savings)
        return bootstrap_interval(sums, seed=self.seed, draws=self.draws)


def bootstrap_interval(
    sums: Float64, *, seed: int = 0, draws: int = 1000, level: float = LEVEL
) -> Interval:
    """Low, expected, high of the sum of `sums`; seeded, the same for any order of the blocks.

    Beyond EXACT_BLOCKS blocks the quantiles are those of the bootstrap's own distribution in
    closed form: a compound Poisson sum has the cumulants sum(x^k), entered in Cornish and Fisher's
    expansion (1938) to the third.
    """
    total = float(sums.sum())
    active = np.sort(sums[sums != 0.0])
    if not len(active):
        return Interval(total, total, total)
    tail = (1 - level) / 2
    if len(active) > EXACT_BLOCKS:
        spread = float(np.sqrt(np.square(active).sum()))
        skew = float(np.power(active, 3).sum()) / spread**3
        reach = np.array([special.ndtri(tail), special.ndtri(1 - tail)])
        low, high = total + spread * (reach + skew * (reach**2 - 1) / 6)
    else:
        rng = np.random.default_rng(seed)
        drawn = rng.poisson(1.0, (draws, len(active))) @ active
        low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(min(float(low), total), total, max(float(high), total))


def widened(interval: Interval, low_factor: float, high_factor: float) -> Interval:
    """The interval with the stated range of an assumption on top (factors on its ends)."""
    ends = (interval.low * low_factor, interval.high * high_factor)
    return Interval(min(*ends, interval.expected), interval.expected, max(*ends, interval.expected))
