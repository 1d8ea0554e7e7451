"""What each lever sees in calls made for it, through `analyze`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netra_optimizer import (
    AnalysisOptions,
    FeatureRule,
    LeverRegistry,
    Outcomes,
    analyze,
    default_levers,
)
from netra_optimizer.errors import AnalysisError
from netra_optimizer.levers import Lever, LeverContext, Proposal, Segment
from netra_optimizer.levers.provider_switch import canonical_name
from netra_optimizer.levers.retry_waste import RetryWasteLever
from netra_optimizer.levers.routing import frontier
from netra_optimizer.pricing import PriceTable
from netra_optimizer.results import Analysis, Opportunity
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
SONNET = {"model": "claude-sonnet-4-5", "provider": "anthropic"}


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def call(at: int, seconds: float, **fields: Any) -> UsageRecord:
    start = NOON + timedelta(seconds=seconds)
    return UsageRecord(
        **({"id": f"c{at:05d}", "start": start, "input_uncached": 1000} | SONNET | fields)
    )


def found(
    records: list[UsageRecord], prices: PriceTable, lever: str, **given: Any
) -> list[Opportunity]:
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    analysis = analyze(frame, prices=prices, **given)
    return [o for o in analysis.opportunities if o.lever == lever]


def test_twins_of_one_user_are_one_question(prices: PriceTable) -> None:
    records = [
        call(
            at, 30 * (at // 2) + 0.4 * (at % 2), prompt_hash=f"p{at // 2}", user="u", output_text=10
        )
        for at in range(40)
    ]
    twins = found(records, prices, "retry_waste")
    assert [(o.evidence["kind"], o.evidence["wasted_requests"]) for o in twins] == [("twins", 20)]
    assert twins[0].savings_usd.expected == pytest.approx(20 * (0.003 + 0.00015))


def test_equal_calls_one_after_the_other_are_no_twins(prices: PriceTable) -> None:
    """Half a second apart, and each had ended by then; without latency nobody knows."""
    asked = {"prompt_hash": "p", "user": "u", "output_text": 10}
    records = [call(at, 0.5 * at, latency_ms=300.0, **asked) for at in range(20)]
    assert found(records, prices, "retry_waste") == []
    records = [call(at, 0.5 * at, **asked) for at in range(20)]
    assert [o.status for o in found(records, prices, "retry_waste")] == ["needs_evaluation"]


def test_the_same_question_of_two_users_is_no_twin(prices: PriceTable) -> None:
    records = [
        call(at, 30 * (at // 2) + 0.4 * (at % 2), prompt_hash=f"p{at // 2}", user=f"u{at % 2}")
        for at in range(40)
    ]
    assert found(records, prices, "retry_waste") == []


def test_retries_of_what_is_refused_again_are_waste_and_others_are_not(
    prices: PriceTable,
) -> None:
    kinds = ["invalid_request", "rate_limit"]
    records = [
        call(
            at,
            20.0 * at,
            prompt_hash=f"p{at // 2}",
            status="error",
            error_kind=kinds[at % 4 // 2],
            attempt=1 + at % 2,
        )
        for at in range(80)
    ]
    waste = found(records, prices, "retry_waste")
    assert [(o.evidence["kind"], o.evidence["wasted_requests"]) for o in waste] == [
        ("hopeless_retries", 20)
    ]


def test_an_answer_cut_off_and_asked_again_is_waste(prices: PriceTable) -> None:
    records = [
        call(
            at,
            60.0 * at,
            prompt_hash=f"p{at // 2}",
            user="u",
            output_text=100,
            finish_reason="stop" if at % 2 else "length",
        )
        for at in range(20)
    ]
    waste = found(records, prices, "retry_waste")
    assert [(o.evidence["kind"], o.evidence["wasted_requests"]) for o in waste] == [("cut_off", 10)]


def test_growing_conversations_are_named_and_not_counted(prices: PriceTable) -> None:
    records = [
        call(
            12 * talk + turn,
            500.0 * talk + 30 * turn,
            conversation=f"t{talk}",
            input_uncached=800 * (turn + 1),
        )
        for talk in range(10)
        for turn in range(12)
    ]
    growth = found(records, prices, "context_growth")
    assert [o.status for o in growth] == ["needs_evaluation"]
    assert growth[0].evidence["bound_tokens"] == 1600
    trimmed = sum(max(0, 800 * (turn + 1) - 1600) for turn in range(12)) * 10
    assert growth[0].savings_usd.expected == pytest.approx(trimmed * 3e-6)


def test_short_conversations_are_let_grow(prices: PriceTable) -> None:
    records = [
        call(
            12 * talk + turn,
            500.0 * talk + 30 * turn,
            conversation=f"t{talk}",
            input_uncached=60 * (turn + 1),
        )
        for talk in range(10)
        for turn in range(12)
    ]
    assert found(records, prices, "context_growth") == []


def test_reasoning_that_is_most_of_the_output_is_named(prices: PriceTable) -> None:
    records = [call(at, 60.0 * at, output_text=100, reasoning=400) for at in range(60)]
    less = found(records, prices, "output_tokens")
    assert [(o.status, o.evidence["reasoning_share_of_output"]) for o in less] == [
        ("needs_evaluation", 0.8)
    ]
    assert less[0].savings_usd.expected == pytest.approx(60 * 200 * 15e-6)


@pytest.mark.parametrize(("requests", "offered"), [(1, ["Bound answers"]), (10, [])])
def test_a_long_answer_is_bounded_and_several_that_stand_in_one_record_are_not(
    prices: PriceTable, requests: int, offered: list[str]
) -> None:
    answers = [call(at, 60.0 * at, output_text=100) for at in range(470)]
    long = {"input_uncached": 1000 * requests, "requests": requests}
    answers += [call(at, 60.0 * at, output_text=10 * at, **long) for at in range(470, 500)]
    titles = [one.title.partition(" (")[0] for one in found(answers, prices, "output_tokens")]
    assert titles == offered


def test_a_job_is_batched_and_an_interactive_feature_is_not(prices: PriceTable) -> None:
    job = [
        call(day * 30 + at, 86_400 * day + 2 * at, feature="job", output_text=50)
        for day in range(4)
        for at in range(30)
    ]
    rng = np.random.default_rng(0)
    talk = [
        call(1000 + at, second, feature="talk", output_text=50)
        for at, second in enumerate(np.sort(rng.uniform(0, 3.2 * 86_400, 300)).tolist())
    ]
    batched = found(job + talk, prices, "batch_tier")
    assert [o.scope["feature"] for o in batched] == ["job"]
    assert batched[0].latency.p50_after == 86_400_000.0


def test_a_job_is_found_among_calls_that_name_no_feature(prices: PriceTable) -> None:
    job = [
        call(day * 40 + at, 86_400 * day + 2 * at, user="cron", output_text=50)
        for day in range(4)
        for at in range(40)
    ]
    rng = np.random.default_rng(0)
    talk = [
        call(1000 + at, second, user=f"u{at % 7}", output_text=50)
        for at, second in enumerate(np.sort(rng.uniform(0, 3.2 * 86_400, 300)).tolist())
    ]
    batched = found(job + talk, prices, "batch_tier")
    assert [(o.scope.get("user"), o.evidence["requests"]) for o in batched] == [("cron", 160)]


def test_a_streamed_job_is_somebody_s(prices: PriceTable) -> None:
    records = [
        call(day * 30 + at, 86_400 * day + 2 * at, ttft_ms=300.0, output_text=50)
        for day in range(4)
        for at in range(30)
    ]
    assert found(records, prices, "batch_tier") == []


def test_routing_is_kept_between_chance_and_the_oracle() -> None:
    rng = np.random.default_rng(3)
    strong = (rng.random(4000) < 0.85).astype(float)
    weak = (rng.random(4000) < 0.65).astype(float)
    edge = frontier(strong, weak, 0.02)
    assert edge.random_share == pytest.approx(0.02 / 0.2, rel=0.25)
    assert edge.free_share == pytest.approx(1 - 0.85 * 0.35, abs=0.03)
    assert edge.oracle_score == pytest.approx(1 - 0.15 * 0.35, abs=0.02)


def test_a_worse_model_is_offered_for_routing_never_as_a_switch(prices: PriceTable) -> None:
    rng = np.random.default_rng(4)
    rows = [
        {"item": str(at), "model": model, "score": float(rng.random() < right)}
        for at in range(1500)
        for model, right in (("claude-sonnet-4-5", 0.9), ("claude-haiku-4-5", 0.7))
    ]
    records = [call(at, 60.0 * at, output_text=100) for at in range(100)]
    given = {"outcomes": Outcomes.from_rows(rows)}
    routed = found(records, prices, "routing", **given)
    assert [o.status for o in routed] == ["needs_evaluation"]
    low, high = routed[0].savings_usd.low, routed[0].savings_usd.high
    assert low < routed[0].savings_usd.expected <= high
    switch = found(records, prices, "model_switch", **given)
    assert "claude-haiku-4-5" not in {o.evidence["candidate"] for o in switch}


@pytest.mark.parametrize(
    "name",
    [
        "claude-sonnet-4-5",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "claude-sonnet-4-5@20250929",
        "anthropic/claude-sonnet-4.5",
    ],
)
def test_a_model_has_one_name_wherever_it_is_sold(name: str) -> None:
    assert canonical_name(name) == "claude-sonnet-4-5"


class HalveOutput:
    """A lever of somebody else's."""

    id = "somebody_s"

    def propose(self, segment: Segment, context: LeverContext) -> list[Proposal]:
        from netra_optimizer.levers.output_tokens import ShortenOutput

        policy = ShortenOutput(segment.rows, text_bound=50)
        return [Proposal(lever=self.id, title="Halve", segment=segment, policy=policy)]


