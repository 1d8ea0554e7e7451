"""The batch and flex tiers: cheaper answers that come later, only where nobody waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.levers.parts import (
    best_in_parts,
    callers,
    conversation_shapes,
    input_sizes,
    prompt_starts,
)
from netra_optimizer.replay.prompt_cache import PROMPT_BUCKETS
from netra_optimizer.replay.stream import Stage, Stream
from netra_optimizer.results import Latency
from netra_optimizer.usage.columns import Float64, Int64, Text

Tier = Literal["batch", "flex"]
_BATCH_SAYS: Final = "Batches find no short-lived prompt cache warm; their price is today's."
_FLEX_SAYS: Final = "Flex calls are slower and may be refused when there is no room: retry later."
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
    tier: Tier

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
        for bucket in filter(stream.has_tokens, PROMPT_BUCKETS[1:]):
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


_PIECE: Final = 1 << 19
"""Calls looked at in one go: temporary columns stay small."""


class BatchTierLever:
    """Proposes the cheaper tier for jobs, told by their arrivals or by you."""

    id = "batch_tier"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """One proposal a segment; where no feature is named, one for each job found in it."""
        rule = context.rule(segment)
        if rule.may_wait is False or rule.max_latency_ms is not None:
            return []
        if not _tiers(segment, context):
            return []
        whole = _job(segment, context)
        if whole or segment.feature:
            return whole
        parts = callers(context, segment) or prompt_starts(context, segment)
        found = [proposal for part in parts for proposal in _job(part, context)]
        ways = (input_sizes, conversation_shapes)
        return best_in_parts(segment, context, found, lambda part: _job(part, context), ways)


def _job(segment: Segment, context: LeverContext) -> list[Proposal]:
    """The proposal when nobody waits for this segment's calls."""
    standard = context.frame.calls.tier.equals("standard")[segment.rows]
    rows = segment.rows[standard]
    if not len(rows):
        return []
    stated = context.rule(segment).may_wait
    waiting = who_waits(context, rows)
    if not (stated or waiting.nobody):
        return []
    ways = {tier: UseTier(rows, tier) for tier in _tiers(segment, context)}
    saved: dict[str, float] = {
        tier: context.chosen_saving(segment, way) for tier, way in ways.items()
    }
    # The first of equal ones: a batch is surer than what is served when there is room.
    best = max(ways, key=lambda tier: round(saved[tier], 9))
    return [_proposal(segment, context, ways[best], waiting, stated=bool(stated), saved=saved)]


def _tiers(segment: Segment, context: LeverContext) -> list[Tier]:
    """Slower and cheaper tiers in which the model is sold."""
    sold = context.prices.has_tier
    tiers: tuple[Tier, ...] = ("batch", "flex")
    return [tier for tier in tiers if sold(segment.model, segment.provider, tier)]


def who_waits(context: LeverContext, rows: Int64) -> Waiting:
    """Read the signs off arrivals, conversations and traces of these rows."""
    frame = context.frame
    start = frame.calls.start_us[rows] / 1e6
    streamed = float(np.mean(~np.isnan(frame.ttft_ms[rows])))
    dialogue = _grouped_share(frame.conversation, rows, start)
    chained = _grouped_share(frame.trace, rows, start)
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


def _grouped_share(group: Text, rows: Int64, start: Float64) -> float:
    """Share of rows whose named group goes on within the hour after another row of it."""
    codes, named = group.codes[rows], ~group.equals("")[rows]
    if not named.any():
        return 0.0
    order = np.argsort(codes, kind="stable")  # rows rise, and with them their times
    shared = 0
    for first in range(0, len(order), _PIECE):
        piece = order[first : first + _PIECE + 1]
        same = np.diff(codes[piece]) == 0
        soon = np.diff(start[piece]) <= 3600.0
        shared += int((same & soon & named[piece[1:]]).sum())
    return shared / len(codes)


def _jitter(begins: Float64) -> float:
    """Spread of the time between runs over its median (multiples count as one); 1: no sign."""
    if len(begins) < 3:
        return 1.0
    between = np.diff(begins)
    usual = float(np.median(between))
    multiples = np.maximum(np.round(between / usual), 1)
    return float(np.mean(np.abs(between - multiples * usual)) / usual)


def _proposal(
    segment: Segment,
    context: LeverContext,
    policy: UseTier,
    waiting: Waiting,
    *,
    stated: bool,
    saved: dict[str, float],
) -> Proposal:
    evidence: dict[str, Any] = {
        "requests": context.requests(policy.rows),
        "tier": policy.tier,
        "saved_where_chosen_by_tier_usd": saved,
        "runs": waiting.runs,
        "in_runs_share": waiting.in_runs_share,
        "active_share_of_time": waiting.active_share,
        "longest_run_s": waiting.longest_run_s,
        "streamed_share": waiting.streamed_share,
        "dialogue_share": waiting.dialogue_share,
        "said_by_you": stated,
        "query": where(segment, "service_tier = 'standard'"),
    }
    reason = (
        "Slow answers are early enough, as you said."
        if stated
        else "Calls come in scheduled runs, none streamed or part of a talk: nobody waits."
    )
    before = context.latency(policy.rows).p50_before
    batch = policy.tier == "batch"
    return Proposal(
        lever="batch_tier",
        title=f"{'Send in batches' if batch else 'Use the flex tier'} ({segment.name})",
        segment=segment,
        policy=policy,
        evidence=evidence,
        assumptions=[reason, _BATCH_SAYS if batch else _FLEX_SAYS],
        patch=patches.batch_plan(segment.provider, segment.model)
        if batch
        else {"openai": {"service_tier": "flex"}},
        effort="medium" if batch else "low",
        risk="low: answers come later",
        rollback="Send the calls one by one again." if batch else "Leave service_tier out again.",
        latency=Latency(before, TURNAROUND_MS if batch else None),
    )
