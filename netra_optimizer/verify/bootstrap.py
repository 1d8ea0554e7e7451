"""Intervals on sums of per-record savings: what the sum would have been, had other calls come.

What comes and goes together is a block: a conversation, or where none is named a trace, or a
single call. Blocks arrive as the traffic does, so their number is random too (the Poisson
bootstrap: each is drawn Poisson(1) times), and the variance of the sum is that of its cumulants,
sum(x^2), sum(x^3), sum(x^4). Two things make blocks depend on each other, and each adds to it:

- the same prompt asked in many blocks: its size is one draw, however often it is asked (a second
  way of clustering, with a random effect of the prompt);
- time: calls come in bursts, and a call keeps a cache warm for the next. Blocks of an hour are held
  against what the hour and the day usually bring; what they scatter beyond that of unrelated blocks
  counts as a factor.

The ends are quantiles of the studentized sum in closed form, through Hall's monotone transformation
(On the removal of skewness by transformation, 1992), at Student's quantile with the degrees of
freedom of the variance's own estimate (Satterthwaite): few long conversations carry much of it. No
random number is drawn.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from netra_optimizer.results import Interval
from netra_optimizer.usage.columns import Float64, Int64, Text
from netra_optimizer.usage.frame import UsageFrame

LEVEL: Final = 0.90
HOUR_US: Final = 3_600_000_000
HOURS_A_DAY: Final = 24
MIN_FREEDOM: Final = 2.0
"""Degrees of freedom below which a quantile of Student's would say nothing."""
_SLICE: Final = 262_144
"""Blocks looked at at a time."""
MIN_TIME_FREEDOM: Final = 8.0
"""Hours and days that scatter is worth measuring on."""


@dataclass(frozen=True)
class Spread:
    """Variance and third cumulant of a sum, and the variance of the variance's estimate."""

    variance: float
    third: float
    uncertainty: float

    @property
    def freedom(self) -> float:
        """Satterthwaite's degrees of freedom of the variance."""
        if self.uncertainty <= 0:
            return np.inf
        return max(MIN_FREEDOM, 2 * self.variance**2 / self.uncertainty)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Which block, prompt, feature, model and time each record of a frame belongs to."""

    block: Int64 | None
    """None where each record is a block of its own."""
    prompt: Text
    feature: Text
    model: Text
    start_us: Int64

    @classmethod
    def of(cls, frame: UsageFrame) -> "Blocks":
        """Conversations where they are named, else the record's own trace, else the record."""
        block, offset = None, len(frame)
        for column in (frame.trace, frame.conversation):
            unnamed = column.equals("")
            if not unnamed.all():
                own = frame.every_row if block is None else block
                block = np.where(unnamed, own, offset + column.codes.astype(np.int64))
            offset += len(column.values)
        calls = frame.calls
        return cls(block, frame.prompt_hash, frame.feature, calls.model, calls.start_us)

    def interval(self, rows: Int64, savings: Float64) -> Interval:
        """The 90 % interval of the sum of the savings of these rows."""
        if not len(rows):
            return Interval(0.0, 0.0, 0.0)
        block, first = dense(rows if self.block is None else self.block[rows])
        alone = first is block
        sums: Float64 = savings
        if not alone:
            sums = np.bincount(block, weights=savings).astype(np.float64, copy=False)
        spread = of_blocks(sums)
        if spread.variance > 0:
            spread = in_time(spread, sums, self.start_us[rows if alone else rows[first]])
            spread = self._with_prompts(spread, rows, savings, block)
        return ends(float(sums.sum()), spread, never_loses=bool((sums >= 0).all()))

    def _with_prompts(self, spread: Spread, rows: Int64, savings: Float64, block: Int64) -> Spread:
        """Kind by kind; records that save nothing say nothing of what their prompt is worth."""
        prompt = self.prompt.take(rows)
        saving = np.flatnonzero(~prompt.equals("") & (savings != 0))
        asked = prompt.codes[saving]
        saving = saving[np.bincount(asked, minlength=1)[asked] > 1]
        rows = rows[saving]
        kind = self.feature.codes[rows].astype(np.int64) * len(self.model.values)
        kind, first = dense(kind + self.model.codes[rows])
        for name in range(len(first)):
            here = np.flatnonzero(kind == name)
            group, _ = dense(self.prompt.codes[rows[here]].astype(np.int64))
            at = saving[here]
            spread = with_common_part(spread, savings[at], group, block[at])
        return spread


def dense(codes: Int64) -> tuple[Int64, Int64]:
    """Codes from 0 in order of first appearance, and where each appears first."""
    if (codes[1:] > codes[:-1]).all():
        each = np.arange(len(codes), dtype=np.int64)
        return each, each
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse], first[order].astype(np.int64)


def bootstrap_interval(sums: Float64, *, level: float = LEVEL) -> Interval:
    """Low, expected, high of the sum of unrelated blocks; the same for any order of them."""
    return ends(
        float(sums.sum()), of_blocks(sums), never_loses=bool((sums >= 0).all()), level=level
    )


def of_blocks(sums: Float64) -> Spread:
    """The cumulants of a sum of blocks that come and go by themselves."""
    ordered = np.sort(sums)
    second = np.square(ordered)
    third = np.multiply(second, ordered, out=ordered)
    return Spread(
        float(second.sum()), float(third.sum()), float(np.square(second, out=second).sum())
    )


