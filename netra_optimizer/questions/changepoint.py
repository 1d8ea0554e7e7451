"""When a feature's model or prompt became another for good."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.usage.columns import Int64
from netra_optimizer.usage.frame import UsageFrame

MIN_SIDE: Final = 10
MIN_SHIFT: Final = 0.6
"""By how much the share of the new one must rise at the cut."""


@dataclass(frozen=True)
class ChangePoint:
    """What changed, when (microseconds, UTC), from what to what."""

    kind: Literal["model", "prompt", "given"]
    at_us: int
    before: str
    after: str


def find_change(frame: UsageFrame, rows: Int64) -> ChangePoint | None:
    """The clearest change of the model, else of the prompt's first block; None where none is."""
    start = frame.calls.start_us[rows]
    models = frame.calls.model
    cut = _cut(models.codes[rows])
    if cut is not None:
        at, before, after = cut
        return ChangePoint("model", int(start[at]), models.values[before], models.values[after])
    counts = np.diff(frame.block_offsets)[rows]
    some = np.flatnonzero(counts > 1)
    if len(some) < 2 * MIN_SIDE:
        return None
    first = frame.block_hashes[frame.block_offsets[rows[some]]]
    names, codes = np.unique(first, return_inverse=True)
    cut = _cut(codes.astype(np.int32))
    if cut is None:
        return None
    at, before, after = cut
    return ChangePoint(
        "prompt",
        int(start[some[at]]),
        f"prompt {int(names[before]):016x}",
        f"prompt {int(names[after]):016x}",
    )


def _cut(codes: NDArray[np.int32]) -> tuple[int, int, int] | None:
    """(position, code before, code after) of the best cut of a sequence of labels."""
    count = len(codes)
    if count < 2 * MIN_SIDE:
        return None
    usual = np.argsort(-np.bincount(codes), kind="stable")[:8]
    best: tuple[float, int, int] | None = None
    left = np.arange(1, count)
    for code in usual.tolist():
        seen = np.cumsum(codes == code)
        before, after = seen[:-1] / left, (seen[-1] - seen[:-1]) / (count - left)
        shift = after - before
        shift[: MIN_SIDE - 1] = 0
        shift[count - MIN_SIDE :] = 0
        # The best cut separates most pairs of calls, not just the largest difference of shares.
        gain = np.where(shift >= MIN_SHIFT, shift * left * (count - left), 0)
        at = int(np.argmax(gain))
        if gain[at] > 0 and (best is None or gain[at] > best[0]):
            best = (float(gain[at]), at + 1, code)
    if best is None:
        return None
    _, at, after = best
    earlier = codes[:at]
    before = int(np.argmax(np.bincount(earlier)))
    return (at, before, after) if before != after else None
