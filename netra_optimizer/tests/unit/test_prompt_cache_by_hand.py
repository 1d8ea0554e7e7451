"""The replayed prompt cache against one kept by hand: a dictionary, one call after the other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_optimizer.levers.prompt_cache import UsePromptCache, reuse_by_lifetime
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay import Traffic, replay
from netra_optimizer.replay.prompt_cache import ALL_BLOCKS
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

PRICES = PriceTable.load()
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
RULES = {
    "claude-sonnet-4-5": ("anthropic", 1024, 1),
    "claude-haiku-4-5": ("anthropic", 4096, 1),
    "gpt-4o": ("openai", 1024, 128),
}
"""Provider, least number of tokens, and step, from the providers' pages."""

CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "pause_s": st.sampled_from([0, 0, 1, 59, 60, 61, 299, 300, 301, 600, 3600, 3601]),
            "model": st.sampled_from(sorted(RULES)),
            "blocks": st.lists(st.integers(1, 4), max_size=9),
            "rest": st.integers(0, 511),
            "read": st.integers(0, 300),
            "failed": st.sampled_from([False, False, False, True]),
        }
    ),
    min_size=1,
    max_size=25,
)


def frame_of(rows: list[dict[str, Any]]) -> UsageFrame:
    """Prompts of blocks of 512 tokens, the last one shorter; some tokens were read already."""
    records: list[UsageRecord] = []
    now = NOON
    for at, row in enumerate(rows):
        now += timedelta(seconds=row["pause_s"])
        blocks = row["blocks"]
        tokens = max(0, 512 * len(blocks) - row["rest"]) if blocks else 0
        read = min(row["read"], tokens)
        records.append(
            UsageRecord(
                id=f"{at:03d}",
                start=now,
                model=row["model"],
                provider=RULES[row["model"]][0],
                input_uncached=tokens - read,
                cache_read=read,
                output_text=10,
                status="error" if row["failed"] else "ok",
                block_hashes=tuple(blocks),
                block_tokens=512,
            )
        )
    return UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), PRICES)


def by_hand(frame: UsageFrame, marked_blocks: int, lifetime_s: float) -> list[tuple[int, int, int]]:
    """(prompt, read, written) of each call; a failed call is left as it was billed."""
    kept: dict[tuple[str, int], int] = {}
    found: list[tuple[int, int, int]] = []
    for row in range(len(frame)):
        model = frame.calls.model[row]
        _, least, step = RULES[model]
        prompt = int(frame.calls.input_uncached[row] + frame.calls.cache_read[row])
        if frame.status[row] != "ok":
            found.append((prompt, int(frame.calls.cache_read[row]), 0))
            continue
        blocks = frame.blocks(row).tolist()[:marked_blocks]
        marked = min(512 * len(blocks), prompt) // step * step
        if marked < least:
            marked, blocks = 0, []
        now, alive, read = int(frame.calls.start_us[row]), True, 0
        for place, block in enumerate(blocks, start=1):
            used = kept.get((model, block))
            alive = alive and used is not None and now - used <= lifetime_s * 1e6
            read = min(512 * place, prompt) if alive else read
            kept[model, block] = now
        read = min(read // step * step, marked)
        read = read if read >= least else 0
        found.append((prompt, read, marked - read))
    return found


def hand_priced(frame: UsageFrame, uses: list[tuple[int, int, int]], write: str) -> np.ndarray:
    prompt, read, written = (np.array(column, np.int64) for column in zip(*uses, strict=True))
    paid = written if write != "none" else np.zeros_like(written)
    nothing = np.zeros_like(read)
    calls = replace(
        frame.calls,
        input_uncached=prompt - read - paid,
        cache_read=read,
        cache_write_5m=paid if write == "5m" else nothing,
        cache_write_1h=paid if write == "1h" else nothing,
    )
    return PRICES.cost(calls)


@settings(max_examples=120, deadline=None)
@given(
    CALLS,
    st.sampled_from([1, 2, 5, ALL_BLOCKS]),
    st.sampled_from([60.0, 300.0, 600.0, 3600.0, 1e9]),
    st.sampled_from(["5m", "1h", "none"]),
)
def test_each_call_costs_what_a_cache_kept_by_hand_makes_it_cost(
    rows: list[dict[str, Any]], blocks: int, lifetime_s: float, write: Any
) -> None:
    frame = frame_of(rows)
    policy = UsePromptCache(np.arange(len(frame)), blocks, lifetime_s, write)
    found = replay(Traffic.of(frame), [policy], PRICES)
    assert found == pytest.approx(hand_priced(frame, by_hand(frame, blocks, lifetime_s), write))


@settings(max_examples=80, deadline=None)
@given(CALLS)
def test_reuse_by_lifetime_is_that_of_an_ideal_cache_kept_by_hand(
    rows: list[dict[str, Any]],
) -> None:
    frame = frame_of(rows)
    shares, changes = reuse_by_lifetime(Traffic.of(frame))
    prompts = frame.calls.input_tokens.tolist()
    for name, lifetime_s in (("60", 60), ("300", 300), ("600", 600), ("3600", 3600)):
        kept: dict[int, int] = {}
        read = 0
        for row, prompt in enumerate(prompts):
            now, alive = int(frame.calls.start_us[row]), True
            for place, block in enumerate(frame.blocks(row).tolist(), start=1):
                used = kept.get(block)
                alive = alive and used is not None and now - used <= lifetime_s * 1e6
                if alive:
                    read += min(512 * place, prompt) - min(512 * (place - 1), prompt)
                kept[block] = now
        total = max(1, sum(prompts))
        assert shares[name] == pytest.approx(read / total)
        assert changes[name] == pytest.approx((0.25 * (sum(prompts) - read) - 0.9 * read) / total)
    assert sorted(shares.values()) == [
        shares[name] for name in ("60", "300", "600", "3600", "unlimited")
    ]
