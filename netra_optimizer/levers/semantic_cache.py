"""A response cache by likeness: questions that mean the same get the same answer.

How alike is alike enough is measured, on pairs somebody labelled, against a budget for false hits,
hits that give the answer to another question. Without such pairs nothing is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment, Standing
from netra_optimizer.levers.embedding import Embedder, HashedWords, normalized
from netra_optimizer.levers.evidence import where
from netra_optimizer.levers.response_cache import AnswerRepeats, repeat_permitted
from netra_optimizer.results import Quality
from netra_optimizer.usage.columns import Bool, Int64

FALSE_HIT_BUDGET: Final = 0.01
CONFIDENCE: Final = 0.95
LOOK_BACK: Final = 4000
"""A question is compared with so many kept ones at most, the latest."""


@dataclass(frozen=True)
class LabelledPair:
    """Two questions, and whether one answer serves both."""

    one: str
    other: str
    same: bool


@dataclass(frozen=True)
class Calibration:
    """The likeness from which a hit is allowed, and what that rests on.

    `threshold` is None when no likeness keeps the false hits within the budget at the confidence
    asked for. `bound` is the upper bound of the share of hits that are false.
    """

    threshold: float | None
    pairs: int
    hits: int
    false_hits: int
    bound: float
    found_share: float
    """Share of the pairs that mean the same which the threshold finds."""


def calibrate(
    pairs: Sequence[LabelledPair],
    embedder: Embedder | None = None,
    *,
    budget: float = FALSE_HIT_BUDGET,
    confidence: float = CONFIDENCE,
) -> Calibration:
    """The lowest threshold whose false hits stay within the budget (Clopper and Pearson's bound).

    With no false hit, a budget of 1 % takes about 300 labelled hits to prove.
    """
    nothing = Calibration(None, len(pairs), 0, 0, 1.0, 0.0)
    if not pairs:
        return nothing
    texts = [text for pair in pairs for text in (pair.one, pair.other)]
    vectors = (embedder or HashedWords()).embed(texts)
    alike = np.einsum("ij,ij->i", vectors[::2], vectors[1::2])
    same = np.array([pair.same for pair in pairs])
    order = np.argsort(-alike, kind="stable")
    hits = np.arange(1, len(pairs) + 1)
    false = np.cumsum(~same[order])
    bound = special.betaincinv(false + 1, np.maximum(hits - false, 1e-9), confidence)
    last = np.append(alike[order][1:] < alike[order][:-1], True)
    fit = np.flatnonzero((bound <= budget) & last)
    if not len(fit):
        return nothing
    at = int(fit[-1])
    return Calibration(
        threshold=float(alike[order][at]),
        pairs=len(pairs),
        hits=int(hits[at]),
        false_hits=int(false[at]),
        bound=float(bound[at]),
        found_share=float((hits[at] - false[at]) / max(1, int(same.sum()))),
    )


def like_hits(
    texts: Sequence[str],
    start_us: Int64,
    *,
    threshold: float,
    ttl_s: float,
    embedder: Embedder | None = None,
) -> Bool:
    """Which questions find a kept answer, in order; a question that finds none is kept."""
    vectors = (embedder or HashedWords()).embed(texts)
    hits = np.zeros(len(texts), np.bool_)
    kept: list[int] = []
    for at in range(len(texts)):
        recent = [k for k in kept[-LOOK_BACK:] if start_us[at] - start_us[k] <= ttl_s * 1e6]
        if recent and float((vectors[recent] @ vectors[at]).max()) >= threshold:
            hits[at] = True
        else:
            kept.append(at)
    return hits


def normalized_hits(texts: Sequence[str], start_us: Int64, *, ttl_s: float) -> Bool:
    """Which questions are earlier ones but for case, spaces and last marks."""
    hits = np.zeros(len(texts), np.bool_)
    kept: dict[str, int] = {}
    for at, text in enumerate(texts):
        key = normalized(text)
        since = kept.get(key)
        if since is not None and start_us[at] - since <= ttl_s * 1e6:
            hits[at] = True
        else:
            kept[key] = int(start_us[at])
    return hits


class SemanticCacheLever:
    """To be registered with the texts of the questions, by record id, and labelled pairs.

    Counted only where a repeat is allowed and the pairs prove the threshold; else to be evaluated.
    """

    id = "semantic_cache"

    def __init__(
        self,
        texts: Mapping[str, str],
        pairs: Sequence[LabelledPair] = (),
        *,
        embedder: Embedder | None = None,
        budget: float = FALSE_HIT_BUDGET,
        default_threshold: float = 0.92,
    ) -> None:
        self._texts = texts
        self._embedder = embedder or HashedWords()
        self._budget = budget
        self._calibration = calibrate(pairs, self._embedder, budget=budget)
        self._default = default_threshold

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """The cache by likeness, beyond what equal questions (normalized) give."""
        rows = self._rows(segment, context)
        if len(rows) < 2:
            return []
        ids = context.frame.id
        texts = [self._texts[ids[int(row)]] for row in rows]
        start_us = context.frame.calls.start_us[rows]
        ttl_s = context.options.response_cache_ttl_s
        plain = normalized_hits(texts, start_us, ttl_s=ttl_s)
        threshold = self._calibration.threshold or self._default
        alike = like_hits(
            texts, start_us, threshold=threshold, ttl_s=ttl_s, embedder=self._embedder
        )
        found: list[Proposal] = []
        if plain.any():
            found.append(self._proposal(segment, context, rows, plain, "normalized", "countable"))
        if (alike & ~plain).any():
            proven = self._calibration.threshold is not None
            standing: Standing = "countable" if proven else "needs_evaluation"
            found.append(self._proposal(segment, context, rows, alike, "semantic", standing))
        return found

    def _rows(self, segment: Segment, context: LeverContext) -> Int64:
        """Answered calls with a text whose repeat is allowed."""
        rule = context.rule(segment)
        if rule.keep_quality or rule.repeat_allowed is False:
            return segment.rows[:0]
        ids = context.frame.id
        known: NDArray[np.bool_] = np.array(
            [ids[int(row)] in self._texts for row in segment.rows], np.bool_
        )
        known &= context.frame.status.equals("ok")[segment.rows]
        if rule.repeat_allowed is None:
            known &= repeat_permitted(context.frame.params)[segment.rows]
        return segment.rows[known]

    def _proposal(
        self,
        segment: Segment,
        context: LeverContext,
        rows: Int64,
        hits: Bool,
        kind: str,
        standing: Standing,
    ) -> Proposal:
        measured = self._calibration
        evidence: dict[str, object] = {
            "requests": len(rows),
            "hits": int(hits.sum()),
            "hit_share": float(hits.mean()),
            "ttl_s": context.options.response_cache_ttl_s,
            "query": where(segment, "status = 'ok'"),
        }
        quality = Quality(0.0, 0.0, True)
        if kind == "semantic":
            evidence |= {
                "threshold": measured.threshold or self._default,
                "labelled_pairs": measured.pairs,
                "false_hits": measured.false_hits,
                "false_hit_bound": measured.bound,
                "false_hit_budget": self._budget,
            }
            proven = standing == "countable"
            quality = Quality(None, -measured.bound if proven else None, proven)
        return Proposal(
            lever="response_cache",
            title=f"Answer {'like' if kind == 'semantic' else 'equal'} questions ({segment.name})",
            segment=segment,
            policy=AnswerRepeats(rows, rows[hits]),
            standing=standing,
            evidence=evidence,
            assumptions=[
                f"At most {100 * self._budget:g} % of hits may be false, shown on labelled pairs."
                if kind == "semantic"
                else "Case, white space and last marks do not change a question."
            ],
            patch=patches.response_cache(
                segment.model, segment.provider, ttl_s=context.options.response_cache_ttl_s
            ),
            effort="medium",
            risk="medium: a like question may want another answer"
            if kind == "semantic"
            else "low: an answer may be as old as its time to live",
            rollback="Switch the cache off; every request asks the model again.",
            quality=quality,
            variant=kind,
        )
