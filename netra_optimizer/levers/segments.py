"""Segments: which calls change together. By feature and model, as far as the records name them."""

import numpy as np

from netra_optimizer.levers.base import Segment
from netra_optimizer.usage.frame import UsageFrame


def find_segments(frame: UsageFrame, *, limit: int) -> list[Segment]:
    """Feature by model by provider, dearest first, at most `limit`; every priced row is in one.

    What is left beyond the limit is joined by model and provider.
    """
    calls = frame.calls
    if not len(frame):
        return []
    sizes = (len(frame.feature.values), len(calls.model.values), len(calls.provider.values))
    keys = np.ravel_multi_index(
        (frame.feature.codes, calls.model.codes, calls.provider.codes), sizes
    )
    cost = np.nan_to_num(frame.cost_usd)
    names, inverse = np.unique(keys, return_inverse=True)
    spent = np.bincount(inverse, weights=cost)
    by_cost = np.argsort(-spent, kind="stable")
    order = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[order], np.arange(len(names) + 1))
    segments: list[Segment] = []
    for group in by_cost[:limit].tolist():
        feature, model, provider = (int(at) for at in np.unravel_index(int(names[group]), sizes))
        rows = np.sort(order[bounds[group] : bounds[group + 1]]).astype(np.int64)
        segments.append(
            _segment(
                rows,
                frame.feature.values[feature],
                calls.model.values[model],
                calls.provider.values[provider],
                calls,
            )
        )
    return segments


def _segment(rows, feature: str, model: str, provider: str, calls) -> Segment:
    scope = {"model": model}
    if feature:
        scope = {"feature": feature, "model": model}
    if len(calls.provider.values) > 1 and provider:
        scope["provider"] = provider
    return Segment(scope, rows, feature, model, provider)