def in_time(spread: Spread, sums: Float64, begin_us: Int64) -> Spread:
    """The spread times how much more whole hours scatter than unrelated blocks would.

    An hour is expected to bring (hour's share) x (day's share) of the sum; the squared rests are
    held against sum(x^2) less the two fitted shares.
    """
    first, last = int(begin_us.min()), int(begin_us.max())
    first_day = first // HOUR_US // HOURS_A_DAY
    days = last // HOUR_US // HOURS_A_DAY - first_day + 1
    brought, squares = np.zeros((2, HOURS_A_DAY, days))
    for place in range(0, len(sums), _SLICE):
        part = sums[place : place + _SLICE]
        day, hour = np.divmod(begin_us[place : place + _SLICE] // HOUR_US, HOURS_A_DAY)
        np.add.at(brought, (hour, day - first_day), part)
        np.add.at(squares, (hour, day - first_day), np.square(part))
    by_hour, by_day, total = brought.sum(1), brought.sum(0), brought.sum()
    weight = squares.sum(1)
    freedom = (days - 1) * (float(weight.sum() ** 2 / np.square(weight).sum()) - 1)
    if freedom < MIN_TIME_FREEDOM or total == 0 or (by_day / total < 0).any():
        return spread
    hour_share, day_share = np.clip(by_hour / total, 0, 1), by_day / total
    rest = brought - np.outer(by_hour, day_share)
    expected = float((squares * np.outer(1 - hour_share, 1 - day_share)).sum())
    if expected <= 0 or float(np.square(rest).sum()) <= expected:
        return spread
    factor = float(np.square(rest).sum()) / expected
    return Spread(
        spread.variance * factor,
        spread.third * factor**2,
        spread.uncertainty * factor**2 + 2 * (spread.variance * factor) ** 2 / freedom,
    )


def with_common_part(spread: Spread, values: Float64, group: Int64, block: Int64) -> Spread:
    """Add what records of one group, in several blocks, have in common against the mean of all.

    The variance between groups is that of a random effect by weighted moments in two steps
    (DerSimonian and Kacker 2007), the second with the weights that the first suggests.
    """
    sizes = np.bincount(group)
    groups = len(sizes)
    if groups < 2 or groups == len(values):
        return spread
    means = np.bincount(group, weights=values) / sizes
    within = float(np.square(values - means[group]).sum()) / (len(values) - groups)
    first, _ = _between(means, sizes, within, sizes.astype(np.float64))
    if first <= 0:
        return spread
    between, scale = _between(means, sizes, within, 1 / (first + within / sizes))
    if between <= 0:
        return spread
    weight = 1 / (between + within / sizes)
    gap = means - float((weight * means).sum() / weight.sum())
    skew = float(np.mean(np.power(np.sqrt(weight) * gap, 3)))
    size = sizes.astype(np.float64)
    _, counted = np.unique(group * (block.max() + 1) + block, return_counts=True)
    pairs = float(np.square(size).sum() - np.square(counted, dtype=np.float64).sum())
    return Spread(
        spread.variance + between * pairs,
        spread.third + skew * between**1.5 * float(np.power(size, 3).sum()),
        spread.uncertainty + 2 * (groups - 1) * (pairs / scale) ** 2,
    )


def _between(means: Float64, sizes: Int64, within: float, weight: Float64) -> tuple[float, float]:
    """The variance between groups by moments with such weights, and what its sum is divided by."""
    middle = float((weight * means).sum() / weight.sum())
    scale = float(weight.sum() - np.square(weight).sum() / weight.sum())
    noise = within * float((weight / sizes).sum() - (weight**2 / sizes).sum() / weight.sum())
    return (float((weight * np.square(means - middle)).sum()) - noise) / scale, scale


def ends(
    total: float, spread: Spread, *, never_loses: bool = False, level: float = LEVEL
) -> Interval:
    """Low, expected, high. Where no block loses, the low end is not below zero.

    With s^2 the variance and g the skewness, the studentized sum t becomes normal as
    t + g t^2 / 3 + g^2 t^3 / 27 + g / 6.
    """
    deviation = float(np.sqrt(spread.variance))
    if deviation == 0.0:
        return Interval(total, total, total)
    skew = spread.third / deviation**3
    freedom = spread.freedom
    level = (1 + level) / 2
    reach = float(special.stdtrit(freedom, level) if freedom < 1e6 else special.ndtri(level))
    low = total - deviation * _quantile(reach, skew)
    high = total - deviation * _quantile(-reach, skew)
    if never_loses:
        low = max(low, 0.0)
    return Interval(min(low, total), total, max(high, total))


def _quantile(normal: float, skew: float) -> float:
    """The studentized sum at which the transformed one is `normal`."""
    if abs(skew) < 1e-6:
        return normal
    return 3 / skew * (float(np.cbrt(1 + skew * (normal - skew / 6))) - 1)


def widened(interval: Interval, low_factor: float, high_factor: float) -> Interval:
    """The interval with the stated range of an assumption on top (factors on its ends).

    An end below zero, which a factor would draw nearer, stays.
    """
    low = interval.low * (low_factor if interval.low > 0 else 1.0)
    high = interval.high * (high_factor if interval.high > 0 else 1.0)
    return Interval(
        min(low, high, interval.expected), interval.expected, max(low, high, interval.expected)
    )
