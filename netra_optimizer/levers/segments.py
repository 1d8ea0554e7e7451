"""Segments: which calls change together. By feature and model, as far as the records name them."""

from typing import Final

import numpy as np

from netra_optimizer.levers.base import Segment
from netra_optimizer.usage.columns import Int64, combined_codes
from netra_optimizer.usage.frame import UsageFrame

MOST_KEYS: Final = 1 << 20
MIN_PART: Final = 100
"""Calls a part needs to be looked at by itself."""


def find_segments(frame: UsageFrame, *, limit: int) -> list[Segment]:
    """Feature by model by provider, dearest first, at most `limit`; every priced row is in one.

    What is left beyond the limit is joined by model and provider.
    """
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
        rows = np.flatnonzero(keys == key)
        names_of_it = tuple(label[int(rows[0])] for label in labels)
        segments.append(_segment(rows, *names_of_it, several=len(calls.provider.values) > 1))
    return segments


def found_parts(frame: UsageFrame, segment: Segment) -> list[Segment]:
    """Parts of a segment whose feature nobody named: by caller, else by the start of the prompt.

    Each caller, and each first prompt block, that at least MIN_PART calls share makes a part, when
    there are two or more of them.
    """
    users = frame.user.codes[segment.rows]
    by_user = {
        frame.user.values[code]: segment.rows[users == code]
        for code in np.flatnonzero(np.bincount(users) >= MIN_PART).tolist()
        if frame.user.values[code]
    }
    if len(by_user) > 1 or (by_user and len(next(iter(by_user.values()))) < len(users)):
        return [_part(segment, rows, "user", name, "") for name, rows in sorted(by_user.items())]
    counts = np.diff(frame.block_offsets)[segment.rows]
    some = segment.rows[counts > 0]
    names, inverse, sizes = np.unique(
        frame.block_hashes[frame.block_offsets[some]], return_inverse=True, return_counts=True
    )
    usual = np.flatnonzero(sizes >= MIN_PART).tolist()
    if len(usual) < 2:
        return []
    return [
        _part(
            segment,
            some[inverse == at],
            "prompt_start",
            f"{int(names[at]):016x}",
            f"block_hashes[1] = {int(names[at])}",
        )
        for at in usual
    ]


def _segment(rows: Int64, feature: str, model: str, provider: str, *, several: bool) -> Segment:
    scope = {"feature": feature, "model": model} if feature else {"model": model}
    if several and provider:
        scope["provider"] = provider
    return Segment(scope, rows, feature, model, provider)


def _part(segment: Segment, rows: Int64, key: str, value: str, condition: str) -> Segment:
    scope = segment.scope | {key: value}
    return Segment(scope, rows, segment.feature, segment.model, segment.provider, condition)
