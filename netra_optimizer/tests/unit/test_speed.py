"""What changes do to how long calls take, and goals of speed over all of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from netra_optimizer import (
    Analysis,
    AnalysisOptions,
    Goals,
    PriceTable,
    analyze,
    mean_latency,
    plan_for_goals,
    where_time_goes,
)
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
CHAT = {"feature": "chat", "model": "claude-sonnet-4-5", "provider": "anthropic"}
FAQ = {"feature": "faq", "model": "claude-haiku-4-5", "provider": "anthropic"}


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def call(at: int, **fields: Any) -> UsageRecord:
    return UsageRecord(
        **(
            {
                "id": f"c{at:05d}",
                "start": NOON + timedelta(seconds=60 * at),
                "input_uncached": 1000,
                "output_text": 100,
            }
            | fields
        )
    )


def analysed(records: list[UsageRecord], prices: PriceTable, **options: Any) -> Analysis:
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    return analyze(frame, prices=prices, options=AnalysisOptions(**options))


def test_a_candidate_s_latency_is_that_of_answers_as_long(prices: PriceTable) -> None:
    """The faq's answers are ten times as short: its median says nothing of the chat's answers."""
    chat = [call(at, output_text=500, latency_ms=9000.0, **CHAT) for at in range(40)]
    faq = [
        call(100 + at, output_text=words, latency_ms=200.0 + 10 * words, **FAQ)
        for at, words in enumerate([40, 50, 60] * 10)
    ]
    analysis = analysed(chat + faq, prices, candidates=("claude-haiku-4-5",))
    (moved,) = [o for o in analysis.opportunities if o.lever == "model_switch"]
    assert (moved.latency.p50_before, moved.latency.requests) == (9000.0, 40)
    assert moved.latency.p50_after == pytest.approx(200 + 10 * 500)
    assert moved.latency.mean_after == pytest.approx(200 + 10 * 500)


def test_a_candidate_that_the_records_do_not_time_is_not_foretold(prices: PriceTable) -> None:
    analysis = analysed(
        [call(at, latency_ms=900.0, **CHAT) for at in range(40)],
        prices,
        candidates=("claude-haiku-4-5",),
    )
    (moved,) = [o for o in analysis.opportunities if o.lever == "model_switch"]
    assert (moved.latency.p50_after, moved.latency.mean_after) == (None, None)


def repeats(prices: PriceTable, **fields: Any) -> Analysis:
    """Half of the chat's calls are answered from a cache; the faq's calls stay as they are."""
    chat = [
        call(at, prompt_hash=f"p{at // 2}", params='{"temperature": 0}', **CHAT, **fields)
        for at in range(40)
    ]
    faq = [call(100 + at, prompt_hash=f"q{at}", **FAQ, **fields) for at in range(40)]
    return analysed(chat + faq, prices, levers=("response_cache",))


def test_a_goal_of_speed_is_of_the_mean_of_all_calls(prices: PriceTable) -> None:
    analysis = repeats(prices, latency_ms=1000.0)
    (cached,) = analysis.opportunities
    after = mean_latency(analysis, [cached])
    assert after == pytest.approx((20 * 5 + 60 * 1000) / 80)
    reached = plan_for_goals(analysis, Goals(latency_factor=0.8))
    assert (reached.met, reached.latency_before_ms) == (True, 1000.0)
    assert reached.latency_after_ms == pytest.approx(after)
    beyond = plan_for_goals(analysis, Goals(latency_factor=0.7))
    assert (beyond.met_if_proven, beyond.binding) == (False, ["latency"])


def test_a_goal_of_speed_over_records_without_latency_is_not_said_to_be_met(
    prices: PriceTable,
) -> None:
    analysis = repeats(prices)
    plan = plan_for_goals(analysis, Goals(latency_factor=0.99))
    assert (plan.met, plan.met_if_proven, plan.latency_after_ms) == (False, False, None)


def test_changes_of_one_feature_on_two_models_are_told_apart(prices: PriceTable) -> None:
    sonnet, haiku = CHAT, {**CHAT, "model": "claude-haiku-4-5"}
    records = [
        call(at, prompt_hash=f"p{at // 2}", params='{"temperature": 0}', **model)
        for base, model in ((0, sonnet), (100, haiku))
        for at in range(base, base + 40)
    ]
    titles = [o.title for o in analysed(records, prices, levers=("response_cache",)).opportunities]
    assert sorted(titles) == [
        "Answer repeats from a cache (chat, claude-haiku-4-5)",
        "Answer repeats from a cache (chat, claude-sonnet-4-5)",
    ]


def test_a_named_candidate_takes_the_place_of_the_cheaper_siblings(prices: PriceTable) -> None:
    records = [call(at, **CHAT) for at in range(40)]
    named = analysed(records, prices, candidates=("gpt-5", "no-such-model"))
    assert [
        (o.evidence["candidate"], o.status)
        for o in named.opportunities
        if o.lever == "model_switch"
    ] == [("gpt-5", "needs_evaluation")]


def step(at: int, parent: str, begin_s: float, took_s: float, **fields: Any) -> UsageRecord:
    """One call of an agent's step, under its parent span."""
    return call(
        at,
        start=NOON + timedelta(seconds=begin_s),
        latency_ms=1000 * took_s,
        trace="t",
        parent=parent,
        span=f"s{at}",
        **CHAT,
        **fields,
    )