def test_a_lever_of_a_plugin_is_replayed_like_any_other(prices: PriceTable) -> None:
    lever: Lever = HalveOutput()
    records = [call(at, 60.0 * at, output_text=100) for at in range(10)]
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    analysis: Analysis = analyze(frame, prices=prices, levers=LeverRegistry((lever,)))
    assert analysis.combined.savings_usd.expected == pytest.approx(10 * 50 * 15e-6)


def test_a_lever_s_id_is_taken_once() -> None:
    registry = default_levers()
    with pytest.raises(AnalysisError, match="retry_waste"):
        registry.register(RetryWasteLever())


def test_a_lever_that_is_not_asked_for_stays_silent(prices: PriceTable) -> None:
    records = [call(at, 60.0 * at, output_text=100, reasoning=400) for at in range(60)]
    options = AnalysisOptions(levers=("retry_waste",))
    assert found(records, prices, "output_tokens", options=options) == []


def test_where_a_cache_is_warm_flex_may_beat_a_batch(prices: PriceTable) -> None:
    """A batch loses the cache, flex keeps it; both are half the price."""
    cached = {"model": "gpt-5", "provider": "openai", "input_uncached": 500, "cache_read": 9500}
    records = [
        call(day * 30 + at, 86_400 * day + 2 * at, **cached) for day in range(4) for at in range(30)
    ]
    assert prices.has_tier("gpt-5", "openai", "flex")
    tiers = found(records, prices, "batch_tier")
    assert [(o.evidence["tier"], o.patch) for o in tiers] == [
        ("flex", {"openai": {"service_tier": "flex"}})
    ]


