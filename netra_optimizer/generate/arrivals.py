"""When calls come: a Poisson process that follows the day and the week, and jobs by the clock."""

from typing import Final

import numpy as np

from netra_optimizer.usage.columns import Float64, Int64

DAY_S: Final = 86_400.0
_HOURS: Final = np.array(
    [2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 19, 16, 17, 19, 19, 17, 14, 11, 10, 9, 7, 5, 3], float
)
_WEEKDAYS: Final = np.array([1.1, 1.15, 1.15, 1.1, 1.0, 0.55, 0.5])


def poisson_arrivals(
    rng: np.random.Generator, *, per_day: float, days: float, weekday: int
) -> Float64:
    """Seconds after the start, rising; `per_day` on the mean day; the first is a `weekday`."""
    hours = int(np.ceil(days * 24))
    at = np.arange(hours)
    intensity = _HOURS[at % 24] / _HOURS.mean() * _WEEKDAYS[(weekday + at // 24) % 7]
    intensity[-1] *= 1 - (hours - days * 24)
    expected = np.concatenate([[0.0], np.cumsum(intensity)]) * per_day / 24
    count = rng.poisson(expected[-1])
    return np.sort(np.interp(rng.random(count) * expected[-1], expected, np.arange(hours + 1))) * (
        3600.0
    )


def in_bursts(
    rng: np.random.Generator, begins: Float64, *, mean: float, spacing_s: float, days: float
) -> Float64:
    """Bursts that begin at these times, of geometric sizes with that mean; rising."""
    sizes = rng.geometric(1 / mean, len(begins))
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    pause = rng.exponential(spacing_s, int(sizes.sum()))
    pause[first] = begins
    start = np.sort(np.asarray(within_group_cumsum(pause, first), np.float64))
    return start[start < days * DAY_S]


def job_arrivals(
    rng: np.random.Generator,
    *,
    per_day: float,
    days: float,
    hours: tuple[float, ...],
    spacing_s: float,
) -> Float64:
    """Calls of runs that begin at the given hours, a few seconds late, one after another."""
    runs: list[Float64] = []
    for day in range(int(np.ceil(days))):
        for hour in hours:
            begin = day * DAY_S + hour * 3600 + rng.exponential(20.0)
            calls = rng.poisson(per_day / len(hours))
            run = begin + np.cumsum(rng.exponential(spacing_s, calls))
            runs.append(run[run < days * DAY_S])
    return np.sort(np.concatenate(runs)) if runs else np.zeros(0)


def within_group_cumsum(values: Float64 | Int64, first: Int64) -> Float64 | Int64:
    """Running sums that begin anew at each position in `first`."""
    total = np.cumsum(values)
    before = total[first] - values[first]
    lengths = np.diff(np.append(first, len(values)))
    return total - np.repeat(before, lengths)
