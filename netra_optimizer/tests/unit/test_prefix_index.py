"""The index of prefix blocks, held against a dictionary of what a cache holds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

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
