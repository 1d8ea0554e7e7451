"""Generated workloads are reproducible, and the engine finds what is planted in them."""

from dataclasses import replace

import numpy as np
import pytest

from netra_optimizer import Analysis, analyze, generate_workload
from netra_optimizer.generate import Truth, Workload
from netra_optimizer.options import AnalysisOptions
from netra_optimizer.period import split_period
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.stream import Traffic, replay
from netra_optimizer.usage.columns import Text
from netra_optimizer.usage.frame import UsageFrame


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


@pytest.fixture(scope="module")
def workload() -> Workload:
    return generate_workload(1)


@pytest.fixture(scope="module")
def frame(workload: Workload, prices: PriceTable) -> UsageFrame:
    return workload.frame(prices)


@pytest.fixture(scope="module")
def analysis(frame: UsageFrame, prices: PriceTable) -> Analysis:
    return analyze(frame, prices=prices)


@pytest.fixture(scope="module")
def truth(workload: Workload, frame: UsageFrame, prices: PriceTable) -> Truth:
    return workload.truth(prices, frame)


def test_a_seed_gives_the_same_calls_and_another_gives_others(workload: Workload) -> None:
    assert generate_workload(1).table.equals(workload.table)
    assert not generate_workload(2).table.equals(workload.table)


def test_the_records_are_those_of_the_table(workload: Workload) -> None:
    records = list(workload.records())
    assert len(records) == len(workload)
    assert sum(r.input_uncached for r in records) == sum(
        workload.table["input_uncached"].to_pylist()
    )
    assert records == sorted(records, key=lambda record: (record.start, record.id))


def test_a_replay_of_no_change_costs_what_was_billed(frame: UsageFrame, prices: PriceTable) -> None:
    assert (replay(Traffic.of(frame), [], prices) == frame.cost_usd).all()


@pytest.mark.parametrize("lever", ["response_cache", "batch_tier"])
def test_a_planted_waste_is_found_to_the_cent(
    lever: str, analysis: Analysis, truth: Truth, frame: UsageFrame
) -> None:
    claim = split_period(frame.calls.start_us, AnalysisOptions().choose_share).claim
    at = next(at for at, planted in enumerate(truth.planted) if planted.lever == lever)
    planted = truth.planted[at]
    found = next(
        o
        for o in analysis.opportunities
        if (o.lever, o.scope["feature"], o.status) == (lever, planted.feature, "verified")
    )
    assert found.savings_usd.expected == pytest.approx(truth.saved(at, claim), abs=1e-9)
    assert found.savings_usd.low <= found.savings_usd.expected <= found.savings_usd.high


def test_the_cache_that_is_found_saves_at_least_what_was_planted(
    analysis: Analysis, truth: Truth, frame: UsageFrame
) -> None:
    claim = split_period(frame.calls.start_us, AnalysisOptions().choose_share).claim
    found = next(o for o in analysis.opportunities if o.scope["feature"] == "support_chat")
    assert found.lever == "prompt_cache"
    assert found.savings_usd.expected >= truth.saved(0, claim)


def test_the_attribution_adds_up_and_is_less_than_the_sum_of_alone(analysis: Analysis) -> None:
    combined = analysis.combined
    alone = {o.id: o.savings_usd.expected for o in analysis.opportunities}
    assert sum(combined.attribution.values()) == pytest.approx(
        combined.savings_usd.expected, abs=1e-9
    )
    total_alone = sum(alone[name] for name in combined.attribution)
    assert combined.savings_usd.expected <= total_alone + 1e-9
    assert combined.cost_after_usd == pytest.approx(
        combined.cost_before_usd - combined.savings_usd.expected
    )


def test_the_claim_is_the_later_part_of_the_period(analysis: Analysis, frame: UsageFrame) -> None:
    claim = split_period(frame.calls.start_us, AnalysisOptions().choose_share).claim
    assert analysis.combined.cost_before_usd == pytest.approx(frame.cost_usd[claim].sum())
    best = analysis.opportunities[0]
    days = (frame.calls.start_us[-1] - frame.calls.start_us[claim][0]) / 86_400e6
    assert best.monthly_savings_usd == pytest.approx(
        best.savings_usd.expected * 365.25 / 12 / days, rel=1e-3
    )


def test_calls_without_a_price_are_listed_and_count_nowhere(
    frame: UsageFrame, prices: PriceTable
) -> None:
    half = np.arange(len(frame)) % 2 == 0
    models = np.where(half, "nobody-knows-1", frame.calls.model.to_list()).tolist()
    calls = replace(frame.calls, model=Text.of(models))
    mixed = replace(frame, calls=calls, cost_usd=prices.cost(calls))
    found = analyze(mixed, prices=prices)
    assert found.unpriced_models == {"nobody-knows-1": int(half.sum())}
    assert found.usage.cost_usd == pytest.approx(frame.cost_usd[~half].sum())
    assert found.combined.cost_before_usd < frame.cost_usd.sum()


def test_no_records_at_all_give_an_empty_answer(frame: UsageFrame, prices: PriceTable) -> None:
    nothing = analyze(frame.take(np.zeros(0, np.int64)), prices=prices)
    assert nothing.usage.requests == 0
    assert nothing.opportunities == []
    assert nothing.combined.savings_usd.expected == 0.0
