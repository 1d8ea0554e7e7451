"""Another model for a segment: counted only when paired outcomes show that it is no worse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment, Standing
from netra_optimizer.levers.candidates import cheaper_siblings, named_candidates
from netra_optimizer.levers.evidence import where
from netra_optimizer.levers.quality import judged_candidates, same_model
from netra_optimizer.replay.stream import Stage, Stream
from netra_optimizer.results import Latency, Quality
from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.usage.latency import line_of
from netra_optimizer.verify.noninferiority import NonInferiority, sample_size
from netra_optimizer.verify.outcomes import Paired

TOKEN_RANGE: Final = (0.85, 1.25)
"""Stated range of the answer's length on another model, when outcomes do not tell it."""
MIN_TIMED: Final = 20
"""Calls of a model below which its latency is not foretold."""


@dataclass(frozen=True, eq=False)
class SwitchModel:
    """Ask another model; the answer's length is multiplied by `output_factor`."""

    rows: Int64
    model: str
    provider: str
    output_factor: float = 1.0
    input_factor: float = 1.0

    @property
    def stage(self) -> Stage:
        """Before tier and prompt cache, whose prices are the new model's."""
        return Stage.MODEL

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Relabel and scale."""
        stream.relabel("model", at, self.model)
        stream.relabel("provider", at, self.provider)
        if self.output_factor != 1.0:
            for bucket in ("output_text", "reasoning"):
                column = stream.tokens(bucket)
                column[at] = np.rint(column[at] * self.output_factor).astype(np.int64)
        if self.input_factor != 1.0:
            for bucket in ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h"):
                column = stream.tokens(bucket)
                column[at] = np.rint(column[at] * self.input_factor).astype(np.int64)


class ModelSwitchLever:
    """Cheaper models: those with outcomes are tested, else a sibling is named to be evaluated."""

    id = "model_switch"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """The approved candidate that saves most, or what an evaluation would take.

        A candidate that is shown to be worse is no candidate; part of the calls may still be routed
        to it.
        """
        if context.rule(segment).keep_quality:
            return []
        proposals = _with_outcomes(segment, context)
        if not any(proposal.standing == "countable" for proposal in proposals):
            tested = {proposal.evidence["candidate"] for proposal in proposals}
            proposals = [p for p in proposals if p.evidence["verdict"] != "inferior"]
            siblings = named_candidates(context, segment)
            if not context.options.candidates:
                siblings = cheaper_siblings(context, segment)[: context.options.max_candidates]
            proposals += [
                _proposal(segment, context, name, provider, None, None)
                for name, provider in siblings
                if name not in tested
            ]
        return _best(proposals, segment, context)


def _best(proposals: list[Proposal], segment: Segment, context: LeverContext) -> list[Proposal]:
    """Of approved ones the one that saves most; of the others those that would save."""
    saving = {
        at: context.chosen_saving(segment, proposal.policy)
        for at, proposal in enumerate(proposals)
        if _fast_enough(context, segment, proposal)
    }
    useful = [at for at, gain in saving.items() if gain > 0]
    approved = [at for at in useful if proposals[at].standing == "countable"]
    if approved:
        return [proposals[max(approved, key=lambda at: saving[at])]]
    most = max(2, len(context.options.candidates))
    return [proposals[at] for at in sorted(useful, key=lambda at: -saving[at])][:most]


def _fast_enough(context: LeverContext, segment: Segment, proposal: Proposal) -> bool:
    bound = context.rule(segment).max_latency_ms
    if bound is None:
        return True
    after = proposal.latency.p50_after if proposal.latency else None
    return after is not None and after <= bound


def _with_outcomes(segment: Segment, context: LeverContext) -> list[Proposal]:
    return [
        _proposal(segment, context, found.model, found.provider, found.test, found.paired)
        for found in judged_candidates(context, segment)
    ]


def _factor(before: Float64, after: Float64) -> float | None:
    """How many times the tokens the candidate took for the same items, when outcomes tell."""
    both = ~np.isnan(before) & ~np.isnan(after)
    if not both.any() or before[both].sum() <= 0:
        return None
    return float(after[both].sum() / before[both].sum())


def _standing(test: NonInferiority | None) -> Standing:
    return "countable" if test and test.verdict == "non_inferior" else "needs_evaluation"


def _proposal(
    segment: Segment,
    context: LeverContext,
    model: str,
    provider: str,
    test: NonInferiority | None,
    paired: Paired | None,
) -> Proposal:
    margin = context.options.quality_margin
    factor = longer = None
    if paired is not None:
        factor = _factor(paired.baseline.output_tokens, paired.candidate.output_tokens)
        longer = _factor(paired.baseline.input_tokens, paired.candidate.input_tokens)
    policy = SwitchModel(segment.rows, model, provider, factor or 1.0, longer or 1.0)
    low, high = (1.0, 1.0) if factor else _range(segment, context, policy)
    name = segment.feature or "all calls"
    requests = context.requests(segment.rows)
    tests = sum(len(found) for found in context.judged.values())
    return Proposal(
        lever="model_switch",
        title=f"Move {name} to {model.rsplit('/', 1)[-1]}",
        segment=segment,
        policy=policy,
        standing=_standing(test),
        evidence=_evidence(segment, requests, model, test, margin, factor, tests),
        assumptions=_assumptions(test, margin, factor),
        patch=patches.routed(segment.model, model, provider),
        effort="low" if test else "medium",
        risk="low: proven on paired outcomes"
        if _standing(test) == "countable"
        else "quality unproven",
        rollback=f"Point the route back to {segment.model}.",
        quality=_quality(test),
        latency=at_candidate(context, segment.rows, model, factor or 1.0),
        low_factor=low,
        high_factor=high,
        variant=model,
    )


def at_candidate(
    context: LeverContext, rows: Int64, model: str, output_factor: float = 1.0
) -> Latency:
    """Latency now, and as the candidate's own calls in the records take for answers as long.

    None after where fewer than MIN_TIMED of its calls are timed. Their latency is taken for a line
    of the answer's length (least squares, neither part below zero): its calls may answer at
    greater length than these, or more briefly.
    """
    names = context.frame.calls.model
    codes = [at for at, name in enumerate(names.values) if same_model(context, name, model)]
    latency = context.frame.latency_ms
    timed = np.flatnonzero(np.isin(names.codes, codes) & ~np.isnan(latency))
    if len(timed) < MIN_TIMED:
        return msgspec.structs.replace(context.latency(rows), p50_after=None, mean_after=None)
    words = context.frame.calls.output_tokens.astype(np.float64)
    slope, start = line_of(words[timed], latency[timed])
    return context.latency(rows, start + slope * output_factor * words[rows])


def _quality(test: NonInferiority | None) -> Quality:
    if test is None:
        return Quality(None, None, False)
    bound = float(test.lower) if np.isfinite(test.lower) else None
    return Quality(float(test.delta), bound, test.verdict == "non_inferior")


def _range(segment: Segment, context: LeverContext, policy: SwitchModel) -> tuple[float, float]:
    """The saving's factors at the ends of the stated range of the answer's length."""
    at_one = float(context.savings(segment.rows, [policy]).sum())
    if at_one <= 0:
        return 1.0, 1.0
    long = replace(policy, output_factor=TOKEN_RANGE[1])
    short = replace(policy, output_factor=TOKEN_RANGE[0])
    return (
        float(context.savings(segment.rows, [long]).sum()) / at_one,
        float(context.savings(segment.rows, [short]).sum()) / at_one,
    )


def _evidence(
    segment: Segment,
    requests: int,
    model: str,
    test: NonInferiority | None,
    margin: float,
    factor: float | None,
    tests: int,
) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "requests": requests,
        "current": segment.model,
        "candidate": model,
        "margin": margin,
        "query": where(segment),
    }
    if test is None:
        return evidence | {"paired_items": 0, "sample_size_needed": sample_size(margin)}
    evidence |= {
        "paired_items": test.items,
        "tests_in_family": tests,
        "verdict": test.verdict,
        "better": bool(test.better),
        "delta": float(test.delta),
        "sample_size_needed": test.needed,
    }
    if factor is not None:
        evidence["output_tokens_factor"] = factor
    return evidence


def _assumptions(test: NonInferiority | None, margin: float, factor: float | None) -> list[str]:
    said: list[str] = []
    if factor is None:
        low, high = TOKEN_RANGE
        said.append(f"Answers are as long as now; the interval allows {low:g} to {high:g} times.")
    else:
        said.append(f"Answers are {factor:.2f} times as long, as in the outcomes.")
    if test is None:
        said.append(
            f"No paired outcomes: {sample_size(margin)} items answered by both models would show "
            f"whether it is at most {margin:g} worse (assuming that they disagree on a quarter)."
        )
    elif test.verdict == "underpowered":
        said.append(f"{test.items} paired items are too few; {test.needed} would do.")
    elif test.verdict == "inferior":
        said.append(f"The candidate is worse by more than {margin:g}.")
    return said
