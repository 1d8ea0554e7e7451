"""Many candidates and segments tested at once: luck approves no more than one test would."""

import numpy as np
import pytest

from netra_optimizer.levers.quality import holm
from netra_optimizer.verify.noninferiority import non_inferiority
from netra_optimizer.verify.outcomes import ModelScores, Paired

MARGIN = 0.03


def paired(rng: np.random.Generator, delta: float, items: int = 800) -> Paired:
    """Binary scores of two models that differ by `delta` and disagree on a fifth of the items."""
    kind = rng.choice(4, items, p=[0.1 - delta / 2, 0.1 + delta / 2, 0.6, 0.2])
    nothing = np.full(items, np.nan)
    one, other = (
        ModelScores(np.isin(kind, right).astype(float), nothing, nothing, nothing)
        for right in ((0, 2), (1, 2))
    )
    return Paired(items, one, other)


def test_of_twelve_candidates_at_minus_the_margin_any_is_approved_one_time_in_twenty() -> None:
    rng, rounds, approved = np.random.default_rng(1), 300, 0
    for _ in range(rounds):
        tests = holm({at: paired(rng, -MARGIN) for at in range(12)}, MARGIN)
        approved += any(test.verdict == "non_inferior" for test in tests.values())
    assert approved <= 0.067 * rounds


def test_a_single_candidate_is_tested_as_if_alone() -> None:
    pair = paired(np.random.default_rng(2), 0.0)
    alone = non_inferiority(pair.baseline.score, pair.candidate.score, margin=MARGIN)
    assert holm({"it": pair}, MARGIN) == {"it": alone}


def test_clear_candidates_pass_and_leave_the_rest_their_level() -> None:
    rng = np.random.default_rng(3)
    pairs = {f"good {at}": paired(rng, 0.03, 3000) for at in range(5)}
    tests = holm(pairs | {"bad": paired(rng, -0.10, 3000)}, MARGIN)
    assert {name for name, test in tests.items() if test.verdict == "non_inferior"} == set(pairs)
    assert tests["bad"].verdict == "inferior"


@pytest.mark.parametrize("others", [0, 9])
def test_what_is_left_open_names_the_items_that_the_whole_family_needs(others: int) -> None:
    rng = np.random.default_rng(4)
    pairs = {"it": paired(rng, -0.01)} | {at: paired(rng, -0.03) for at in range(others)}
    needed = holm(pairs, MARGIN)["it"].needed
    alone = non_inferiority(
        pairs["it"].baseline.score, pairs["it"].candidate.score, margin=MARGIN
    ).needed
    assert needed > 1.5 * alone if others else needed == alone


def test_candidates_without_items_leave_the_others_their_level() -> None:
    pair = paired(np.random.default_rng(2), 0.0)
    empty = Paired(0, *(ModelScores(*[np.zeros(0)] * 4) for _ in range(2)))
    tests = holm({"it": pair, **dict.fromkeys(range(8), empty)}, MARGIN)
    assert tests["it"] == holm({"it": pair}, MARGIN)["it"]
    assert tests[3].verdict == "underpowered"
