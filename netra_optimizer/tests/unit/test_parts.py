"""Parts of the calls are found where no feature is named, and only where there are any."""

import numpy as np
import pytest

from netra_optimizer import Analysis, analyze, generate_workload
from netra_optimizer.generate import Workload
from netra_optimizer.generate.matrix import known_answer_scenarios
from netra_optimizer.generate.scenarios import scaled
from netra_optimizer.generate.truth import features_of
from netra_optimizer.levers.parts import size_edges
from netra_optimizer.options import AnalysisOptions
from netra_optimizer.period import split_period
from netra_optimizer.pricing import PriceTable
from netra_optimizer.results import Opportunity

SCENARIOS = {scenario.name: scenario for scenario in known_answer_scenarios()}


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def sizes(rng: np.random.Generator, median: float, count: int) -> np.ndarray:
    return np.rint(median * rng.lognormal(0.0, 0.4, count)).astype(np.int64)


def analysed(name: str, prices: PriceTable) -> tuple[Workload, Analysis]:
    workload = generate_workload(3, scenario=SCENARIOS[name])
    return workload, analyze(workload.frame(prices), prices=prices, outcomes=workload.outcomes())


def verified(analysis: Analysis) -> list[Opportunity]:
    return [o for o in analysis.opportunities if o.status == "verified"]


@pytest.mark.parametrize("medians", [(300, 9000), (200, 3000, 40_000)])
def test_sizes_part_between_their_classes(medians: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    tokens = np.concatenate([sizes(rng, median, 800) for median in medians])
    edges = size_edges(rng.permutation(tokens))
    assert len(edges) == len(medians) - 1
    for edge, low, high in zip(edges, medians, medians[1:], strict=False):
        assert low * 1.8 < edge < high / 1.8


@pytest.mark.parametrize("seed", range(5))
def test_sizes_of_one_kind_are_not_parted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert size_edges(sizes(rng, 2000, 3000)) == []
    assert size_edges(rng.integers(1, 30_000, 3000)) == []


def test_a_few_odd_sizes_are_no_class() -> None:
    rng = np.random.default_rng(2)
    assert size_edges(np.concatenate([sizes(rng, 400, 5000), sizes(rng, 60_000, 60)])) == []


@pytest.mark.parametrize(
    ("name", "lever", "key", "planted"),
    [
        ("unnamed_sizes", "prompt_cache", "input_size", "reports"),
        ("unnamed_shapes", "prompt_cache", "conversation", "chat"),
        ("unnamed_job", "batch_tier", "input_size", "night"),
    ],
)
def test_the_part_that_wastes_is_found_by_itself(
    name: str, lever: str, key: str, planted: str, prices: PriceTable
) -> None:
    workload, analysis = analysed(name, prices)
    (found,) = verified(analysis)
    frame = workload.frame(prices)
    claim = split_period(frame.calls.start_us, AnalysisOptions().choose_share).claim
    assert (found.lever, key in found.scope) == (lever, True)
    calls = features_of(frame).count(planted)
    assert 0.9 * calls <= found.evidence["requests"] <= 1.02 * calls
    known = workload.truth(prices, frame).saved(0, claim)
    assert found.savings_usd.expected == pytest.approx(known, rel=0.02)


@pytest.mark.parametrize("name", ["unnamed_clean_sizes", "unnamed_clean_shapes"])
def test_parts_without_waste_claim_nothing(name: str, prices: PriceTable) -> None:
    _, analysis = analysed(name, prices)
    assert verified(analysis) == []
    assert analysis.combined.savings_usd.expected == 0.0


def test_parts_are_not_claimed_on_the_calls_on_which_they_were_found(prices: PriceTable) -> None:
    short = scaled(SCENARIOS["unnamed_sizes"], days=1.5)
    analysis = analyze(generate_workload(3, scenario=short).frame(prices), prices=prices)
    assert all("input_size" not in o.scope for o in analysis.opportunities)
    assert verified(analysis)
