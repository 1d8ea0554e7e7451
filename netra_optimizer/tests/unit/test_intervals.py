"""The interval of a sum of savings holds what was to be expected, whatever ties calls together."""

from collections.abc import Callable

import numpy as np
import pytest

from netra_optimizer.usage.columns import Text
from netra_optimizer.verify import Blocks

HOUR_US = 3_600_000_000
DAYS = 4
PROFILE = np.array(
    [1, 1, 1, 1, 2, 4, 8, 12, 16, 18, 18, 16, 16, 18, 18, 16, 12, 9, 7, 6, 5, 4, 2, 2]
)
ROUNDS = 400


def blocks_of(start_us: np.ndarray, prompt: np.ndarray | None = None) -> Blocks:
    """Calls without conversations, of one feature and model."""
    count = len(start_us)
    names = Text(np.zeros(count, np.int32), ("it",))
    prompts = Text(np.zeros(count, np.int32), ("",))
    if prompt is not None:
        prompts = Text(prompt.astype(np.int32), tuple(f"p{at}" for at in range(prompt.max() + 1)))
    return Blocks(np.arange(count), prompts, names, names, start_us)


def times(rng: np.random.Generator, per_day: float) -> np.ndarray:
    """Arrivals by the hour of the day, rising."""
    counts = rng.poisson(np.tile(PROFILE / PROFILE.sum() * per_day, DAYS))
    hours = np.repeat(np.arange(24 * DAYS), counts)
    return np.sort(((hours + rng.random(len(hours))) * HOUR_US).astype(np.int64))


def alone(rng: np.random.Generator) -> tuple[Blocks, np.ndarray]:
    """Calls that have nothing to do with each other."""
    start = times(rng, 400)
    return blocks_of(start), rng.lognormal(0.0, 0.5, len(start))


def popular(rng: np.random.Generator) -> tuple[Blocks, np.ndarray]:
    """Ten prompts asked again and again, each as large as it happens to be."""
    start = times(rng, 400)
    weight = 1 / np.arange(1, 11)
    prompt = rng.choice(10, len(start), p=weight / weight.sum())
    size = rng.lognormal(0.0, 0.5, 10)
    return blocks_of(start, prompt), size[prompt] * rng.lognormal(0.0, 0.2, len(start))


def bursts(rng: np.random.Generator) -> tuple[Blocks, np.ndarray]:
    """Calls that come five at a time, nothing naming what ties them."""
    begins = times(rng, 80)
    start = np.sort(np.repeat(begins, rng.geometric(1 / 5, len(begins))))
    return blocks_of(start), rng.lognormal(0.0, 0.5, len(start))


@pytest.mark.parametrize("traffic", [alone, popular, bursts])
def test_nine_in_ten_intervals_hold_the_expected_sum(
    traffic: Callable[[np.random.Generator], tuple[Blocks, np.ndarray]],
) -> None:
    sums, intervals = [], []
    for seed in range(ROUNDS):
        blocks, savings = traffic(np.random.default_rng(seed))
        sums.append(savings.sum())
        intervals.append(blocks.interval(np.arange(len(savings)), savings))
    expected = np.mean(sums)
    held = np.mean([i.low <= expected <= i.high for i in intervals])
    assert 0.86 <= held <= 0.95


def test_calls_that_come_in_bursts_are_less_sure_than_as_many_alone() -> None:
    rng = np.random.default_rng(1)
    (several, savings), (single, as_much) = bursts(rng), alone(rng)
    wide = several.interval(np.arange(len(savings)), savings)
    narrow = single.interval(np.arange(len(as_much)), as_much)
    assert (wide.high - wide.low) / wide.expected > 1.8 * (narrow.high - narrow.low) / (
        narrow.expected
    )


def test_names_of_prompts_that_never_come_again_change_nothing() -> None:
    blocks, savings = alone(np.random.default_rng(2))
    rows = np.arange(len(savings))
    named = blocks_of(blocks.start_us, rows)
    assert named.interval(rows, savings) == blocks.interval(rows, savings)


def test_nothing_saved_has_no_interval() -> None:
    blocks, savings = alone(np.random.default_rng(3))
    interval = blocks.interval(np.arange(len(savings)), savings * 0)
    assert (interval.low, interval.expected, interval.high) == (0.0, 0.0, 0.0)
