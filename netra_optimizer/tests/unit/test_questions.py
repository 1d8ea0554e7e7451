"""The audit of caching and the review of an upgrade, on a generated company's calls."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from msgspec import structs

from netra_optimizer import (
    CachingAudit,
    ChangeReview,
    PromptText,
    audit_caching,
    generate_workload,
    review_change,
    scenarios,
)
from netra_optimizer.generate import Scenario
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

UPGRADE = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(days=12.6)


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


@pytest.fixture(scope="module")
def frame(prices: PriceTable) -> UsageFrame:
    return generate_workload(1).frame(prices)


@pytest.fixture(scope="module")
def audit(frame: UsageFrame, prices: PriceTable) -> CachingAudit:
    return audit_caching(frame, prices)


@pytest.fixture(scope="module")
def review(frame: UsageFrame, prices: PriceTable) -> ChangeReview:
    return review_change(frame, prices)


def test_every_feature_and_model_is_audited(audit: CachingAudit, frame: UsageFrame) -> None:
    assert sum(use.requests for use in audit.uses) == len(frame)
    states = {use.feature: use.state for use in audit.uses}
    assert states == {
        "support_chat": "could_gain",
        "code_review": "could_gain",
        "nightly_tagging": "unused",
        "product_search": "too_short",
        "faq_answers": "too_short",
        "sales_brief": "loses",
        "contract_review": "unused",
    }


def test_the_money_of_caching_is_what_the_tokens_say(audit: CachingAudit) -> None:
    brief = next(use for use in audit.uses if use.feature == "sales_brief")
    reckoned = brief.read_tokens * 2.70e-6 - brief.written_5m_tokens * 0.75e-6
    assert brief.money_usd == pytest.approx(reckoned, abs=1e-9)
    assert brief.money_usd < 0
    assert audit.lost_usd == pytest.approx(-reckoned, abs=1e-9)


def test_writes_that_nobody_read_are_counted(audit: CachingAudit, frame: UsageFrame) -> None:
    brief = next(use for use in audit.uses if use.feature == "sales_brief")
    start = frame.calls.start_us[frame.feature.equals("sales_brief")]
    written = frame.calls.cache_write_5m[frame.feature.equals("sales_brief")]
    followed = np.append(np.diff(start) <= 300_000_000, False)
    assert brief.written_never_read_tokens == int(written[~followed].sum())


def test_what_broke_prefixes_is_told_where_texts_are_given(
    frame: UsageFrame, prices: PriceTable
) -> None:
    rules = "Answer in one sentence and cite the paragraph of the handbook. " * 120
    prompts = [
        PromptText("talk", float(at), f"Now it is 2026-11-22 09:0{at}:11. {rules}")
        for at in range(5)
    ]
    found = audit_caching(frame, prices, prompts=prompts).prefix_breaks
    assert [(row["cause"], row["calls"]) for row in found] == [("time_stamp", 4)]
    assert found[0]["cost_usd"] > 0


def test_an_upgrade_is_found_where_it_was_made(review: ChangeReview) -> None:
    found = {s.feature: (s.before, s.after) for s in review.segments}
    models = ("claude-haiku-4-5", "claude-sonnet-4-5")
    assert found == {"faq_answers": models, "contract_review": models}
    for segment in review.segments:
        assert abs(datetime.fromisoformat(segment.at) - UPGRADE) < timedelta(hours=3)


def test_it_is_rolled_back_only_where_quality_hardly_moved(review: ChangeReview) -> None:
    assert {s.feature: s.verdict for s in review.segments} == {
        "faq_answers": "roll_back",
        "contract_review": "keep",
    }
    faq = next(s for s in review.segments if s.feature == "faq_answers")
    assert faq.cost_change_usd.low > 0
    assert review.roll_back_saves_usd_a_month == pytest.approx(faq.extra_usd_a_month)
    assert faq.patch["litellm"]["model_list"][0]["litellm_params"]["model"] == "claude-haiku-4-5"


def test_a_time_that_is_given_is_used(frame: UsageFrame, prices: PriceTable) -> None:
    review = review_change(frame, prices, at=UPGRADE, features=("faq_answers",))
    assert [(s.feature, s.verdict) for s in review.segments] == [("faq_answers", "roll_back")]


def test_a_larger_prompt_is_not_taken_for_a_dearer_model(prices: PriceTable) -> None:
    frame = generate_workload(3, scenario=scenarios()["clean_assistant"]).frame(prices)
    cut_us = int(np.median(frame.calls.start_us))
    large = frame.calls.input_tokens > np.median(frame.calls.input_tokens)
    some = np.arange(len(frame)) % 4 == 0
    mixed = frame.take(np.where(frame.calls.start_us >= cut_us, large | some, ~large | some))
    late = mixed.calls.start_us >= cut_us
    assert mixed.cost_usd[late].mean() > mixed.cost_usd[~late].mean()
    cut = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=cut_us)
    segment = review_change(mixed, prices, at=cut).segments[0]
    assert segment.cost_change_usd.low < 0 < segment.cost_change_usd.high


def test_without_scores_it_says_what_is_missing(prices: PriceTable) -> None:
    features = tuple(structs.replace(f, quality=None) for f in scenarios()["demo"].features)
    silent = Scenario(name="silent", features=features, days=14.0)
    review = review_change(generate_workload(1, scenario=silent).frame(prices), prices)
    assert {s.verdict for s in review.segments} == {"needs_quality"}
    assert "quality" in review.missing[0].lower()


def test_without_a_change_it_asks_when_it_was(prices: PriceTable) -> None:
    frame = generate_workload(1, scenario=scenarios()["clean_assistant"]).frame(prices)
    review = review_change(frame, prices)
    assert review.segments == []
    assert "Say when it was" in review.missing[0]


def test_prompts_of_no_like_size_before_and_after_judge_nothing(prices: PriceTable) -> None:
    """Nor is quality then said to have held."""
    records = [
        UsageRecord(
            id=f"c{at:03d}",
            start=UPGRADE + timedelta(hours=at - 40, minutes=1),
            model="gpt-4o" if at < 40 else "gpt-5",
            provider="openai",
            feature="chat",
            input_uncached=100 if at < 40 else 100_000,
            output_text=10,
            quality=0.9,
        )
        for at in range(80)
    ]
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    (segment,) = review_change(frame, prices, at=UPGRADE).segments
    assert (segment.verdict, segment.quality_change) == ("needs_data", None)


def test_records_of_several_requests_are_no_dearer_than_as_many_of_one(prices: PriceTable) -> None:
    def call(at: int, requests: int) -> UsageRecord:
        size = 1000 + 10 * (at % 7)
        return UsageRecord(
            id=f"c{at:03d}",
            start=UPGRADE + timedelta(hours=at - 40, minutes=1),
            model="gpt-4o",
            provider="openai",
            feature="chat",
            input_uncached=size * requests,
            output_text=requests,
            requests=requests,
        )

    records = [call(at, 1 if at < 40 else 5) for at in range(80)]
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    (segment,) = review_change(frame, prices, at=UPGRADE).segments
    assert (segment.requests_before, segment.requests_after) == (40, 200)
    assert segment.cost_change_usd.low <= 0 <= segment.cost_change_usd.high
    assert segment.cost_after_usd == pytest.approx(frame.cost_usd[40:].sum() / 200)
