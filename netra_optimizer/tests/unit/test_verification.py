"""Shapley values, intervals and the non-inferiority test."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from scipy import stats

from netra_optimizer.verify.bootstrap import bootstrap_interval
from netra_optimizer.verify.noninferiority import non_inferiority, sample_size
from netra_optimizer.verify.shapley import shapley_values, to_cents

GLOVES = {frozenset("ab"): 1.0, frozenset("ac"): 1.0, frozenset("abc"): 1.0}


def test_the_glove_game_is_shared_as_in_the_books() -> None:
    shares = shapley_values("abc", lambda coalition: GLOVES.get(coalition, 0.0))
    assert shares == pytest.approx({"a": 2 / 3, "b": 1 / 6, "c": 1 / 6})


def test_a_larger_group_is_sampled_and_still_adds_up() -> None:
    weights = dict(zip("abcdefg", (5, 4, 3, 2, 1, 1, 1), strict=True))

    def worth(coalition: frozenset[str]) -> float:
        return math.sqrt(sum(weights[player] for player in coalition))

    shares = shapley_values("abcdefg", worth, seed=3, orders=300)
    assert sum(shares.values()) == pytest.approx(math.sqrt(17), abs=1e-12)
    assert shares["e"] == pytest.approx(shares["f"], abs=0.02)
    assert shares == shapley_values("abcdefg", worth, seed=3, orders=300)


def test_cents_add_up_to_the_total_in_cents() -> None:
    cents = to_cents({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, 1.0)
    assert sum(round(100 * value) for value in cents.values()) == 100


@given(st.lists(st.floats(-500, 5000), min_size=1, max_size=12))
def test_any_shares_in_cents_add_up_and_none_moves_by_more_than_a_cent(parts: list[float]) -> None:
    shares = {str(at): part for at, part in enumerate(parts)}
    cents = to_cents(shares, sum(parts))
    assert sum(round(100 * value) for value in cents.values()) == round(100 * sum(parts))
    assert all(abs(cents[name] - shares[name]) <= 0.0101 for name in shares)


def test_the_order_of_the_blocks_changes_no_interval() -> None:
    sums = np.random.default_rng(0).gamma(1.0, 2.0, 300)
    back = bootstrap_interval(sums[::-1].copy())
    assert structs.astuple(bootstrap_interval(sums)) == pytest.approx(structs.astuple(back))


@pytest.mark.parametrize("blocks", [30, 150, 900])
def test_the_interval_covers_a_compound_poisson_sum_nine_times_in_ten(blocks: int) -> None:
    rng = np.random.default_rng(blocks)
    covered, rounds = 0, 2000
    for _ in range(rounds):
        sums = rng.geometric(1 / 6, rng.poisson(blocks)).astype(float) ** 2
        interval = bootstrap_interval(sums)
        covered += interval.low <= blocks * 66 <= interval.high
    assert 0.88 <= covered / rounds <= 0.94


def paired(rng: np.random.Generator, items: int, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """Binary scores of two models that differ by `delta` and disagree on a fifth of the items."""
    lost, gained = 0.1 - delta / 2, 0.1 + delta / 2
    kind = rng.choice(4, items, p=[lost, gained, 0.6, 0.2])
    return np.isin(kind, (0, 2)).astype(float), np.isin(kind, (1, 2)).astype(float)


def test_at_exactly_minus_the_margin_it_approves_one_in_twenty(full_counts: bool) -> None:
    rounds, rng = (4000 if full_counts else 1000), np.random.default_rng(11)
    approvals = sum(
        non_inferiority(*paired(rng, 800, -0.03), margin=0.03).verdict == "non_inferior"
        for _ in range(rounds)
    )
    assert 0.03 * rounds <= approvals <= 0.067 * rounds


def test_an_equal_candidate_is_approved_with_the_stated_power() -> None:
    rng = np.random.default_rng(12)
    needed = sample_size(0.03, variance=0.2)
    tests = [non_inferiority(*paired(rng, needed, 0.0), margin=0.03) for _ in range(300)]
    approved = sum(test.verdict == "non_inferior" for test in tests)
    assert 0.74 <= approved / 300 <= 0.87


def test_too_few_items_are_called_underpowered() -> None:
    baseline, candidate = paired(np.random.default_rng(13), 60, 0.0)
    test = non_inferiority(baseline, candidate, margin=0.02)
    assert test.verdict == "underpowered"
    assert test.needed > 60


def test_a_worse_candidate_is_called_inferior() -> None:
    baseline, candidate = paired(np.random.default_rng(14), 2000, -0.15)
    assert non_inferiority(baseline, candidate, margin=0.02).verdict == "inferior"


def test_graded_scores_without_rare_losses_are_judged_nearly_as_by_student() -> None:
    rng = np.random.default_rng(15)
    baseline = rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], 2000)
    candidate = np.clip(baseline + rng.choice([-1.0, 0.0, 1.0], 2000, p=[0.2, 0.6, 0.2]), 1, 5)
    test = non_inferiority(baseline, candidate, margin=0.1)
    low = stats.ttest_rel(candidate, baseline, alternative="greater").confidence_interval(0.95).low
    assert test.lower == pytest.approx(low, abs=0.002)


@pytest.mark.parametrize("items", [40, 120, 400])
def test_rare_large_losses_of_graded_scores_are_not_approved_too_often(items: int) -> None:
    """Student's test approves a fifth to a third of these, because most samples show no loss."""
    rng, rounds = np.random.default_rng(items), 150
    approvals = 0
    for _ in range(rounds):
        baseline = rng.choice([0.9, 1.0], items)
        candidate = np.where(rng.random(items) < 0.03, 0.0, baseline)
        test = non_inferiority(baseline, candidate, margin=0.03 * 0.95)
        approvals += test.verdict == "non_inferior"
    assert approvals <= 0.067 * rounds


@pytest.mark.parametrize(
    ("items", "margin", "disagree"),
    [(40, 0.1, 0.1), (60, 0.05, 0.2), (100, 0.1, 0.1), (150, 0.03, 0.03)],
)
def test_the_exact_size_at_the_margin_is_within_five_percent(
    items: int, margin: float, disagree: float
) -> None:
    """Every outcome of a few items, weighed by its chance: few disagreements and many."""
    size = 0.0
    for count in range(items + 1):
        weight = stats.binom.pmf(count, items, disagree)
        if weight < 1e-7:
            continue
        low, high = -1, count  # the most losses that are still approved
        while low < high:
            lost = (low + high + 1) // 2
            candidate = np.repeat([-1.0, 1.0, 0.0], [lost, count - lost, items - count])
            test = non_inferiority(np.zeros(items), candidate, margin=margin)
            low, high = (lost, high) if test.verdict == "non_inferior" else (low, lost - 1)
        loses = (disagree + margin) / (2 * disagree)
        size += weight * stats.binom.cdf(low, count, loses)
    assert size <= 0.05 + 1e-9


@pytest.mark.parametrize(("score", "margin"), [(1.0, 0.02), (0.0, 0.02), (5.0, 0.1)])
def test_identical_scores_are_no_worse_when_there_are_enough_of_them(
    score: float, margin: float
) -> None:
    few, many = np.full(20, score), np.full(500, score)
    assert non_inferiority(many, many, margin=margin).verdict == "non_inferior"
    assert non_inferiority(few, few, margin=margin).verdict == "underpowered"
