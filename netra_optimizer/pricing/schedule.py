"""One model's prices in one tier, over dates, times of day and sizes of input, as a dense array."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from netra_optimizer.pricing.units import BUCKET_UNITS, RATE_COLUMNS, REQUEST_KEY, TOKEN_KEYS
from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.usage.record import TOKEN_BUCKETS

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.types import (
        ModelInfo,
        ModelPrice,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )

DAY_US: Final = 86_400_000_000
BEGINNING: Final = -(2**62)
_GONE: Final = "No longer listed"
"""How genai-prices marks a model that is kept for history."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Schedule:
    """Rates by (date segment, time-of-day segment, band of total input).

    `dates_us[d]` and `times_us[t]` are where segments begin; band b holds for total input above
    `over[b]`. `rates[d, t, b]` are RATE_COLUMNS: USD a token, and USD a request.
    """

    dates_us: Int64
    times_us: Int64
    over: Int64
    rates: Float64

    def lookup(self, start_us: Int64, input_tokens: Int64, as_of_us: int | None) -> Float64:
        """Rates of each call, float64[n, len(RATE_COLUMNS)]."""
        when = start_us if as_of_us is None else np.full_like(start_us, as_of_us)
        date = np.searchsorted(self.dates_us, when, "right") - 1
        clock = np.searchsorted(self.times_us, start_us % DAY_US, "right") - 1
        band = np.searchsorted(self.over, input_tokens, "left") - 1
        return self.rates[date, clock, np.maximum(band, 0)]


def schedule_of(model: "ModelInfo", context: Mapping[str, str]) -> Schedule | None:
    """The schedule of a genai-prices model, None when it has no price by the token.

    A model that is given away costs nothing.

    genai-prices itself is asked at the beginning of every segment, so which price wins is its own
    decision.
    """
    dates, times = segments_of(model)
    if given_away(model):
        rates = np.zeros((1, 1, 1, len(RATE_COLUMNS)))
        return Schedule(np.array([BEGINNING]), np.array([0]), np.array([-1]), rates)
    return _dense(
        dates, times, lambda day, clock: model.get_prices(moment_of(day, clock), dict(context))
    )


def given_away(model: "ModelInfo") -> bool:
    """Whether a model is listed and nothing is asked for it, whatever the unit.

    One that is kept for history alone has lost its price, not its cost.
    """
    listed = model.prices if isinstance(model.prices, list) else ()
    prices = [entry.prices for entry in listed] or [model.get_prices(EPOCH)]
    priced = [*prices, *(variant.prices for variant in model.price_variants or ())]
    gone = _GONE in (model.price_comments or "")
    return not gone and not any(_keys(price) for price in priced)


def segments_of(model: "ModelInfo") -> tuple[list[int], list[int]]:
    """Where dates and times of day begin at which any of a model's prices may change."""
    by_date, by_time = _constraints(model)
    dates = sorted({BEGINNING, *(_date_us(c.start_date) for c in by_date)})
    times = sorted({0, *(_time_us(edge) for c in by_time for edge in (c.start_time, c.end_time))})
    return dates, times


def _dense(
    dates: list[int], times: list[int], price_at: "Callable[[int, int], ModelPrice]"
) -> Schedule | None:
    cells = [[_keys(price_at(day, clock)) for clock in times] for day in dates]
    if not any(TOKEN_KEYS & cell.keys() for row in cells for cell in row):
        return None
    over = sorted({-1, *_thresholds(cell for row in cells for cell in row)})
    rates = np.array(
        [[[_rates(cell, floor) for floor in over] for cell in row] for row in cells], np.float64
    )
    return Schedule(np.array(dates, np.int64), np.array(times, np.int64), np.array(over), rates)


def _constraints(
    model: "ModelInfo",
) -> "tuple[list[StartDateConstraint], list[TimeOfDateConstraint]]":
    from genai_prices.types import StartDateConstraint

    priced = model.prices if isinstance(model.prices, list) else []
    found = [entry.constraint for entry in (*priced, *(model.price_variants or ()))]
    known = [constraint for constraint in found if constraint is not None]
    return (
        [constraint for constraint in known if isinstance(constraint, StartDateConstraint)],
        [constraint for constraint in known if not isinstance(constraint, StartDateConstraint)],
    )


def _keys(price: "ModelPrice") -> "dict[str, Decimal | TieredPrices]":
    return {key: value for key, value in price.__dict__.items() if value is not None}


def _thresholds(cells: "Iterable[dict[str, Decimal | TieredPrices]]") -> "Iterable[int]":
    for cell in cells:
        for value in cell.values():
            for tier in getattr(value, "tiers", ()):
                yield tier.start


def _rates(cell: "Mapping[str, Decimal | TieredPrices]", floor: int) -> list[float]:
    per_token = [
        next((_amount(cell[key], floor) / 1e6 for key in BUCKET_UNITS[bucket] if key in cell), 0.0)
        for bucket in TOKEN_BUCKETS
    ]
    request = _amount(cell[REQUEST_KEY], floor) / 1e3 if REQUEST_KEY in cell else 0.0
    row = [*per_token, request]
    assert len(row) == len(RATE_COLUMNS)
    return row


def _amount(price: "Decimal | TieredPrices", floor: int) -> float:
    """The price for input just above `floor`: the highest tier that starts at or below it."""
    from genai_prices.types import TieredPrices

    if not isinstance(price, TieredPrices):
        return float(price)
    reached = [tier.price for tier in price.tiers if tier.start <= floor]
    return float(reached[-1] if reached else price.base)


def _date_us(day: date) -> int:
    return (day - EPOCH.date()).days * DAY_US


def _time_us(clock: time) -> int:
    aware = clock if clock.tzinfo else clock.replace(tzinfo=UTC)
    moment = datetime.combine(EPOCH.date(), aware).astimezone(UTC)
    return ((moment - EPOCH) // timedelta(microseconds=1)) % DAY_US


def moment_of(date_us: int, clock_us: int) -> datetime:
    """A moment inside a segment: its first day (1970 for the first), at its time of day."""
    day = max(date_us, 0) // DAY_US * DAY_US
    return EPOCH + timedelta(microseconds=day + clock_us)
