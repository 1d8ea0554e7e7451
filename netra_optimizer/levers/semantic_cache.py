"""A response cache by likeness: questions that mean the same get the same answer.

How alike is alike enough is measured, on pairs somebody labelled, against a budget for false hits,
hits that give the answer to another question. What is not proven to stay within it is not counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment, Standing
from netra_optimizer.levers.calibration import FALSE_HIT_BUDGET, Calibration, calibrate
from netra_optimizer.levers.embedding import Embedder, HashedWords, ModelMissing, sentence_model
from netra_optimizer.levers.evidence import where
from netra_optimizer.levers.labelled_pairs import LabelledPair, own_pairs
from netra_optimizer.levers.like_hits import (
    LIMIT,
    Distinct,
    Question,
    candidate_groups,
    kept_answers,
    numbered,
    with_neighbours,
)
from netra_optimizer.levers.response_cache import HIT_LATENCY_MS, AnswerRepeats, repeat_permitted
from netra_optimizer.results import Latency, Quality
from netra_optimizer.usage.columns import Bool, Int64

EXAMPLES: Final = 3
SHOWN: Final = 120


class SemanticCacheLever:
    """For calls whose question is known, by the record's `prompt_hash`.

    Counted only where a repeat is allowed and the labelled pairs prove the threshold; else to be
    evaluated. `pairs` replace the project's own. Without an installed model the named stand-in is
    used, and nothing is counted. The model is loaded when there is something to compare.
    """

    id = "semantic_cache"
    kind = "response_cache"
    """Allowed and excluded together with the response cache."""

    def __init__(
        self,
        questions: Mapping[str, Question],
        pairs: Sequence[LabelledPair] | None = None,
        *,
        embedder: Embedder | None = None,
        budget: float = FALSE_HIT_BUDGET,
        limit: int = LIMIT,
    ) -> None:
        self._questions = questions
        self._pairs = pairs
        self._embedder = embedder
        self._budget = budget
        self._limit = limit
        self._measured: Calibration | None = None

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """A cache by equal questions (normalized), and one by like ones, beyond exact repeats."""
        rule = context.rule(segment)
        if rule.keep_quality or rule.repeat_allowed is False:
            return []
        rows = self._rows(segment, context)
        allowed = (
            repeat_permitted(context.frame.params)[rows]
            if rule.repeat_allowed is None
            else np.ones(len(rows), np.bool_)
        )
        found = self._proposals(segment, context, rows[allowed], permitted=True)
        return found + self._proposals(segment, context, rows[~allowed], permitted=False)

    def calibration(self) -> Calibration:
        """The threshold and what it rests on; measured once."""
        if self._measured is None:
            pairs = own_pairs() if self._pairs is None else self._pairs
            self._measured = calibrate(pairs, self._model(), budget=self._budget)
        return self._measured

    def _model(self) -> Embedder:
        if self._embedder is None:
            try:
                self._embedder = sentence_model()
            except ModelMissing:
                self._embedder = HashedWords()
        return self._embedder

    def _rows(self, segment: Segment, context: LeverContext) -> Int64:
        """Answered calls whose question is known."""
        hashes = context.frame.prompt_hash
        asked = np.array([name in self._questions for name in hashes.values], np.bool_)
        rows = segment.rows
        return rows[asked[hashes.codes[rows]] & context.frame.status.equals("ok")[rows]]

    def _proposals(
        self, segment: Segment, context: LeverContext, rows: Int64, *, permitted: bool
    ) -> list[Proposal]:
        if len(rows) < 2:
            return []
        questions = self._asked(context, rows)
        exact = _hits(context, rows, _exact(context, rows))[0]
        distinct = numbered(questions)
        equal = _hits(context, rows, distinct)[0]
        found: list[Proposal] = []
        if permitted and (equal & ~exact).any():
            found.append(_normalized(segment, context, rows, equal))
        groups = candidate_groups(distinct.contexts, distinct.texts)
        if not groups:
            return found
        measured = self.calibration()
        distinct = with_neighbours(
            distinct, groups, self._model(), threshold=measured.threshold, limit=self._limit
        )
        alike, served = _hits(context, rows, distinct)
        if (alike & ~equal).any():
            countable = permitted and measured.proven
            shown = _examples(questions, alike & ~equal, served)
            found.append(
                _semantic(
                    segment,
                    context,
                    rows,
                    alike,
                    measured,
                    standing="countable" if countable else "needs_evaluation",
                    permitted=permitted,
                    own=self._pairs is None,
                    evidence={
                        "beyond_equal_questions": int((alike & ~equal).sum()),
                        "questions_not_compared": distinct.not_compared,
                        "examples": shown,
                    },
                )
            )
        return found

    def _asked(self, context: LeverContext, rows: Int64) -> list[Question]:
        """The question of each row; requests with other parameters are another context."""
        hashes, params = context.frame.prompt_hash, context.frame.params
        questions = [self._questions.get(name) for name in hashes.values]
        made: dict[tuple[int, int], Question] = {}
        asked: list[Question] = []
        codes = zip(hashes.codes[rows].tolist(), params.codes[rows].tolist(), strict=True)
        for prompt, settings in codes:
            if (prompt, settings) not in made:
                question = questions[prompt]
                assert question is not None  # rows are those with a question
                context_name = f"{question.context}/{settings}"
                made[prompt, settings] = Question(context_name, question.text)
            asked.append(made[prompt, settings])
        return asked


def _exact(context: LeverContext, rows: Int64) -> Distinct:
    hashes, params = context.frame.prompt_hash, context.frame.params
    keys = hashes.codes[rows].astype(np.int64) * len(params.values) + params.codes[rows]
    return Distinct(keys, (), {}, 0)


def _hits(context: LeverContext, rows: Int64, distinct: Distinct) -> tuple[Bool, Int64]:
    taken = np.nan_to_num(context.frame.latency_ms[rows]) * 1000
    return kept_answers(
        distinct,
        context.frame.calls.start_us[rows],
        taken.astype(np.int64),
        ttl_s=context.options.response_cache_ttl_s,
    )


def _examples(questions: Sequence[Question], hits: Bool, served: Int64) -> list[dict[str, str]]:
    """Some hits as they would be served, for people to judge."""
    shown: dict[tuple[str, str], None] = {}
    for call in np.flatnonzero(hits).tolist():
        asked, answered = questions[call].text, questions[int(served[call])].text
        shown.setdefault((asked[:SHOWN], answered[:SHOWN]))
        if len(shown) == EXAMPLES:
            break
    return [{"asked": one, "gets_the_answer_to": other} for one, other in shown]


def _normalized(segment: Segment, context: LeverContext, rows: Int64, hits: Bool) -> Proposal:
    return Proposal(
        lever="response_cache",
        title=f"Answer equal questions ({segment.name})",
        segment=segment,
        policy=AnswerRepeats(rows, rows[hits]),
        evidence=_counts(segment, context, rows, hits),
        assumptions=["Case, white space and last marks do not change a question."],
        patch=patches.question_cache(ttl_s=context.options.response_cache_ttl_s),
        effort="medium",
        risk="low: an answer may be as old as its time to live",
        rollback="Switch the cache off; every request asks the model again.",
        latency=_latency(segment, context, rows[hits]),
        variant="normalized",
    )


def _semantic(
    segment: Segment,
    context: LeverContext,
    rows: Int64,
    hits: Bool,
    measured: Calibration,
    *,
    standing: Standing,
    permitted: bool,
    own: bool,
    evidence: dict[str, Any],  # Any: rows of evidence
) -> Proposal:
    proven = standing == "countable"
    return Proposal(
        lever="response_cache",
        title=f"Answer like questions ({segment.name})",
        segment=segment,
        policy=AnswerRepeats(rows, rows[hits]),
        standing=standing,
        evidence=_counts(segment, context, rows, hits)
        | evidence
        | {
            "embedding_model": measured.embedder,
            "threshold": measured.threshold,
            "labelled_pairs": measured.pairs,
            "pairs_are": "the project's own" if own else "yours",
            "proving_pairs": measured.proving_pairs,
            "proving_hits": measured.hits,
            "false_hits": measured.false_hits,
            "false_hit_bound": measured.bound,
            "false_hit_budget": measured.budget,
            "confidence": measured.confidence,
            "pairs_needed": measured.pairs_needed,
        },
        assumptions=_assumptions(measured, permitted=permitted, own=own),
        patch=patches.question_cache(
            ttl_s=context.options.response_cache_ttl_s,
            model=measured.embedder,
            likeness=measured.threshold,
        ),
        effort="medium",
        risk="medium: a like question may want another answer",
        rollback="Switch the cache off; every request asks the model again.",
        latency=_latency(segment, context, rows[hits]) if proven else None,
        quality=Quality(None, -measured.bound if proven else None, proven),
        low_factor=1.0 - measured.bound if proven else 1.0,
        variant="semantic" if permitted else "semantic-unproven",
    )


def _assumptions(measured: Calibration, *, permitted: bool, own: bool) -> list[str]:
    whose = "the project's own labelled pairs" if own else "your labelled pairs"
    said = [
        "Only questions with the same words, numbers, names, negations and directions are compared."
    ]
    if not permitted:
        said.append(
            "The records do not say that these requests want the same answer again (temperature "
            "0): say that a repeat is allowed for this feature, and it counts."
        )
    if measured.proven:
        said.append(
            f"At most {100 * measured.bound:.2g} % of hits are false ({measured.false_hits} of "
            f"{measured.hits} on {whose}, 95 % sure; the budget is {100 * measured.budget:g} %)."
        )
        if own:
            said.append("Give pairs of your own traffic (--pairs) to prove it for your questions.")
    elif measured.embedder == HashedWords.name:
        said.append(
            "No embedding model is installed (the extra `semantic` brings one): this is likeness "
            "of wording, for evaluation only."
        )
    elif measured.pairs_needed is None:
        said.append(
            f"False hits are over the budget of {100 * measured.budget:g} % on {whose} "
            f"({measured.false_hits} of {measured.hits}); more pairs would not help."
        )
    else:
        said.append(
            f"{measured.hits} hits on {whose} do not prove the budget of "
            f"{100 * measured.budget:g} %: it takes about {measured.pairs_needed:,} pairs."
        )
    return said


def _counts(
    segment: Segment, context: LeverContext, rows: Int64, hits: Bool
) -> dict[str, Any]:  # Any: a row of evidence
    return {
        "requests": len(rows),
        "hits": int(hits.sum()),
        "hit_share": float(hits.mean()),
        "ttl_s": context.options.response_cache_ttl_s,
        "query": where(segment, "status = 'ok' AND prompt_hash != ''"),
    }


def _latency(segment: Segment, context: LeverContext, hits: Int64) -> Latency:
    known = context.frame.latency_ms[segment.rows]
    after = np.where(np.isin(segment.rows, hits), HIT_LATENCY_MS, known)
    return context.latency(segment.rows, after)
