"""Segments: which calls change together. By feature and model, as far as the records name them."""

from typing import Final

import numpy as np

from netra_optimizer.levers.base import Segment
from netra_optimizer.usage.columns import Int64, combined_codes
from netra_optimizer.usage.frame import UsageFrame

MOST_KEYS: Final = 1 << 20


def find_segments(frame: UsageFrame, *, limit: int) -> list[Segment]:
    """Feature by model by provider, dearest first, at most `limit`; what is left is in none."""
    calls = frame.calls
    if not len(frame):
        return []
    labels = (frame.feature, calls.model, calls.provider)
    keys, count = combined_codes(*((label.codes, len(label.values)) for label in labels))
    if count > MOST_KEYS:
        names, keys = np.unique(keys, return_inverse=True)
        count = len(names)
    spent = np.bincount(keys, weights=np.nan_to_num(frame.cost_usd), minlength=count)
    present = np.flatnonzero(np.bincount(keys, minlength=count))
    by_cost = present[np.argsort(-spent[present], kind="stable")]
    segments: list[Segment] = []
    for key in by_cost[:limit].tolist():
        rows = frame.every_row if len(present) == 1 else np.flatnonzero(keys == key)
        names_of_it = tuple(label[int(rows[0])] for label in labels)
        segments.append(_segment(rows, *names_of_it, several=len(calls.provider.values) > 1))
    return segments


def _segment(rows: Int64, feature: str, model: str, provider: str, *, several: bool) -> Segment:
    scope = {"feature": feature, "model": model} if feature else {"model": model}
    if several and provider:
        scope["provider"] = provider
    return Segment(scope, rows, feature, model, provider)
