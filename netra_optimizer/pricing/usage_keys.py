"""Usage in genai-prices' own keys: tokens by modality, seconds, pages, searches, all it bills.

A key's price is charged for what no more specific priced key covers: with prices for input and for
cached input, cached tokens are taken out of the input and charged at their own.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from netra_optimizer.pricing.schedule import DAY_US, moment_of, segments_of
from netra_optimizer.usage.columns import Float64, Int64

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice
    from genai_prices.units import UnitDef

REQUESTS: Final = "requests"
_BILLED_SECONDS: Final = ("whisper-large-v3", "whisper-large-v3-turbo")
"""Groq bills at least ten seconds of these."""
_SECONDS: Final = ("audio_seconds", "input_audio_seconds")

Columns = Mapping[str, Float64]
"""Usage key → count of each call."""


def cost_of_usage(
    provider: str, model: "ModelInfo", context: Mapping[str, str], start_us: Int64, usage: Columns
) -> Float64:
    """USD of each call, as `genai_prices.calc_price` has it."""
    columns = {key: np.asarray(values, np.float64) for key, values in usage.items()}
    if provider == "groq" and model.id in _BILLED_SECONDS:
        columns = _at_least_ten_seconds(columns)
    dates, times = segments_of(model)
    date = np.searchsorted(dates, start_us, "right") - 1
    clock = np.searchsorted(times, start_us % DAY_US, "right") - 1
    cell = date * len(times) + clock
    total = np.zeros(len(start_us))
    for number in np.unique(cell).tolist():
        rows = np.flatnonzero(cell == number)
        day, hour = divmod(number, len(times))
        price = model.get_prices(moment_of(dates[day], times[hour]), dict(context))
        part = {key: values[rows] for key, values in columns.items()}
        total[rows] = _cost(price, part, len(rows))
    return total


def _cost(price: "ModelPrice", usage: Columns, rows: int) -> Float64:
    priced = _priced_units(price)
    inputs = usage.get("input_tokens", np.zeros(rows))
    left: dict[str, Float64] = {}
    total = np.zeros(rows)
    for unit in sorted(priced, key=lambda u: (-len(u.dimensions), u.usage_key)):
        if unit.usage_key == REQUESTS:
            counts = np.ones(rows)
        else:
            counts = usage.get(unit.usage_key, np.zeros(rows)) - sum(
                left[below.usage_key]
                for below in priced
                if below is not unit
                and below.usage_key in left
                and unit.dimensions.items() <= below.dimensions.items()
            )
            left[unit.usage_key] = counts
        total += counts * _rate(getattr(price, unit.price_key), inputs) / unit.per
    return total


def _priced_units(price: "ModelPrice") -> "list[UnitDef]":
    from genai_prices import units

    registry = units._get_registry()  # pyright: ignore[reportPrivateUsage]
    return [
        registry.unit_for_price_key(key)
        for key, value in price.__dict__.items()
        if value is not None
    ]


def _rate(value: Any, inputs: Float64) -> Float64:
    """Any: a Decimal, or prices in tiers."""
    rate = np.full(len(inputs), float(getattr(value, "base", value)))
    for tier in getattr(value, "tiers", ()):
        rate[inputs > tier.start] = float(tier.price)
    return rate


def _at_least_ten_seconds(columns: Columns) -> Columns:
    stated = next((columns[key] for key in _SECONDS if key in columns), None)
    if stated is None:
        return columns
    billed = np.where(stated > 0, np.maximum(stated, 10), 0)
    return {**columns, **dict.fromkeys(_SECONDS, billed)}
