"""Properties of the joint replay that hold for any workload."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_optimizer import AnalysisOptions, FeatureRule, Outcomes, analyze
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay import Traffic, replay
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
PRICES = PriceTable.load()
WAITING = AnalysisOptions(
    features={"job": FeatureRule(may_wait=True)}, everywhere=FeatureRule(repeat_allowed=True)
)
ALIKE = Outcomes.from_rows(
    [
        {"item": str(at), "model": model, "score": 1.0}
        for at in range(400)
        for model in ("claude-sonnet-4-5", "claude-haiku-4-5")
    ]
)

calls = st.lists(
    st.fixed_dictionaries(
        {
            "pause_s": st.sampled_from([0, 1, 30, 200, 400, 4000]),
            "feature": st.sampled_from(["chat", "job"]),
            "model": st.sampled_from(["claude-sonnet-4-5", "gpt-4o"]),
            "system": st.integers(0, 2),
            "prompt": st.integers(0, 3),
            "input": st.integers(1, 9),
            "output": st.integers(0, 500),
        }
    ),
    min_size=1,
    max_size=30,
)


def frame_of(rows: list[dict[str, Any]], order: list[int] | None = None) -> UsageFrame:
    records: list[UsageRecord] = []
    now = NOON
    for at, row in enumerate(rows):
        now += timedelta(seconds=row["pause_s"])
        records.append(
            UsageRecord(
                id=f"{at:03d}",
                start=now,
                model=row["model"],
                provider="anthropic" if row["model"].startswith("claude") else "openai",
                feature=row["feature"],
                input_uncached=1000 * row["input"],
                output_text=row["output"],
                prompt_hash=f"{row['system']}-{row['prompt']}-{row['input']}",
                block_hashes=tuple(
                    100 * row["system"] + block if block < 4 else 1000 * at + block
                    for block in range(row["input"])
                ),
                block_tokens=1000,
            )
        )
    if order is not None:
        records = [records[at] for at in order]
    return UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), PRICES)


@settings(max_examples=40, deadline=None)
@given(calls)
def test_no_change_costs_what_was_billed(rows: list[dict[str, Any]]) -> None:
    frame = frame_of(rows)
    assert (replay(Traffic.of(frame), [], PRICES) == frame.cost_usd).all()


@settings(max_examples=60, deadline=None)
@given(calls)
def test_shares_add_up_and_no_more_is_saved_than_was_paid(rows: list[dict[str, Any]]) -> None:
    frame = frame_of(rows)
    analysis = analyze(frame, prices=PRICES, options=WAITING, outcomes=ALIKE)
    combined = analysis.combined
    shares = combined.attribution
    assert sum(shares.values()) == pytest.approx(combined.savings_usd.expected, abs=1e-12)
    assert 0 <= combined.savings_usd.expected <= combined.cost_before_usd + 1e-12
    assert combined.savings_usd.low <= combined.savings_usd.expected <= combined.savings_usd.high
    assert combined.cost_before_usd - combined.cost_after_usd == pytest.approx(
        combined.savings_usd.expected, abs=1e-12
    )
    verified = {o.id for o in analysis.opportunities if o.status == "verified"}
    assert set(shares) == verified


@settings(max_examples=40, deadline=None)
@given(calls)
def test_changes_that_compete_save_no_more_than_each_alone(rows: list[dict[str, Any]]) -> None:
    """A repeat that is answered, a call that is batched: each takes from the other's part."""
    options = AnalysisOptions(
        levers=("response_cache", "batch_tier"),
        features=WAITING.features,
        everywhere=WAITING.everywhere,
    )
    analysis = analyze(frame_of(rows), prices=PRICES, options=options)
    alone = sum(
        o.savings_usd.expected
        for o in analysis.opportunities
        if o.id in analysis.combined.attribution
    )
    assert analysis.combined.savings_usd.expected <= alone + 1e-12


@settings(max_examples=25, deadline=None)
@given(calls, st.randoms(use_true_random=False), st.integers(0, 99))
def test_neither_the_order_of_rows_nor_the_seed_changes_a_figure(
    rows: list[dict[str, Any]], shuffler: Any, seed: int
) -> None:
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    options = AnalysisOptions(features=WAITING.features, everywhere=WAITING.everywhere, seed=seed)
    one = analyze(frame_of(rows), prices=PRICES, options=WAITING, outcomes=ALIKE)
    other = analyze(frame_of(rows, order), prices=PRICES, options=options, outcomes=ALIKE)
    assert other.combined.savings_usd == one.combined.savings_usd
    assert other.opportunities == one.opportunities


def test_a_batch_loses_the_cache_that_was_billed() -> None:
    rows = [{"pause_s": 1, "feature": "job", "model": "claude-sonnet-4-5", "system": 0,
             "prompt": 0, "input": 5, "output": 10}]  # fmt: skip
    frame = frame_of(rows)
    from dataclasses import replace as edited

    from netra_optimizer.levers.batch_tier import UseTier

    calls = edited(frame.calls, input_uncached=np.array([1000]), cache_read=np.array([4000]))
    cached = edited(frame, calls=calls).priced(PRICES)
    after = replay(Traffic.of(cached), [UseTier(np.array([0]), "batch")], PRICES)
    assert after[0] == pytest.approx((5000 * 3e-6 + 10 * 15e-6) / 2)
