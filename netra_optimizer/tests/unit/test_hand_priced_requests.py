"""Forty requests whose savings were reckoned by hand, at the price list of their day.

claude-sonnet-4-5: input 3, output 15, cache read 0.30, 5-minute write 3.75 USD a million tokens;
claude-haiku-4-5: 1 and 5; gpt-4o: 2.50 and 10, half of it in batches.
"""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from netra_optimizer import AnalysisOptions, FeatureRule, Outcomes, analyze
from netra_optimizer.pricing import PriceTable
from netra_optimizer.results import Analysis, Opportunity
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
OPTIONS = AnalysisOptions(features={"nightly": FeatureRule(may_wait=True)})
ALIKE = Outcomes.from_rows(
    [
        {"item": str(at), "model": model, "score": 1.0, "output_tokens": 300}
        for at in range(500)
        for model in ("claude-sonnet-4-5", "claude-haiku-4-5")
    ]
)


def chat(at: int) -> UsageRecord:
    """4,096 shared tokens and 1,024 of its own, a minute after the last one: 0.01686 USD."""
    return UsageRecord(
        id=f"chat-{at}",
        start=NOON + timedelta(minutes=at),
        model="claude-sonnet-4-5",
        provider="anthropic",
        feature="chat",
        input_uncached=5120,
        output_text=100,
        ttft_ms=300.0,
        block_hashes=(1, 2, 3, 4, 1000 + at),
        block_tokens=1024,
    )


def faq(at: int) -> UsageRecord:
    """0.0045 USD; four prompts asked 4, 3, 2 and 1 times."""
    return UsageRecord(
        id=f"faq-{at}",
        start=NOON + timedelta(hours=1, minutes=at),
        model="gpt-4o",
        provider="openai",
        feature="faq",
        input_uncached=1000,
        output_text=200,
        params='{"temperature":0}',
        prompt_hash="aaaabbbccd"[at],
        ttft_ms=200.0,
    )


def nightly(at: int) -> UsageRecord:
    """0.006 USD."""
    return UsageRecord(
        id=f"nightly-{at}",
        start=NOON + timedelta(hours=14, seconds=at),
        model="gpt-4o",
        provider="openai",
        feature="nightly",
        input_uncached=2000,
        output_text=100,
    )


def summary(at: int) -> UsageRecord:
    """0.0135 USD; the first prompt comes three times."""
    return UsageRecord(
        id=f"summary-{at}",
        start=NOON + timedelta(hours=3, minutes=at),
        model="claude-sonnet-4-5",
        provider="anthropic",
        feature="summary",
        input_uncached=3000,
        output_text=300,
        params='{"temperature":0}',
        prompt_hash=f"s{max(0, at - 2)}",
        ttft_ms=300.0,
    )


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


@pytest.fixture(scope="module")
def frame(prices: PriceTable) -> UsageFrame:
    records = [make(at) for make in (summary, nightly, faq, chat) for at in reversed(range(10))]
    return UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)


@pytest.fixture(scope="module")
def analysis(frame: UsageFrame, prices: PriceTable) -> Analysis:
    return analyze(frame, prices=prices, options=OPTIONS, outcomes=ALIKE)


def saved(analysis: Analysis) -> dict[str, float]:
    return {
        f"{o.lever} {o.scope['feature']}": o.savings_usd.expected
        for o in analysis.opportunities
        if o.status == "verified"
    }


def test_each_lever_alone_saves_what_was_reckoned(analysis: Analysis) -> None:
    assert saved(analysis) == pytest.approx(
        {
            # One write of 4,096 tokens at 3.75 for 3, nine reads at 0.30 for 3.
            "prompt_cache chat": 9 * 4096 * 2.70e-6 - 4096 * 0.75e-6,
            "response_cache faq": 6 * 0.0045,
            "batch_tier nightly": 10 * 0.003,
            "response_cache summary": 2 * 0.0135,
            "model_switch summary": 10 * (0.0135 - 0.0045),
            "model_switch chat": 10 * (0.01686 - (5120 * 1e-6 + 100 * 5e-6)),
        },
        abs=1e-9,
    )


