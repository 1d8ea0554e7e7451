"""The batch tier: half the price for answers within a day, only where nobody waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.levers.segments import found_parts
from netra_optimizer.replay.prompt_cache import PROMPT_BUCKETS
from netra_optimizer.replay.stream import Stage, Stream
from netra_optimizer.results import Latency
from netra_optimizer.usage.columns import Float64, Int64

TURNAROUND_MS: Final = 24 * 3600 * 1000.0
RUN_GAP_S: Final = 600.0
"""A pause this long ends a run of calls."""
MIN_RUN: Final = 20
MAX_RUN_S: Final = 2 * 3600.0
MAX_ACTIVE_SHARE: Final = 0.10
MAX_WAITING_SHARE: Final = 0.02
SCHEDULE_JITTER: Final = 0.1


@dataclass(frozen=True, eq=False)
class UseTier:
    """Send the rows in another service tier. Batch keeps no short-lived prompt cache warm."""

    rows: Int64
    tier: str

    @property
    def stage(self) -> Stage:
        """Before the prompt cache, which a batch breaks."""
        return Stage.TIER

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Relabel, and turn cached prompt tokens of batched calls into plain input."""
        stream.relabel("tier", at, self.tier)
        if self.tier != "batch":
            return
        plain = stream.tokens("input_uncached")
        for bucket in PROMPT_BUCKETS[1:]:
            column = stream.tokens(bucket)
            plain[at] += column[at]
            column[at] = 0


@dataclass(frozen=True)
class Waiting:
    """Signs of somebody waiting for the answers, and of a scheduled job."""

    streamed_share: float
    dialogue_share: float
    """Calls in conversations of several turns."""
    chained_share: float
    """Calls followed within a minute by another of the same trace."""
    runs: int
    in_runs_share: float
    active_share: float
    longest_run_s: float
    schedule_jitter: float

    @property
    def nobody(self) -> bool:
        """True when the arrivals are a job's: short runs on a schedule, nothing interactive."""
        idle = max(self.streamed_share, self.dialogue_share, self.chained_share)
        return (
            idle <= MAX_WAITING_SHARE
            and self.runs >= 3
            and self.in_runs_share >= 0.9
            and self.active_share <= MAX_ACTIVE_SHARE
            and self.longest_run_s <= MAX_RUN_S
            and self.schedule_jitter <= SCHEDULE_JITTER
        )

    @property
    def somebody(self) -> bool:
        """True when answers are streamed, or are turns of a conversation or of an agent."""
        return max(self.streamed_share, self.dialogue_share, self.chained_share) > 0.1


class BatchTierLever:
    """Proposes batch for jobs; asks where the arrivals alone do not tell."""

    id = "batch_tier"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """One proposal a segment; where no feature is named, one for each job found in it."""
        rule = context.rule(segment)
        if rule.may_wait is False or rule.max_latency_ms is not None:
            return []
        if not context.prices.has_tier(segment.model, segment.provider, "batch"):
            return []
        whole = _job(segment, context)
        if whole or segment.feature:
            return whole
        parts = found_parts(context.frame, segment)
        return [proposal for part in parts for proposal in _job(part, context)]


def _job(segment: Segment, context: LeverContext) -> list[Proposal]:
    """The proposal when nobody waits for this segment's calls."""
    standard = context.frame.calls.tier.equals("standard")[segment.rows]
    rows = segment.rows[standard]
    if not len(rows):
        return []
    stated = context.rule(segment).may_wait
    waiting = who_waits(context, rows)
    if stated or waiting.nobody:
        return [_proposal(segment, context, rows, waiting, stated=bool(stated))]
    return []


def who_waits(context: LeverContext, rows: Int64) -> Waiting:
    """Read the signs off arrivals, conversations and traces of these rows."""
    frame = context.frame
    start = frame.calls.start_us[rows] / 1e6
    streamed = float(np.mean(~np.isnan(frame.ttft_ms[rows])))
    dialogue = _grouped_share(frame.conversation.codes[rows], frame.conversation.values, start)
    chained = _grouped_share(frame.trace.codes[rows], frame.trace.values, start)
    breaks = np.flatnonzero(np.diff(start) > RUN_GAP_S) + 1
    first = np.append(0, breaks)
    last = np.append(breaks, len(start)) - 1
    sizes = last - first + 1
    large = sizes >= MIN_RUN
    lengths = (start[last] - start[first])[large]
    whole = max(float(start[-1] - start[0]), 1.0)
    return Waiting(
        streamed_share=streamed,
        dialogue_share=dialogue,
        chained_share=chained,
        runs=int(large.sum()),
        in_runs_share=float(sizes[large].sum() / len(start)),
        active_share=float(lengths.sum() / whole),
        longest_run_s=float(lengths.max(initial=0.0)),
        schedule_jitter=_jitter(start[first][large]),
    )


def _grouped_share(codes: NDArray[np.int32], values: tuple[str, ...], start: Float64) -> float:
    """Share of rows whose named group goes on within the hour after another row of it."""
    named = np.array([bool(value) for value in values], np.bool_)[codes]
    if not named.any():
        return 0.0
    order = np.lexsort((start, codes))
    same = np.diff(codes[order]) == 0
    soon = np.diff(start[order]) <= 3600.0
    return float((same & soon & named[order][1:]).sum() / len(codes))


def _jitter(begins: Float64) -> float:
    """Spread of the time between runs over its median (multiples count as one); 1: no sign."""
    if len(begins) < 3:
        return 1.0
    between = np.diff(begins)
    usual = float(np.median(between))
    multiples = np.maximum(np.round(between / usual), 1)
    return float(np.mean(np.abs(between - multiples * usual)) / usual)


def _proposal(
    segment: Segment, context: LeverContext, rows: Int64, waiting: Waiting, *, stated: bool
) -> Proposal:
    evidence: dict[str, Any] = {
        "requests": len(rows),
        "runs": waiting.runs,
        "in_runs_share": waiting.in_runs_share,
        "active_share_of_time": waiting.active_share,
        "longest_run_s": waiting.longest_run_s,
        "streamed_share": waiting.streamed_share,
        "dialogue_share": waiting.dialogue_share,
        "said_by_you": stated,
        "query": where(segment, "service_tier = 'standard'"),
    }
    before = context.latency(rows).p50_before
    return Proposal(
        lever="batch_tier",
        title=f"Send in batches ({segment.feature or segment.model})",
        segment=segment,
        policy=UseTier(rows, "batch"),
        evidence=evidence,
        assumptions=[
            "Answers within 24 hours are early enough."
            if stated
            else "Calls come in scheduled runs, none streamed or part of a talk: nobody waits.",
            "Batches find no short-lived prompt cache warm; their price is today's.",
        ],
        patch=patches.batch_plan(segment.provider, segment.model),
        effort="medium",
        risk="low: answers come later",
        rollback="Send the calls one by one again.",
        latency=Latency(before, TURNAROUND_MS),
    )
