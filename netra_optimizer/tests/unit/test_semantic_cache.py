"""A cache by likeness, held to a budget of false hits measured on labelled pairs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from netra_optimizer import LeverRegistry, analyze
from netra_optimizer.levers.embedding import HashedWords, normalized
from netra_optimizer.levers.semantic_cache import (
    LabelledPair,
    SemanticCacheLever,
    calibrate,
    like_hits,
    normalized_hits,
)
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

THINGS = "kettle lamp sofa phone bicycle carpet mirror camera tent guitar desk fan".split()
ACTS = "return repair track cancel exchange insure wrap assemble".split()


def pairs(count: int, false: int = 0) -> list[LabelledPair]:
    """Half the same question in other words, half another thing or act; `false` mislead."""
    rng = np.random.default_rng(5)
    found: list[LabelledPair] = []
    for at in range(count):
        thing, other = rng.choice(THINGS, 2, replace=False)
        act, deed = rng.choice(ACTS, 2, replace=False)
        one = f"How can I {act} the {thing} I bought last week in your shop?"
        found.append(
            LabelledPair(one, f"how can I {act} the {thing} I bought last week", at >= false)
        )
        found.append(LabelledPair(one, f"What does it cost to {deed} a new {other}?", False))
    return found


def test_a_normalized_question_keeps_what_matters() -> None:
    assert normalized("  Where IS\tmy parcel?! ") == normalized("where is my parcel")
    assert normalized("Where is my parcel 12?") != normalized("Where is my parcel 13?")


def test_like_wording_is_near_and_other_things_are_far() -> None:
    texts = ["How can I return the lamp?", "how do I return the lamp", "Cancel my newsletter."]
    vectors = HashedWords().embed(texts)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]


def test_enough_pairs_prove_a_threshold_within_the_budget() -> None:
    measured = calibrate(pairs(400), budget=0.01)
    assert measured.threshold is not None
    assert measured.false_hits == 0
    assert measured.bound <= 0.01
    assert measured.found_share > 0.7


def test_too_few_pairs_prove_nothing() -> None:
    assert calibrate(pairs(40), budget=0.01).threshold is None
    assert calibrate([], budget=0.01).threshold is None


def test_false_hits_beyond_the_budget_leave_no_threshold() -> None:
    assert calibrate(pairs(400, false=40), budget=0.01).threshold is None


def test_a_kept_answer_serves_until_its_time_is_over() -> None:
    texts = ["Where is it?", "where is it", "WHERE IS IT?", "where is it?"]
    start = np.array([0, 10, 90, 95]) * 1_000_000
    assert normalized_hits(texts, start, ttl_s=60).tolist() == [False, True, False, True]
    near = like_hits(texts, start, threshold=0.9, ttl_s=60)
    assert near.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("count", "statuses"),
    [(400, {"verified"}), (20, {"needs_evaluation"})],
)
def test_it_counts_only_when_the_pairs_prove_it(count: int, statuses: set[str]) -> None:
    prices = PriceTable.load()
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)
    texts: dict[str, str] = {}
    records: list[UsageRecord] = []
    for at in range(60):
        thing = THINGS[at % len(THINGS)]
        name = f"q{at:03d}"
        tail = "in your shop?" if at // 12 % 2 else "in a shop of yours?"
        texts[name] = f"How can I return the {thing} I bought last week {tail}"
        records.append(
            UsageRecord(
                id=name,
                start=noon + timedelta(minutes=at),
                model="claude-sonnet-4-5",
                provider="anthropic",
                input_uncached=500,
                output_text=100,
                params='{"temperature":0}',
            )
        )
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    lever = SemanticCacheLever(texts, pairs(count), default_threshold=0.8)
    found = analyze(frame, prices=prices, levers=LeverRegistry((lever,)))
    like = [o for o in found.opportunities if o.id.endswith("semantic")]
    assert {o.status for o in like} == statuses
    # Twelve things, each asked five times: in two wordings, so 36 asks are equal to an earlier one
    # and 48 like one. A call costs 0.003 USD.
    counted = 48 if statuses == {"verified"} else 36
    assert found.combined.savings_usd.expected == pytest.approx(counted * 0.003)
