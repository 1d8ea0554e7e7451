"""What the next month brings by the shape of the week, and how near it comes to limits."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from scipy import special

from netra_optimizer.errors import AnalysisError
from netra_optimizer.findings import Forecast, Limit, ModelRate
from netra_optimizer.period import DAY_US, DAYS_A_MONTH
from netra_optimizer.results import Interval
from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.usage.frame import UsageFrame

MINUTE_US: Final = 60_000_000
MIN_DAYS: Final = 3
"""Whole days below which no month is foretold."""
WEEKS_FOR_SHAPE: Final = 2
LEVEL: Final = 0.90


def forecast(
    frame: UsageFrame, *, growth: float = 1.0, limits: Mapping[str, Limit] | None = None
) -> Forecast:
    """The month to come if traffic stays as it is, times `growth` (1.5: half as much again).

    No trend is read out of the records: whether a rise goes on is for people to say, as `growth`.
    The interval is that of a sum of days that scatter as these did (Student's quantile, with the
    uncertainty of their mean). Calls without a price are in no cost, and said.
    AnalysisError when growth or a limit is no positive number.
    """
    _refuse_nonsense(growth, limits or {})
    notes: list[str] = []
    unpriced = frame.calls.requests_of(np.isnan(frame.cost_usd))
    requests = frame.calls.request_count
    if unpriced:
        notes.append(
            f"{unpriced:,} of {requests:,} calls have no price and are in no cost"
            + (": the month costs more than is said." if unpriced < requests else ".")
        )
    month, days, shaped = _month(frame, growth)
    if month is None and unpriced < requests:
        notes.append(f"Whole days of records: {days}. A month is foretold from {MIN_DAYS} on.")
    elif month is not None and not shaped:
        notes.append("Below two whole weeks the shape of a week is not known: days count alike.")
    return Forecast(
        month_usd=month,
        from_days=days,
        by_week_shape=shaped,
        growth=growth,
        rates=_rates(frame, growth, limits or {}),
        notes=notes,
    )


def _refuse_nonsense(growth: float, limits: Mapping[str, Limit]) -> None:
    given = {"growth": growth}
    for model, limit in limits.items():
        given |= {
            f"the limit of {model}": value
            for value in (limit.requests_a_minute, limit.tokens_a_minute)
            if value is not None
        }
    for name, value in given.items():
        if not 0 < value < float("inf"):
            raise AnalysisError(
                f"{name} is {value!r}.", hint="Growth is a factor (1.5: half more), a limit a rate."
            )


def _whole_days(frame: UsageFrame) -> tuple[Int64, Float64]:
    """Days since 1970 and what each cost; the first and the last, cut short, left out."""
    start = frame.calls.start_us
    if not len(start):
        return np.zeros(0, np.int64), np.zeros(0)
    day = start // DAY_US
    first, last = int(day[0]), int(day[-1])
    spent = np.bincount(day - first, weights=np.nan_to_num(frame.cost_usd))
    days = np.arange(first, last + 1)
    return days[1:-1], spent[1:-1].astype(np.float64, copy=False)


def _month(frame: UsageFrame, growth: float) -> tuple[Interval | None, int, bool]:
    days, spent = _whole_days(frame)
    if len(days) < MIN_DAYS or np.isnan(frame.cost_usd).all():
        return None, len(days), False
    shaped = len(days) >= 7 * WEEKS_FOR_SHAPE
    weekday = (days + 3) % 7 if shaped else np.zeros(len(days), np.int64)
    sizes = np.bincount(weekday, minlength=7)
    means = np.bincount(weekday, weights=spent, minlength=7) / np.maximum(sizes, 1)
    ahead = (np.arange(int(days[-1]) + 2, int(days[-1]) + 2 + round(DAYS_A_MONTH)) + 3) % 7
    weight = np.bincount(ahead if shaped else np.zeros(len(ahead), np.int64), minlength=7)
    weight = weight * (DAYS_A_MONTH / len(ahead))
    expected = float((weight * means).sum())
    rest = spent - means[weekday]
    freedom = len(days) - int((sizes > 0).sum())
    if freedom < 1:
        return None, len(days), shaped
    variance = float(np.square(rest).sum()) / freedom
    # A new day scatters as these did, and so does the mean of the days it is foretold by.
    spread = variance * float((weight + np.square(weight) / np.maximum(sizes, 1)).sum())
    reach = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * float(np.sqrt(spread))
    low = max(0.0, expected - reach)
    return (
        Interval(low * growth, expected * growth, (expected + reach) * growth),
        len(days),
        shaped,
    )


def _rates(frame: UsageFrame, growth: float, limits: Mapping[str, Limit]) -> list[ModelRate]:
    if not len(frame):
        return []
    start, names = frame.calls.start_us, frame.calls.model
    minute = (start - start[0] // MINUTE_US * MINUTE_US) // MINUTE_US
    tokens = (frame.calls.input_tokens + frame.calls.output_tokens).astype(np.float64)
    found: list[ModelRate] = []
    for code in np.unique(names.codes).tolist():
        mine = np.flatnonzero(names.codes == code)
        _, inverse = np.unique(minute[mine], return_inverse=True)
        requests = frame.calls.take(mine).requests_by(inverse)
        used = np.bincount(inverse, weights=tokens[mine]).astype(np.float64, copy=False)
        limit = limits.get(names.values[code])
        full = _fullness(requests, used, limit)
        found.append(
            ModelRate(
                model=names.values[code],
                requests_a_minute=int(requests.max()),
                tokens_a_minute=int(used.max()),
                requests_then=float(requests.max()) * growth,
                tokens_then=float(used.max()) * growth,
                limit=limit,
                grows_until=1 / float(full.max()) if full.max() > 0 else None,
                minutes_over=int((full * growth > 1).sum()),
            )
        )
    return sorted(found, key=lambda one: (-one.tokens_a_minute, one.model))


def _fullness(requests: Float64, tokens: Float64, limit: Limit | None) -> Float64:
    """Each minute's share of the nearer limit."""
    full = np.zeros(len(requests))
    if limit is not None and limit.requests_a_minute is not None:
        full = np.maximum(full, requests / limit.requests_a_minute)
    if limit is not None and limit.tokens_a_minute is not None:
        full = np.maximum(full, tokens / limit.tokens_a_minute)
    return full
