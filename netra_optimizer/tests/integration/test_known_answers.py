"""Planted truth is found, and nothing else; the interval holds the generator's expected saving."""

import statistics
from collections import defaultdict

import numpy as np
import pytest

from netra_optimizer import AnalysisOptions, analyze, generate_workload
from netra_optimizer.generate import Scenario
from netra_optimizer.generate.matrix import known_answer_scenarios
from netra_optimizer.period import split_period
from netra_optimizer.pricing import PriceTable
from netra_optimizer.verify import Blocks

pytestmark = pytest.mark.integration
OPTIONS = AnalysisOptions()
SCENARIOS = known_answer_scenarios()
QUICK = (
    "system_prompt_4096",
    "chat_4_turns",
    "writes_never_read",
    "repeats_40",
    "job_gpt-4o",
    "as_good_model_0",
    "twins_15",
    "refused_15",
    "three_on_one",
    "a_company_with_scores",
    "clean_assistant",
    "clean_worse_model",
    "clean_few_scores",
    "clean_used_cache",
    "unnamed_shapes",
    "unnamed_clean_sizes",
)
COVERED = (
    "repeats_40",
    "job_gpt-4o",
    "as_good_model_0",
    "chat_8_turns",
    "chat_20_turns",
    "five_prompts",
    "bursts_switch",
    "bursts_cached",
)
"""Few long conversations, few prompts and bursts among them."""


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


@pytest.fixture(scope="module")
def chosen(full_counts: bool) -> list[Scenario]:
    return [s for s in SCENARIOS if full_counts or s.name in QUICK]


def test_there_are_forty_workloads_and_some_are_clean() -> None:
    assert len({s.name for s in SCENARIOS}) == len(SCENARIOS) >= 40
    assert sum(not s.planted for s in SCENARIOS) >= 8


def test_what_is_planted_is_found_and_nothing_else(
    chosen: list[Scenario], prices: PriceTable
) -> None:
    found, missed, false = 0, [], []
    errors: list[float] = []
    for scenario in chosen:
        workload = generate_workload(7, scenario=scenario)
        frame = workload.frame(prices)
        outcomes = workload.outcomes()
        analysis = analyze(frame, prices=prices, options=OPTIONS, outcomes=outcomes)
        truth = workload.truth(prices, frame)
        claim = split_period(frame.calls.start_us, OPTIONS.choose_share).claim
        claims: dict[tuple[str, str], float] = defaultdict(float)
        for o in analysis.opportunities:
            if analysis.combined.attribution.get(o.id):
                claims[o.lever, o.scope.get("feature", "")] += o.savings_usd.expected
        for at, planted in enumerate(truth.planted):
            feature = planted.feature if scenario.named else ""
            predicted = claims.pop((planted.lever, feature), None)
            if predicted is None:
                missed.append((scenario.name, planted.lever))
                continue
            found += 1
            errors.append(abs(predicted / truth.saved(at, claim) - 1))
        false += [(scenario.name, *key) for key in claims]
        if truth.planted:
            combined = analysis.combined.savings_usd.expected
            assert combined == pytest.approx(truth.combined(claim), rel=0.02), scenario.name
        else:
            assert analysis.combined.savings_usd.expected == 0.0
    assert found / (found + len(missed)) >= 0.95, missed
    assert found / (found + len(false)) >= 0.95, false
    assert statistics.median(errors) <= 0.05


def test_nine_intervals_in_ten_hold_the_expected_saving(
    prices: PriceTable, full_counts: bool
) -> None:
    """The expected saving is the mean of the exact ones over the seeds."""
    seeds = 60 if full_counts else 15
    held = total = 0
    for scenario in SCENARIOS:
        if scenario.name not in COVERED:
            continue
        intervals = []
        for seed in range(2000, 2000 + seeds):
            workload = generate_workload(seed, scenario=scenario)
            frame = workload.frame(prices)
            saved = workload.truth(prices, frame).together
            claim = np.flatnonzero(split_period(frame.calls.start_us, OPTIONS.choose_share).claim)
            intervals.append(Blocks.of(frame).interval(claim, saved[claim]))
        expected = statistics.fmean(interval.expected for interval in intervals)
        held += sum(i.low <= expected <= i.high for i in intervals)
        total += len(intervals)
    assert 0.85 <= held / total <= 0.95, (held, total)
