"""Long answers and long thoughts: what shorter ones would save, where outcomes do not need them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.replay.stream import Stage, Stream
from netra_optimizer.results import Quality
from netra_optimizer.usage.columns import Float64, Int64

MIN_REASONING_SHARE: Final = 0.3
LESS_REASONING: Final = 0.5
REASONING_RANGE: Final = (0.5, 1.4)
CUT_OFF: Final = frozenset({"length", "max_tokens", "max_output_tokens"})
LONG_TAIL: Final = 3.0
"""A 95th percentile above so many medians is a tail worth a bound."""


@dataclass(frozen=True, eq=False)
class ShortenOutput:
    """Reasoning times a factor, text bounded."""

    rows: Int64
    reasoning_factor: float = 1.0
    text_bound: int | None = None

    @property
    def stage(self) -> Stage:
        """Changes tokens alone."""
        return Stage.TOKENS

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Scale and bound."""
        if self.reasoning_factor != 1.0:
            reasoning = stream.tokens("reasoning")
            reasoning[at] = np.rint(reasoning[at] * self.reasoning_factor).astype(np.int64)
        if self.text_bound is not None:
            text = stream.tokens("output_text")
            text[at] = np.minimum(text[at], self.text_bound)


class OutputTokensLever:
    """Reasoning effort and verbosity; both change answers, so both are to be evaluated."""

    id = "output_tokens"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """Less reasoning where it is a large share, a bound where the tail is long."""
        if context.rule(segment).keep_quality:
            return []
        calls = context.frame.calls
        text = calls.output_text[segment.rows]
        reasoning = calls.reasoning[segment.rows]
        total = int(text.sum() + reasoning.sum())
        found: list[Proposal] = []
        if total and reasoning.sum() / total >= MIN_REASONING_SHARE:
            found.append(_less_reasoning(segment, context, reasoning, total))
        alone = segment
        if calls.requests is not None:  # how long each of several answers was nobody knows
            alone = replace(segment, rows=segment.rows[calls.requests[segment.rows] == 1])
            text = calls.output_text[alone.rows]
        answered = text[text > 0]
        if len(answered) >= 50:
            median = float(np.median(answered, overwrite_input=True))
            tail = float(np.quantile(answered, 0.95, overwrite_input=True))
            if tail >= LONG_TAIL * median:
                found.append(_bound(alone, context, median, tail))
        return found


def score_against(values: Float64, quality: Float64) -> tuple[float, float] | None:
    """Spearman's correlation with the score, and its one-sided 95 % bound; None below 50 scores."""
    known = ~np.isnan(quality)
    count = int(known.sum())
    if count < 50:
        return None
    ranks = [np.argsort(np.argsort(v[known], kind="stable")) for v in (values, quality)]
    deviation = [float(np.std(rank)) for rank in ranks]
    if not all(deviation) or np.ptp(quality[known]) == 0:
        return None
    correlation = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    reach = float(special.ndtri(0.95)) / np.sqrt(count - 3)
    return correlation, float(np.tanh(np.arctanh(np.clip(correlation, -0.999, 0.999)) + reach))


def score_by_length(values: Float64, quality: Float64) -> list[dict[str, float]]:
    """The mean score of the shortest, middle and longest third; nothing below 50 scores."""
    known = np.flatnonzero(~np.isnan(quality))
    if len(known) < 50:
        return []
    order = known[np.argsort(values[known], kind="stable")]
    return [
        {
            "median_tokens": float(np.median(values[third])),
            "mean_score": float(quality[third].mean()),
            "scored_requests": len(third),
        }
        for third in np.array_split(order, 3)
    ]


def _cut_off_share(context: LeverContext, rows: Int64) -> float:
    """Share of answers that ended at their limit of length."""
    reasons = context.frame.finish_reason
    limited = np.array([reason in CUT_OFF for reason in reasons.values], np.bool_)
    return float(limited[reasons.codes[rows]].mean())


def _less_reasoning(
    segment: Segment, context: LeverContext, reasoning: Int64, total: int
) -> Proposal:
    quality = context.frame.quality[segment.rows]
    found = score_against(reasoning.astype(np.float64), quality)
    evidence: dict[str, object] = {
        "requests": context.requests(segment.rows),
        "reasoning_share_of_output": float(reasoning.sum() / total),
        "median_reasoning_tokens": float(np.median(reasoning)),
        "query": where(segment, "reasoning > 0"),
    }
    if found is not None:
        evidence |= {
            "correlation_with_score": found[0],
            "upper_bound": found[1],
            "score_by_reasoning": score_by_length(reasoning.astype(np.float64), quality),
        }
    return Proposal(
        lever="output_tokens",
        title=f"Think less ({segment.name})",
        segment=segment,
        policy=ShortenOutput(segment.rows, reasoning_factor=LESS_REASONING),
        standing="needs_evaluation",
        evidence=evidence,
        assumptions=[
            "One step less of reasoning effort halves the reasoning; the interval allows a saving "
            f"of {REASONING_RANGE[0]:g} to {REASONING_RANGE[1]:g} times that.",
            "Test on paired items that the score holds.",
        ],
        patch=patches.less_reasoning(segment.provider),
        effort="low",
        risk="medium: hard questions may need it",
        rollback="Raise the effort again.",
        quality=Quality(None, None, False),
        low_factor=REASONING_RANGE[0],
        high_factor=REASONING_RANGE[1],
        variant="reasoning",
    )


def _bound(segment: Segment, context: LeverContext, median: float, tail: float) -> Proposal:
    bound = int(tail)
    text = context.frame.calls.output_text[segment.rows].astype(np.float64)
    return Proposal(
        lever="output_tokens",
        title=f"Bound answers ({segment.name})",
        segment=segment,
        policy=ShortenOutput(segment.rows, text_bound=bound),
        standing="needs_evaluation",
        evidence={
            "requests": context.requests(segment.rows),
            "median_output_tokens": median,
            "p95_output_tokens": tail,
            "bound_tokens": bound,
            "cut_off_share": _cut_off_share(context, segment.rows),
            "score_by_length": score_by_length(text, context.frame.quality[segment.rows]),
            "query": where(segment, f"output_text > {bound}"),
        },
        assumptions=["Answers beyond the 95th percentile can be asked to be shorter."],
        patch={"openai": {"verbosity": "low"}, "anthropic": {"max_tokens": bound}},
        effort="low",
        risk="medium: a cut answer may be asked again",
        rollback="Lift the bound.",
        quality=Quality(None, None, False),
        variant="verbosity",
    )
