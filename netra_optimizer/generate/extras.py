"""Calls of no use, added to a feature's own: twins, and attempts that are refused again."""

import numpy as np

from netra_optimizer.generate.calls import FeatureCalls
from netra_optimizer.usage.columns import Bool


def with_twins(calls: FeatureCalls, chosen: Bool, rng: np.random.Generator) -> FeatureCalls:
    """Each chosen call once more, within a second; the later one is waste."""
    at = np.flatnonzero(chosen)
    pause = rng.uniform(0.05, 0.9, len(at))
    joined = calls.take(np.concatenate([np.arange(len(chosen)), at]))
    joined.start_s[len(chosen) :] += pause
    joined.wasted[len(chosen) :] = True
    return joined


def with_refusals(calls: FeatureCalls, chosen: Bool) -> FeatureCalls:
    """The chosen calls are refused, and asked twice more in vain; the later attempts are waste."""
    at = np.flatnonzero(chosen & ~calls.wasted)
    count = len(calls.start_s)
    joined = calls.take(np.concatenate([np.arange(count), at, at]))
    again = (np.arange(count, count + len(at)), np.arange(count + len(at), count + 2 * len(at)))
    for number, rows in enumerate(again, start=1):
        joined.start_s[rows] += 1.5 * number
        joined.attempt[rows] = number + 1
        joined.wasted[rows] = True
    for rows in (at, *again):
        joined.failed[rows] = True
        joined.refused[rows] = True
    return joined
