"""The index of prefix blocks, held against a dictionary of what a cache holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_optimizer.replay import prefix
from netra_optimizer.replay.prefix import NEVER, PrefixIndex, reused_tokens, stable_order

MINUTE = 60_000_000


def index(prompts: list[list[int]], start_us: list[int]) -> PrefixIndex:
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in prompts])]).astype(np.int64)
    flat = np.array([block for prompt in prompts for block in prompt], np.uint64)
    return PrefixIndex.build(flat, offsets, np.array(start_us, np.int64))


def leading_by_hand(
    prompts: list[list[int]], start_us: list[int], caches: list[int], lifetime: int
) -> list[int]:
    last_use: dict[tuple[int, int], int] = {}
    leading: list[int] = []
    for prompt, now, cache in zip(prompts, start_us, caches, strict=True):
        alive = [
            (cache, block) in last_use and now - last_use[cache, block] <= lifetime
            for block in prompt
        ]
        leading.append(alive.index(False) if False in alive else len(alive))
        last_use |= {(cache, block): now for block in prompt}
    return leading


def test_a_hit_renews_the_lifetime() -> None:
    found = index([[1, 2], [1, 2], [1, 2]], [0, 4 * MINUTE, 8 * MINUTE])
    assert found.leading(found.gaps() <= 5 * MINUTE).tolist() == [0, 2, 2]


def test_calls_at_one_moment_keep_their_canonical_order() -> None:
    found = index([[1], [1, 2], [1, 2]], [0, 0, 0])
    assert found.leading(found.gaps() <= 0).tolist() == [0, 1, 2]


def test_a_prefix_first_seen_has_no_gap() -> None:
    assert index([[7, 8]], [0]).gaps().tolist() == [NEVER, NEVER]


def test_only_the_leading_blocks_that_are_marked_use_the_cache() -> None:
    found = index([[1, 2, 3], [1, 2, 3]], [0, 1])
    limit = np.array([1, 3], np.int32)
    assert found.leading(found.gaps(limit) <= MINUTE).tolist() == [0, 1]


def test_the_last_block_holds_what_is_left_of_the_input() -> None:
    tokens = reused_tokens(np.array([2, 3], np.int32), np.int64(512), np.array([1500, 1100]))
    assert tokens.tolist() == [1024, 1100]


def test_the_counting_order_is_that_of_a_stable_sort() -> None:
    codes = np.random.default_rng(1).integers(0, 50, 3000).astype(np.int32)
    assert (stable_order(codes, 50) == np.argsort(codes, kind="stable")).all()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 5), max_size=5, unique=True),
            st.integers(0, 3),
            st.integers(0, 1),
        ),
        max_size=25,
    ),
    st.integers(0, 4),
)
def test_it_holds_what_a_dictionary_of_last_uses_holds(
    calls: list[tuple[list[int], int, int]], lifetime: int
) -> None:
    prompts = [prompt for prompt, _, _ in calls]
    start = np.cumsum([pause for _, pause, _ in calls]).tolist()
    caches = [cache for _, _, cache in calls]
    found = index(prompts, start)
    gaps = found.gaps(cache=np.array(caches, np.int32))
    by_hand = leading_by_hand(prompts, start, caches, lifetime)
    assert found.leading(gaps <= lifetime).tolist() == by_hand


def test_a_part_of_the_stream_is_indexed_as_if_it_were_all() -> None:
    prompts, start = [[1, 2], [1, 3], [1, 2], [4], [1, 2]], [0, 1, 2, 3, 4]
    rows = np.array([0, 2, 4])
    part = index(prompts, start).take(rows)
    whole = index([prompts[at] for at in rows], [start[at] for at in rows])
    assert part.gaps().tolist() == whole.gaps().tolist()
    assert part.offsets.tolist() == whole.offsets.tolist()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 4), max_size=5, unique=True),
            st.integers(0, 3),
            st.integers(0, 2),
            st.integers(0, 5),
        ),
        max_size=40,
    ),
    st.integers(0, 6),
)
def test_limits_and_caches_leave_what_a_dictionary_of_last_uses_holds(
    calls: list[tuple[list[int], int, int, int]], lifetime: int
) -> None:
    start = np.cumsum([pause for _, pause, _, _ in calls]).tolist()
    caches, limits = [c[2] for c in calls], [c[3] for c in calls]
    marked = [prompt[:limit] for prompt, _, _, limit in calls]
    found = index([prompt for prompt, _, _, _ in calls], start)
    (leading,) = found.leading_within(
        [lifetime], np.array(limits, np.int32), np.array(caches, np.int32)
    )
    assert leading.tolist() == leading_by_hand(marked, start, caches, lifetime)


def test_a_long_run_of_calls_without_the_cache_is_jumped_over() -> None:
    prompts = [[1, 2]] * 100
    limit = np.zeros(100, np.int32)
    limit[[0, 60, 99]] = 2
    gaps = index(prompts, list(range(100))).gaps(limit)
    used = {row: gaps[2 * row : 2 * row + 2].tolist() for row in (0, 60, 99)}
    assert used == {0: [NEVER, NEVER], 60: [60, 60], 99: [39, 39]}
    cache = np.where(limit > 0, 1, 2).astype(np.int32)
    gaps = index(prompts, list(range(100))).gaps(cache=cache)
    assert gaps[[120, 198]].tolist() == [60, 39]
    assert gaps[[4, 122]].tolist() == [1, 2]


def test_names_of_many_parts_are_told_apart_as_those_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    names = rng.integers(0, 900, 5000).astype(np.uint64)
    offsets = np.arange(0, 5001, 5).astype(np.int64)
    start = np.arange(1000, dtype=np.int64)
    whole = PrefixIndex.build(names, offsets, start)
    monkeypatch.setattr(prefix, "PART", 300)
    monkeypatch.setattr(prefix, "CHUNK", 70)
    parts = PrefixIndex.build(names, offsets, start)
    assert parts.previous.tolist() == whole.previous.tolist()
    assert parts.gaps().tolist() == whole.gaps().tolist()


def test_labels_meet_where_one_uses_a_block_after_another() -> None:
    found = index([[1], [1], [2], [1], [2]], [0, 1, 2, 3, 4])
    assert found.meetings(np.array([7, -1, 5, 8, 5])) == [(7, 8)]


def test_an_access_is_used_again_when_the_next_comes_in_time() -> None:
    found = index([[1, 2], [1], [1, 2]], [0, 5, 9])
    assert found.used_again(np.full(3, 5)).tolist() == [True, False, True, False, False]
