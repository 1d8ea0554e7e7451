"""The month to come by the shape of the week, and limits that it meets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netra_optimizer import Limit, PriceTable, forecast
from netra_optimizer.errors import AnalysisError
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
CALL_USD = 3e-3
"""A thousand tokens of input."""


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def frame_of(counts: list[int], prices: PriceTable, **fields: Any) -> UsageFrame:
    """So many calls on each day from Monday on."""
    plain = {"model": "claude-sonnet-4-5", "provider": "anthropic", "input_uncached": 1000}
    records = [
        UsageRecord(
            **(
                {
                    "id": f"{day:03d}-{at:05d}",
                    "start": MONDAY + timedelta(days=day, seconds=at * 86_000 / count),
                }
                | plain
                | fields
            )
        )
        for day, count in enumerate(counts)
        for at in range(count)
    ]
    return UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)


def test_workdays_and_weekends_are_foretold_by_their_own_kind(prices: PriceTable) -> None:
    counts = [10 if day % 7 >= 5 else 100 for day in range(23)]
    told = forecast(frame_of(counts, prices))
    ahead = [10 if day % 7 >= 5 else 100 for day in range(23, 53)]
    assert told.month_usd is not None and told.by_week_shape
    assert told.month_usd.expected == pytest.approx(sum(ahead) * CALL_USD * 365.25 / 12 / 30)
    assert told.month_usd.low == pytest.approx(told.month_usd.high)
    assert told.from_days == 21


def test_growth_is_a_factor_on_the_month_and_on_the_busiest_minute(prices: PriceTable) -> None:
    frame = frame_of([60] * 10, prices)
    now, then = forecast(frame), forecast(frame, growth=1.5)
    assert now.month_usd is not None and then.month_usd is not None
    assert then.month_usd.expected == pytest.approx(1.5 * now.month_usd.expected)
    (rate,) = then.rates
    assert (rate.requests_a_minute, rate.requests_then) == (1, 1.5)
    assert "shape of a week is not known" in then.notes[0]


def test_a_limit_says_by_which_growth_it_binds(prices: PriceTable) -> None:
    limits = {"claude-sonnet-4-5": Limit(requests_a_minute=10, tokens_a_minute=1500)}
    (rate,) = forecast(frame_of([60] * 10, prices), growth=2.0, limits=limits).rates
    assert rate.grows_until == pytest.approx(1.5)
    assert rate.minutes_over == 600
    (free,) = forecast(frame_of([60] * 10, prices), growth=2.0).rates
    assert (free.grows_until, free.minutes_over) == (None, 0)


def test_nine_in_ten_months_lie_within_the_interval(prices: PriceTable) -> None:
    """Days of a known mean that scatter by a fifth, foretold from eighteen of them."""
    frame, rng = frame_of([60] * 20, prices), np.random.default_rng(5)
    held = 0
    for _ in range(400):
        daily = rng.normal(1.0, 0.2, 50)
        cost = daily[np.arange(len(frame)) // 60] / 60
        told = forecast(_costing(frame, cost)).month_usd
        assert told is not None
        held += told.low <= daily[20:].sum() * 365.25 / 12 / 30 <= told.high
    assert 0.86 <= held / 400 <= 0.94


def _costing(frame: UsageFrame, cost: Any) -> UsageFrame:
    from dataclasses import replace

    return replace(frame, cost_usd=cost)


def test_few_days_and_nonsense_are_said(prices: PriceTable) -> None:
    frame = frame_of([50] * 3, prices)
    told = forecast(frame)
    assert told.month_usd is None
    assert told.notes == ["Whole days of records: 1. A month is foretold from 3 on."]
    for growth in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(AnalysisError, match="growth is"):
            forecast(frame, growth=growth)


def test_calls_without_a_price_are_in_no_month_and_said(prices: PriceTable) -> None:
    unknown = frame_of([10] * 8, prices, model="no-such-model", provider="")
    told = forecast(unknown)
    assert told.month_usd is None
    assert told.notes[0].startswith("80 of 80 calls have no price and are in no cost")
    assert forecast(frame_of([10] * 8, prices)).notes == [
        "Below two whole weeks the shape of a week is not known: days count alike."
    ]