def in_a_row(records: list[UsageRecord], prices: PriceTable) -> list[Any]:
    padding = [call(500 + at, latency_ms=100.0, **FAQ) for at in range(30)]
    table = pa.Table.from_batches([batch_of_records(records + padding)])
    return where_time_goes(UsageFrame.from_arrow(table, prices)).in_a_row


def test_calls_in_a_row_under_one_parent_could_run_side_by_side(prices: PriceTable) -> None:
    (row,) = in_a_row(
        [
            step(1, "plan", 0.0, 2.0),
            step(2, "plan", 2.1, 3.0),
            step(3, "plan", 5.2, 1.0),
            step(4, "plan", 60.0, 9.0),  # a minute later: another row
            step(5, "other", 69.1, 9.0),  # of another parent
        ],
        prices,
    )
    assert (row.feature, row.rows, row.calls) == ("chat", 1, 3)
    assert (row.seconds, row.side_by_side_s) == (pytest.approx(6.0), pytest.approx(3.0))


def test_calls_that_overlap_or_go_on_from_each_other_are_not_in_a_row(prices: PriceTable) -> None:
    side_by_side = [step(1, "plan", 0.0, 2.0), step(2, "plan", 0.5, 3.0)]
    by_length = [step(1, "p", 0.0, 2.0), step(2, "p", 2.1, 2.0, input_uncached=1100)]
    blocks = [
        step(1, "p", 0.0, 2.0, block_hashes=(1, 2), block_tokens=512),
        step(2, "p", 2.1, 2.0, block_hashes=(1, 2, 3), block_tokens=512),
    ]
    others = [
        step(1, "p", 0.0, 2.0, block_hashes=(1, 2), block_tokens=512),
        step(2, "p", 2.1, 2.0, block_hashes=(1, 4), block_tokens=512),
    ]
    assert in_a_row(side_by_side, prices) == []
    assert in_a_row(by_length, prices) == []
    assert in_a_row(blocks, prices) == []
    assert [row.calls for row in in_a_row(others, prices)] == [2]


def test_a_model_s_time_is_its_start_and_each_token(prices: PriceTable) -> None:
    records = [
        call(at, output_text=words, latency_ms=300.0 + 20 * words, ttft_ms=300.0, **CHAT)
        for at, words in enumerate([50, 100, 200, 400] * 10)
    ]
    table = pa.Table.from_batches([batch_of_records(records)])
    spent = where_time_goes(UsageFrame.from_arrow(table, prices))
    (model,) = spent.models
    assert (model.start_ms, model.token_ms) == (pytest.approx(300), pytest.approx(20))
    assert (model.requests, model.share_pct, model.ttft_p50_ms) == (40, 100.0, 300.0)
    assert any("parent of each call" in line for line in spent.missing)


def test_records_without_times_are_told_what_to_log(prices: PriceTable) -> None:
    table = pa.Table.from_batches([batch_of_records([call(at, **CHAT) for at in range(40)])])
    spent = where_time_goes(UsageFrame.from_arrow(table, prices))
    assert (spent.models, spent.in_a_row) == ([], [])
    assert spent.missing == ["Log the latency of each call: then the time can be found."]