def test_the_joint_figure_counts_nothing_twice(analysis: Analysis) -> None:
    combined = analysis.combined
    assert combined.cost_before_usd == pytest.approx(0.1686 + 0.045 + 0.06 + 0.135, abs=1e-9)
    chat_switched = 10 * (0.01686 - 0.00562)
    # haiku reads at 0.10 and writes at 1.25, from 4,096 tokens on.
    chat_cached_too = chat_switched + 9 * 4096 * 0.90e-6 - 4096 * 0.25e-6
    summary_both = 10 * 0.0135 - 8 * 0.0045
    expected = chat_cached_too + 6 * 0.0045 + 0.03 + summary_both
    assert combined.savings_usd.expected == pytest.approx(expected, abs=1e-9)
    assert combined.cost_after_usd == pytest.approx(combined.cost_before_usd - expected, abs=1e-9)


def test_the_attribution_is_shapley_s_and_adds_up(analysis: Analysis) -> None:
    shares = analysis.combined.attribution
    by_feature = {o.id: f"{o.lever} {o.scope['feature']}" for o in analysis.opportunities}
    named = {by_feature[name]: share for name, share in shares.items()}
    # Alone 0.027 and 0.090, together 0.099: half of each one's gain before and after the other.
    assert named["response_cache summary"] == pytest.approx((0.027 + 0.009) / 2, abs=1e-9)
    assert named["model_switch summary"] == pytest.approx((0.090 + 0.072) / 2, abs=1e-9)
    assert sum(shares.values()) == pytest.approx(analysis.combined.savings_usd.expected, abs=1e-12)


def test_the_order_of_the_rows_changes_nothing(
    analysis: Analysis, frame: UsageFrame, prices: PriceTable
) -> None:
    records = [make(at) for make in (faq, chat, summary, nightly) for at in range(10)]
    table = pa.Table.from_batches([batch_of_records(records)])
    again = analyze(
        UsageFrame.from_arrow(table, prices), prices=prices, options=OPTIONS, outcomes=ALIKE
    )
    assert again == analysis


def test_below_two_days_no_month_is_claimed(analysis: Analysis) -> None:
    assert {o.monthly_savings_usd for o in analysis.opportunities} == {None}
    assert analysis.combined.period.start == analysis.usage.first


def without(analysis: Analysis, lever: str) -> list[Opportunity]:
    return [o for o in analysis.opportunities if o.lever == lever and o.status == "verified"]


def test_without_outcomes_a_switch_is_only_proposed_for_evaluation(
    frame: UsageFrame, prices: PriceTable
) -> None:
    found = analyze(frame, prices=prices, options=OPTIONS)
    switches = [o for o in found.opportunities if o.lever == "model_switch"]
    assert {o.status for o in switches} == {"needs_evaluation"}
    assert all(o.evidence["sample_size_needed"] > 1000 for o in switches)
    assert not any(name.startswith("model_switch") for name in found.combined.attribution)


def test_a_feature_with_a_latency_bound_gets_no_batch_and_no_unknown_model(
    frame: UsageFrame, prices: PriceTable
) -> None:
    bound = FeatureRule(max_latency_ms=200.0, may_wait=True)
    options = AnalysisOptions(features={"nightly": bound, "chat": bound, "summary": bound})
    found = analyze(frame, prices=prices, options=options, outcomes=ALIKE)
    assert {(o.lever, o.scope["feature"]) for o in found.opportunities} == {
        ("prompt_cache", "chat"),
        ("response_cache", "faq"),
        ("response_cache", "summary"),
        ("model_switch", "faq"),
    }


def test_quality_kept_means_that_no_answer_may_change(
    frame: UsageFrame, prices: PriceTable
) -> None:
    options = AnalysisOptions(everywhere=FeatureRule(keep_quality=True))
    found = analyze(frame, prices=prices, options=options, outcomes=ALIKE)
    assert without(found, "model_switch") == []
    assert {o.lever for o in found.opportunities} == {"prompt_cache", "response_cache"}


def test_an_excluded_feature_is_left_alone(frame: UsageFrame, prices: PriceTable) -> None:
    options = AnalysisOptions(
        features={"chat": FeatureRule(excluded=True)}, levers=("prompt_cache",)
    )
    assert analyze(frame, prices=prices, options=options).opportunities == []