def test_the_same_embedding_need_not_be_bought_again(prices: PriceTable) -> None:
    records = [
        call(
            at,
            60.0 * at,
            model="text-embedding-3-small",
            provider="openai",
            operation="embeddings",
            prompt_hash=f"p{at % 5}",
        )
        for at in range(50)
    ]
    cached = found(records, prices, "response_cache")
    assert [(o.status, o.evidence["hits"]) for o in cached] == [("verified", 45)]


def test_repeats_that_ask_for_variety_are_only_named(prices: PriceTable) -> None:
    records = [
        call(at, 60.0 * at, prompt_hash="p", params='{"temperature":0.9}', output_text=9)
        for at in range(20)
    ]
    assert [o.status for o in found(records, prices, "response_cache")] == ["needs_evaluation"]


def test_an_answer_is_asked_for_anew_when_its_time_is_over(prices: PriceTable) -> None:
    """Kept for an hour from its writing; a hit renews nothing; one in flight is no hit."""
    minutes = [0, 0.01, 30, 59, 61, 100, 130]
    records = [
        call(at, 60 * minute, prompt_hash="p", params='{"temperature":0}', latency_ms=3000.0)
        for at, minute in enumerate(minutes)
    ]
    options = AnalysisOptions(response_cache_ttl_s=3600.0)
    cached = found(records, prices, "response_cache", options=options)
    assert cached[0].evidence["hits"] == 3


def test_a_package_can_add_a_lever(
    tmp_path: Path, prices: PriceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed distribution names the class under the group `netra_optimizer.levers`."""
    (tmp_path / "somebodys_lever.py").write_text(
        "class Silent:\n"
        "    id = 'silent'\n"
        "    def propose(self, segment, context):\n"
        "        return []\n"
    )
    info = tmp_path / "somebodys_lever-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-lever\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[netra_optimizer.levers]\nsilent = somebodys_lever:Silent\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "silent" in [lever.id for lever in default_levers().levers()]


@pytest.mark.parametrize(("bound", "offered"), [(800.0, True), (300.0, False)])
def test_a_faster_model_is_offered_within_the_bound_that_its_own_calls_show(
    bound: float, offered: bool, prices: PriceTable
) -> None:
    slow = [call(at, 60.0 * at, feature="x", latency_ms=900.0, output_text=99) for at in range(50)]
    haiku = {"model": "claude-haiku-4-5", "feature": "y", "latency_ms": 400.0}
    fast = [call(500 + at, 60.0 * at, output_text=99, **haiku) for at in range(50)]
    rule = FeatureRule(max_latency_ms=bound)
    options = AnalysisOptions(features={"x": rule}, levers=("model_switch", "provider_switch"))
    switches = found(slow + fast, prices, "model_switch", options=options)
    moved = [o.evidence["candidate"] for o in switches if o.scope["feature"] == "x"]
    assert moved == (["claude-haiku-4-5"] if offered else [])
