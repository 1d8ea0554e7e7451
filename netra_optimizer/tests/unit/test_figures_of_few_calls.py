"""Figures that stay sensible on very few calls, wrong times and depths found by chance."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netra_optimizer import analyze
from netra_optimizer.analysis import with_context_texts
from netra_optimizer.levers.base import LeverContext
from netra_optimizer.levers.prompt_log import PromptText
from netra_optimizer.options import AnalysisOptions
from netra_optimizer.period import split_period
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.stream import Traffic
from netra_optimizer.results import Analysis, Interval, Opportunity
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.verify.bootstrap import widened

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def call(at: int, start: datetime, **fields: Any) -> UsageRecord:
    plain = {"model": "gpt-4o", "provider": "openai", "input_uncached": 5000, "output_text": 200}
    return UsageRecord(**({"id": f"c{at:05d}", "start": start} | plain | fields))


def frame_of(records: list[UsageRecord], prices: PriceTable) -> UsageFrame:
    return UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)


def found(records: list[UsageRecord], prices: PriceTable) -> Analysis:
    return analyze(frame_of(records, prices), prices=prices)


def cache_of(analysis: Analysis) -> Opportunity:
    return next(o for o in analysis.opportunities if o.lever == "prompt_cache")


@pytest.mark.parametrize("conversation", ["", "c"])
@pytest.mark.parametrize("calls", [1, 2, 3, 40])
def test_within_two_days_no_end_of_an_interval_lies_above_what_all_calls_cost(
    calls: int, conversation: str, prices: PriceTable
) -> None:
    analysis = found(
        [
            call(
                at,
                NOON + timedelta(seconds=40 * at),
                input_uncached=2000 + 800 * at,
                prompt_hash="p",
                params='{"temperature": 0}',
                conversation=conversation,
            )
            for at in range(calls)
        ],
        prices,
    )
    paid = analysis.combined.cost_before_usd
    assert analysis.opportunities
    for said in [analysis.combined.savings_usd, *(o.savings_usd for o in analysis.opportunities)]:
        assert said.low <= said.expected <= said.high <= paid


def chats(turns: list[int], prices: PriceTable) -> Analysis:
    """A chat every eight hours with so many turns, each sending all before it again."""
    return found(
        [
            call(
                1000 * at + turn,
                NOON + timedelta(hours=8 * at, seconds=30 * turn),
                model="claude-sonnet-4-5",
                provider="anthropic",
                conversation=f"chat {at}",
                input_uncached=2048 * (turn + 1),
                block_hashes=tuple(1000 * at + block for block in range(turn + 1)),
                block_tokens=2048,
            )
            for at, count in enumerate(turns)
            for turn in range(count)
        ],
        prices,
    )


def test_a_range_may_end_above_the_cost_of_few_long_chats_and_says_why(
    prices: PriceTable,
) -> None:
    """What is foretold is held to what such chats may cost, not to what these few did."""
    few = chats([6] * 20 + [24] + [6] * 9, prices)
    said = few.combined
    assert said.savings_usd.expected < said.cost_before_usd < said.savings_usd.high
    assert any("ends above what these calls cost" in note for note in few.notes)
    many = chats([8, 9, 10] * 20, prices)
    assert many.combined.savings_usd.high < many.combined.cost_before_usd
    assert not any("ends above" in note for note in many.notes)


def test_one_wrong_time_hides_no_saving_and_is_pointed_at(prices: PriceTable) -> None:
    records = [
        call(at, NOON + timedelta(hours=at), prompt_hash=f"p{at % 5}", params='{"temperature": 0}')
        for at in range(300)
    ]
    right = found(records, prices)
    wrong = found([*records, call(999, datetime(2099, 1, 1, tzinfo=UTC), prompt_hash="x")], prices)
    assert right.combined.savings_usd.expected > 0
    assert wrong.combined.savings_usd.expected > 0.8 * right.combined.savings_usd.expected
    assert any("2099-01-01" in note and "is a time wrong?" in note for note in wrong.notes)
    assert not any("is a time wrong?" in note for note in right.notes)


def prompts(shared: int, own: int, prices: PriceTable, *, until: int) -> Analysis:
    """Prompts of `shared` blocks in common and `own` of their own; all in common from `until`."""
    records = [
        call(
            at,
            NOON + timedelta(seconds=60 * at),
            model="claude-sonnet-4-5",
            provider="anthropic",
            input_uncached=1024 * (shared + own),
            block_hashes=tuple(
                block if block < shared or at >= until else 1000 * (at + 1) + block
                for block in range(shared + own)
            ),
            block_tokens=1024,
        )
        for at in range(200)
    ]
    return found(records, prices)


def test_a_depth_that_stands_on_other_calls_marks_the_system_prompt_alone(
    prices: PriceTable,
) -> None:
    cache = cache_of(prompts(4, 8, prices, until=200))
    assert cache.evidence["blocks_cached"] == 4
    (entry,) = cache.patch["litellm"]["model_list"]
    (point,) = entry["litellm_params"]["cache_control_injection_points"]
    assert point["role"] == "system"


def test_a_depth_that_later_calls_do_not_bear_out_is_not_proposed(prices: PriceTable) -> None:
    cache = cache_of(prompts(4, 8, prices, until=170))
    assert cache.evidence["blocks_cached"] == "all"
    (entry,) = cache.patch["litellm"]["model_list"]
    assert len(entry["litellm_params"]["cache_control_injection_points"]) == 2


def context_of(frame: UsageFrame, prices: PriceTable) -> LeverContext:
    options = AnalysisOptions()
    split = split_period(frame.calls.start_us, options.choose_share)
    return LeverContext(frame, Traffic.of(frame), prices, options, None, split.choose, split.claim)


def test_each_part_of_the_traffic_is_its_own(prices: PriceTable) -> None:
    """Parts of as many rows with the same first row and sum of rows are not taken for another."""
    records = [
        call(at, NOON + timedelta(seconds=at), input_uncached=1000 * (at + 1)) for at in range(6)
    ]
    context = context_of(frame_of(records, prices), prices)
    for rows in (np.array([0, 3, 4]), np.array([0, 2, 5]), np.array([0, 3, 4])):
        assert context.part(rows).calls.input_uncached.tolist() == (1000 * (rows + 1)).tolist()


def test_the_range_of_an_assumption_draws_no_end_nearer() -> None:
    said = widened(Interval(-2.0, 1.0, 4.0), 0.5, 1.5)
    assert (said.low, said.high) == (-2.0, 6.0)
    said = widened(Interval(0.5, 1.0, 4.0), 0.5, 1.0)
    assert (said.low, said.high) == (0.25, 4.0)


def test_what_the_bound_on_segments_leaves_out_is_said(prices: PriceTable) -> None:
    records = [
        call(at, NOON + timedelta(seconds=at), feature=f"feature {at % 4}") for at in range(40)
    ]
    frame = frame_of(records, prices)
    some = analyze(frame, prices=prices, options=AnalysisOptions(max_segments=3))
    every = analyze(frame, prices=prices, options=AnalysisOptions(max_segments=4))
    assert any("the others cost 25.0 %" in note for note in some.notes)
    assert not any("the others cost" in note for note in every.notes)


@pytest.mark.parametrize("cached", [0, 1024])
def test_a_cache_that_works_by_itself_and_shows_no_hit_is_doubted(
    cached: int, prices: PriceTable
) -> None:
    records = [
        call(
            at,
            NOON + timedelta(seconds=60 * at),
            input_uncached=8192 - cached * (at == 1),
            cache_read=cached * (at == 1),
            block_hashes=tuple(range(8)),
            block_tokens=1024,
        )
        for at in range(50)
    ]
    said = cache_of(found(records, prices)).assumptions
    assert any("on the bill already" in line for line in said) == (not cached)


def test_broken_prefixes_cost_no_more_than_was_paid(prices: PriceTable) -> None:
    """Lengths that the source does not count are estimated from texts, and may be too long."""
    rules = "You are a careful assistant of a shipping company. " * 400
    texts = [
        PromptText(
            "c",
            NOON.timestamp() + at,
            f"Now it is 2026-11-18 12:00:{at:02d}.\n{rules}",
            model="claude-sonnet-4-5",
            provider="anthropic",
        )
        for at in range(30)
    ]
    records = [
        call(
            at,
            NOON + timedelta(seconds=at),
            model="claude-sonnet-4-5",
            provider="anthropic",
            input_uncached=100,
            output_text=1,
        )
        for at in range(30)
    ]
    analysis = analyze(frame_of(records, prices), prices=prices, prompts=texts)
    broken = next(o for o in analysis.opportunities if o.id == "prompt_cache:prefix_breaks")
    assert 0 < broken.savings_usd.high <= analysis.combined.cost_before_usd
    assert broken.savings_pct <= 100


def test_calls_without_a_price_do_not_make_what_prompts_carry_cheaper(prices: PriceTable) -> None:
    """The money of texts is at the mean price of the calls that have one."""
    passage = "".join(
        f"line {at} of a file that is read again: {at * 7919}\n" for at in range(4000)
    )
    texts = [
        PromptText("c", NOON.timestamp() + at, f"{passage}question {at}\n{passage}")
        for at in range(4)
    ]

    def said(unpriced: int) -> list[str]:
        records = [call(at, NOON + timedelta(seconds=at)) for at in range(4)]
        records += [
            call(100 + at, NOON + timedelta(seconds=at), model="nobody-knows", provider="")
            for at in range(unpriced)
        ]
        frame = frame_of(records, prices)
        context = context_of(frame, prices)
        return with_context_texts(context, [], texts)[1]

    assert said(0) == said(40)
    assert any("$" in note for note in said(0))


def test_latency_before_and_after_is_of_the_same_calls(prices: PriceTable) -> None:
    """Calls that nobody timed do not pull the median after a change."""
    records = [
        call(at, NOON + timedelta(seconds=at), latency_ms=1000.0 if at < 5 else None)
        for at in range(20)
    ]
    context = context_of(frame_of(records, prices), prices)
    rows = np.arange(20)
    told = context.latency(rows, np.where(rows < 5, 1000.0, 50.0))
    assert (told.p50_before, told.p50_after, told.mean_after) == (1000.0, 1000.0, 1000.0)
