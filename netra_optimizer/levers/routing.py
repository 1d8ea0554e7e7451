"""Routing between two models by paired outcomes: between chance and the oracle, never beyond."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.levers.model_switch import SwitchModel, at_candidate
from netra_optimizer.levers.quality import judged_candidates
from netra_optimizer.replay.stream import Stage, Stream
from netra_optimizer.results import Latency, Quality
from netra_optimizer.usage.columns import Int64
from netra_optimizer.verify.noninferiority import non_inferiority

MIN_ITEMS: Final = 100


@dataclass(frozen=True, eq=False)
class RouteShare:
    """A share of the calls, spread evenly over them, goes to another model."""

    rows: Int64
    model: str
    provider: str
    share: float

    @property
    def stage(self) -> Stage:
        """A switch of the model for some calls."""
        return Stage.MODEL

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Every 1/share-th call, by the fraction that has come due."""
        due = np.floor(np.arange(1, len(at) + 1) * self.share)
        taken = np.diff(due, prepend=0.0) > 0
        SwitchModel(self.rows[taken], self.model, self.provider).apply(stream, at[taken])


@dataclass(frozen=True)
class Frontier:
    """What routing a share of items to the cheaper model can give, by the same items' outcomes.

    `free_share`: items on which the cheaper one did as well or better, the most an oracle could
    move without losing anything; `random_share`: what may be moved by chance within the margin.
    """

    free_share: float
    random_share: float
    oracle_score: float


def frontier(
    baseline: NDArray[np.float64], candidate: NDArray[np.float64], margin: float
) -> Frontier:
    """Measured on the items; `random_share` uses the lower bound of the difference."""
    test = non_inferiority(baseline, candidate, margin=margin)
    worst = max(-test.lower, 1e-9)
    return Frontier(
        free_share=float(np.mean(candidate >= baseline)),
        random_share=float(min(1.0, margin / worst)),
        oracle_score=float(np.mean(np.maximum(baseline, candidate))),
    )


class RoutingLever:
    """Where the cheaper model is worse as a whole: part of the calls could go to it."""

    id = "routing"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """The pair that a perfect router would save most with; a router is to be evaluated."""
        if context.rule(segment).keep_quality:
            return []
        best: tuple[float, Proposal] | None = None
        for found in judged_candidates(context, segment):
            pair = found.paired
            if pair.items < MIN_ITEMS or found.test.verdict == "non_inferior":
                continue
            margin = context.options.quality_margin
            edge = frontier(pair.baseline.score, pair.candidate.score, margin)
            policy = RouteShare(segment.rows, found.model, found.provider, edge.free_share)
            gain = context.chosen_saving(segment, policy)
            if gain > 0 and (best is None or gain > best[0]):
                best = (gain, _proposal(segment, context, policy, edge, pair.items))
        return [] if best is None else [best[1]]


def _proposal(
    segment: Segment, context: LeverContext, policy: RouteShare, edge: Frontier, items: int
) -> Proposal:
    least = edge.random_share / edge.free_share if edge.free_share else 0.0
    return Proposal(
        lever="routing",
        title=f"Route easy calls to {policy.model.rsplit('/', 1)[-1]}",
        segment=segment,
        policy=policy,
        standing="needs_evaluation",
        evidence={
            "requests": context.requests(segment.rows),
            "candidate": policy.model,
            "paired_items": items,
            "share_as_good_on_candidate": edge.free_share,
            "share_by_chance_within_margin": edge.random_share,
            "oracle_score": edge.oracle_score,
            "margin": context.options.quality_margin,
            "query": where(segment),
        },
        assumptions=[
            "A perfect router moves the calls on which the cheaper model does as well; chance "
            "alone may move the lower share within the margin. A real router lies between.",
        ],
        patch=patches.two_routes(segment.model, segment.provider, policy.model, policy.provider),
        effort="high",
        risk="medium: the router's own mistakes",
        rollback="Send all calls to the stronger model.",
        quality=Quality(None, None, False),
        latency=_latency(context, policy),
        low_factor=min(1.0, least),
        high_factor=1.0,
        variant=policy.model,
    )


def _latency(context: LeverContext, policy: RouteShare) -> Latency:
    """The mean with the routed share at the candidate; whose calls the median is of is open."""
    moved = at_candidate(context, policy.rows, policy.model)
    mean = None
    if moved.mean_before is not None and moved.mean_after is not None:
        mean = moved.mean_before + policy.share * (moved.mean_after - moved.mean_before)
    return msgspec.structs.replace(moved, p50_after=None, mean_after=mean)
