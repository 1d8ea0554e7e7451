"""Attempts that brought nothing, and context that is sent again and again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from netra_optimizer import analyze
from netra_optimizer.pricing import PriceTable
from netra_optimizer.results import Opportunity
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def call(at: int, seconds: float, **fields: Any) -> UsageRecord:
    given = {
        "id": f"c{at:05d}",
        "start": NOON + timedelta(seconds=seconds),
        "model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "input_uncached": 1000,
        "user": "u",
    }
    return UsageRecord(**(given | fields))


def found(records: list[UsageRecord], prices: PriceTable, lever: str) -> list[Opportunity]:
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    return [o for o in analyze(frame, prices=prices).opportunities if o.lever == lever]


def attempts(requests: int, each: int, **last: Any) -> list[UsageRecord]:
    """So many attempts of each request, all overloaded but perhaps the last."""
    return [
        call(
            each * request + attempt,
            100.0 * request + 2 * attempt,
            prompt_hash=f"p{request}",
            attempt=attempt + 1,
            **({"status": "error", "error_kind": "overloaded"} if attempt < each - 1 else last),
        )
        for request in range(requests)
        for attempt in range(each)
    ]


FAILED = {"status": "error", "error_kind": "overloaded"}


def test_attempts_beyond_the_third_of_what_is_never_answered_are_a_storm(
    prices: PriceTable,
) -> None:
    (storm,) = found(attempts(10, 8, **FAILED), prices, "retry_waste")
    assert (storm.evidence["kind"], storm.evidence["wasted_requests"]) == ("storm", 50)
    assert storm.status == "verified"
    assert storm.savings_usd.expected == pytest.approx(50 * 0.003)


@pytest.mark.parametrize(
    "records", [attempts(10, 8, output_text=5), attempts(10, 3, **FAILED)], ids=["answered", "few"]
)
def test_attempts_that_end_well_or_soon_are_no_storm(
    records: list[UsageRecord], prices: PriceTable
) -> None:
    assert found(records, prices, "retry_waste") == []


def test_a_call_given_up_as_too_slow_and_asked_again_is_named(prices: PriceTable) -> None:
    records = [
        call(
            at,
            50.0 * at,
            prompt_hash=f"p{at // 2}",
            output_text=40,
            **({} if at % 2 else {"status": "error", "error_kind": "timeout"}),
        )
        for at in range(40)
    ]
    (given_up,) = found(records, prices, "retry_waste")
    assert (given_up.evidence["kind"], given_up.evidence["wasted_requests"]) == ("timeouts", 20)
    assert given_up.status == "needs_evaluation"


def test_what_is_sent_again_is_told_apart_from_what_stands_in_every_prompt(
    prices: PriceTable,
) -> None:
    """Each turn sends 1,000 standing tokens, all that was said before, and 500 new ones."""
    records = [
        call(
            10 * talk + turn,
            900.0 * talk + 30 * turn,
            conversation=f"t{talk}",
            input_uncached=1000 + 500 * (turn + 1),
            block_tokens=500,
            block_hashes=(1, 2, *(100 * talk + 10 + block for block in range(turn + 1))),
        )
        for talk in range(10)
        for turn in range(10)
    ]
    (growth,) = found(records, prices, "context_growth")
    again = 10 * sum(1000 + 500 * turn for turn in range(1, 10))
    assert growth.evidence["history_tokens_sent_again"] == again
    assert growth.evidence["standing_tokens_of_each_prompt"] == 1000


def test_long_answers_are_held_against_their_scores(prices: PriceTable) -> None:
    """Every tenth answer is ten times as long, scores no better, and half of these are cut off."""
    records = [
        call(
            at,
            60.0 * at,
            output_text=2000 + 10 * at if at % 10 == 0 else 200 + at % 7,
            finish_reason="length" if at % 20 == 0 else "stop",
            quality=float(at % 4 != 0),
        )
        for at in range(400)
    ]
    (long,) = found(records, prices, "output_tokens")
    assert long.evidence["cut_off_share"] == 0.05
    thirds = long.evidence["score_by_length"]
    assert [third["scored_requests"] for third in thirds] == [134, 133, 133]
    assert thirds[2]["mean_score"] < thirds[0]["mean_score"]
    assert long.status == "needs_evaluation"
