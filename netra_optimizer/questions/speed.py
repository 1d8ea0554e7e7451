"""Where the time goes: how fast each model answers, and calls in a row that need not wait."""

from typing import Final

import numpy as np

from netra_optimizer.findings import InARow, ModelSpeed, TimeSpent
from netra_optimizer.usage.columns import Bool, Int64
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.latency import line_of

MIN_TIMED: Final = 20
"""Timed calls of a model or feature below which nothing is said of it."""
MAX_PAUSE_MS: Final = 1000.0
"""Between the end of a call and the start of the next one of a row."""
OVERLAP_MS: Final = 20.0
"""Clocks may differ by this much without the two having run side by side."""


def where_time_goes(frame: UsageFrame) -> TimeSpent:
    """Over the calls whose latency is known; failed calls count as they were waited for too."""
    timed = ~np.isnan(frame.latency_ms)
    if int(timed.sum()) < MIN_TIMED:
        return TimeSpent([], [], ["Log the latency of each call: then the time can be found."])
    missing: list[str] = []
    if np.isnan(frame.ttft_ms).all():
        missing.append("Log the time to the first token: people wait for that, not for the last.")
    if frame.parent.equals("").all():
        missing.append(
            "Log the parent of each call (trace and span): then calls in a row that could run "
            "side by side are found."
        )
    return TimeSpent(_models(frame, timed), _in_a_row(frame, timed), missing)


def _models(frame: UsageFrame, timed: Bool) -> list[ModelSpeed]:
    model, provider = frame.calls.model, frame.calls.provider
    key = model.codes.astype(np.int64) * len(provider.values) + provider.codes
    total = float(frame.latency_ms[timed].sum())
    found: list[ModelSpeed] = []
    for code in np.unique(key[timed]).tolist():
        rows = np.flatnonzero(timed & (key == code))
        if len(rows) < MIN_TIMED:
            continue
        took, first = frame.latency_ms[rows], frame.ttft_ms[rows]
        first = first[~np.isnan(first)]
        slope, start = line_of(frame.calls.output_tokens[rows].astype(np.float64), took)
        found.append(
            ModelSpeed(
                model=model.values[code // len(provider.values)],
                provider=provider.values[code % len(provider.values)],
                requests=len(rows),
                share_pct=100 * float(took.sum()) / total if total else 0.0,
                p50_ms=float(np.median(took)),
                p95_ms=float(np.quantile(took, 0.95)),
                ttft_p50_ms=float(np.median(first)) if len(first) else None,
                ttft_p95_ms=float(np.quantile(first, 0.95)) if len(first) else None,
                start_ms=start,
                token_ms=slope,
            )
        )
    return sorted(found, key=lambda one: (-one.share_pct, one.model, one.provider))


def _in_a_row(frame: UsageFrame, timed: Bool) -> list[InARow]:
    """Rows of siblings: same trace and parent, each begun just after the one before ended."""
    rows = np.flatnonzero(timed & ~frame.parent.equals(""))
    if len(rows) < 2:
        return []
    order = np.lexsort(
        (frame.calls.start_us[rows], frame.parent.codes[rows], frame.trace.codes[rows])
    )
    rows = rows[order]
    begin, took = frame.calls.start_us[rows] / 1000, frame.latency_ms[rows]
    pause = begin[1:] - (begin + took)[:-1]
    follows = (
        (frame.trace.codes[rows][1:] == frame.trace.codes[rows][:-1])
        & (frame.parent.codes[rows][1:] == frame.parent.codes[rows][:-1])
        & (pause >= -OVERLAP_MS)
        & (pause <= MAX_PAUSE_MS)
        & ~_continues(frame, rows)
    )
    row = np.cumsum(np.append(True, ~follows)) - 1
    sizes = np.bincount(row)
    longest = np.zeros(len(sizes))
    np.maximum.at(longest, row, took)
    whole = np.bincount(row, weights=took).astype(np.float64, copy=False)
    feature = frame.feature.codes[rows[np.searchsorted(row, np.arange(len(sizes)))]]
    found = [
        InARow(
            feature=frame.feature.values[code],
            rows=int(mine.sum()),
            calls=int(sizes[mine].sum()),
            seconds=float(whole[mine].sum()) / 1000,
            side_by_side_s=float(longest[mine].sum()) / 1000,
        )
        for code in np.unique(feature[sizes > 1]).tolist()
        for mine in [(feature == code) & (sizes > 1)]
    ]
    return sorted(found, key=lambda one: (one.side_by_side_s - one.seconds, one.feature))


def _continues(frame: UsageFrame, rows: Int64) -> Bool:
    """Whether a call's prompt goes on from the one before: it begins with all of its blocks.

    Where no blocks are known, a prompt longer than the one before with its answer may go on.
    """
    counts = np.diff(frame.block_offsets)[rows]
    tokens = frame.calls.input_tokens[rows]
    out = frame.calls.output_tokens[rows]
    longer = tokens[1:] >= tokens[:-1] + out[:-1]
    known = (counts[:-1] > 0) & (counts[1:] > 0)
    last = frame.block_offsets[rows[:-1]] + np.maximum(counts[:-1] - 1, 0)
    same = frame.block_offsets[rows[1:]] + np.maximum(counts[:-1] - 1, 0)
    reaches = known & (counts[1:] >= counts[:-1])
    goes_on = np.zeros(len(longer), np.bool_)
    at = np.flatnonzero(reaches)
    goes_on[at] = frame.block_hashes[last[at]] == frame.block_hashes[same[at]]
    return np.where(known, goes_on, longer)
