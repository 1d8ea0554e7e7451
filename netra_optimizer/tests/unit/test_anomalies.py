"""Days that left their pattern are found, told apart from chance, and explained."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netra_optimizer import Anomaly, PriceTable, find_anomalies, generate_workload
from netra_optimizer.generate.matrix import known_answer_scenarios
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
SONNET_IN = 3e-6


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def day(at: int, calls: int = 100, **fields: Any) -> list[UsageRecord]:
    """A day's calls, evenly over it, by ten users and two features."""
    plain = {
        "model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "input_uncached": 1000,
        "latency_ms": 1000.0,
    }
    return [
        UsageRecord(
            **(
                {
                    "id": f"{at:03d}-{number:05d}-{fields.get('user', '')}",
                    "start": MONDAY + timedelta(days=at, seconds=number * 86_000 / calls),
                    "user": f"u{number % 10}",
                    "feature": ("chat", "faq")[number % 2],
                }
                | plain
                | fields
            )
        )
        for number in range(calls)
    ]


def found(records: Iterable[list[UsageRecord]], prices: PriceTable) -> list[Anomaly]:
    rows = [record for part in records for record in part]
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(rows)]), prices)
    return find_anomalies(frame).found


def test_one_user_s_loop_is_found_with_its_day_its_cost_and_its_name(prices: PriceTable) -> None:
    loop = day(9, calls=400, user="u3", feature="chat")
    (spend,) = found([*(day(at) for at in range(12)), loop], prices)
    assert (spend.measure, spend.lasting) == ("spend", False)
    assert (spend.first[:10], spend.until[:10]) == ("2026-11-11", "2026-11-12")
    assert spend.excess_usd == pytest.approx(400 * 1000 * SONNET_IN)
    assert (spend.usual, spend.actual) == (pytest.approx(0.3), pytest.approx(1.5))
    assert [(e.column, e.value, e.share) for e in spend.explained_by] == [
        ("feature", "chat", pytest.approx(1.0)),
        ("user", "u3", pytest.approx(1.0)),
    ]
    assert spend.ratios["requests"] == pytest.approx(5)
    assert spend.ratios["price_a_token"] == pytest.approx(1)


def test_a_shift_for_good_is_one_episode_that_lasts(prices: PriceTable) -> None:
    before = [day(at, calls=300) for at in range(8)]
    after = [day(at, calls=300, model="claude-opus-4-5") for at in range(8, 19)]
    (spend,) = found(before + after, prices)
    assert (spend.first[:10], spend.lasting) == ("2026-11-10", True)
    assert spend.ratios["requests"] == pytest.approx(1)
    assert spend.ratios["price_a_token"] == pytest.approx(5 / 3)
    assert ("model", "claude-opus-4-5") in [(e.column, e.value) for e in spend.explained_by]


def test_quiet_weekends_and_steady_growth_are_a_pattern(prices: PriceTable) -> None:
    week = [day(at, calls=20 if at % 7 >= 5 else 200) for at in range(21)]
    growth = [day(at, calls=round(100 * 1.05**at)) for at in range(21)]
    assert found(week, prices) == []
    assert found(growth, prices) == []


def test_slower_answers_are_told_from_longer_ones(prices: PriceTable) -> None:
    usual = [day(at, output_text=100) for at in range(8)]
    slow = [day(at, output_text=100, latency_ms=2500.0) for at in range(8, 11)]
    long = [day(at, output_text=250, latency_ms=2500.0) for at in range(8, 11)]
    slower = [one for one in found(usual + slow, prices) if one.measure == "latency"]
    longer = [one for one in found(usual + long, prices) if one.measure == "latency"]
    assert [one.feature for one in slower] == ["chat", "faq"]
    assert (slower[0].usual, slower[0].actual) == (1000.0, 2500.0)
    assert slower[0].ratios == {"answer_length": 1.0, "time_a_token": pytest.approx(2.5)}
    assert longer[0].ratios == {"answer_length": 2.5, "time_a_token": pytest.approx(1.0)}


@pytest.mark.parametrize("requests", [1, 3], ids="in records of {}".format)
def test_a_storm_of_errors_is_found_with_its_kind(prices: PriceTable, requests: int) -> None:
    what = {"status": "error", "error_kind": "rate_limit", "feature": "chat"}
    storm = day(6, calls=30 // requests, requests=requests, **what)
    (failures,) = (
        one
        for one in found([*(day(at) for at in range(10)), storm], prices)
        if one.measure == "failures"
    )
    assert (failures.first[:10], failures.usual) == ("2026-11-08", 0.0)
    assert failures.actual == pytest.approx(30 / 130)
    assert ("error_kind", "rate_limit") in [(e.column, e.value) for e in failures.explained_by]


def test_few_days_have_no_pattern_and_say_so(prices: PriceTable) -> None:
    rows = [record for at in range(3) for record in day(at, calls=10 ** min(at + 1, 2))]
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(rows)]), prices)
    told = find_anomalies(frame)
    assert (told.found, told.notes) == ([], ["3 days of records have no pattern to leave."])


@pytest.mark.parametrize("seed", [0, 1])
def test_generated_traffic_without_anything_odd_raises_no_alarm(
    prices: PriceTable, seed: int
) -> None:
    """Bursts, heavy conversations, jobs and weekends among it."""
    names = ("chat_20_turns", "bursts_cached", "job_gpt-4o", "repeats_40", "clean_job")
    alarms = [
        (scenario.name, one)
        for scenario in known_answer_scenarios()
        if scenario.name in names
        for one in find_anomalies(generate_workload(seed, scenario=scenario).frame(prices)).found
    ]
    assert alarms == []


def test_the_order_of_rows_changes_nothing(prices: PriceTable) -> None:
    rows = [record for at in range(10) for record in day(at, calls=60 + 200 * (at == 8))]
    shuffled = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))]
    assert found([rows], prices) == found([shuffled], prices) != []
