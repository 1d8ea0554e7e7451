"""A response cache for exact repeats: the same request, asked again while the answer is kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.replay.stream import Stage, Stream
from netra_optimizer.usage.columns import Bool, Int64, Text

HIT_LATENCY_MS: Final = 5.0
_DETERMINISTIC: Final = frozenset({"embedding", "embeddings", "moderation", "rerank"})


@dataclass(frozen=True, eq=False)
class AnswerRepeats:
    """The calls at `hits` are answered from the cache; no model is asked."""

    rows: Int64
    hits: Int64
    """Rows of the frame, a part of `rows`, rising."""

    @property
    def stage(self) -> Stage:
        """First of all: what is answered here meets nothing else."""
        return Stage.RESPONSE_CACHE

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Take the hits out of the stream."""
        stream.sent[at[np.searchsorted(self.rows, self.hits)]] = False


_PIECE: Final = 1 << 19
"""Calls looked at in one go: temporary columns stay small."""


class ResponseCacheLever:
    """Exact repeats: prompt, parameters and model equal; an entry lives a time from its write."""

    id = "response_cache"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """One proposal for repeats that are allowed, one to be evaluated for the others."""
        frame, options = context.frame, context.options
        rows = segment.rows
        known = frame.prompt_hash.codes[rows] != _code_of(frame.prompt_hash, "")
        answered = known & frame.status.equals("ok")[rows]
        if not answered.any():
            return []
        allowed = context.rule(segment).repeat_allowed
        permitted = (
            (repeat_permitted(frame.params) | always_the_same(frame.operation))[rows]
            if allowed is None
            else np.full(len(rows), allowed)
        )
        proposals: list[Proposal] = []
        for mask, countable in ((answered & permitted, True), (answered & ~permitted, False)):
            if not countable and (allowed is False or context.rule(segment).keep_quality):
                continue
            taken = rows[mask]
            hits = taken[_hits(context, taken, options.response_cache_ttl_s)]
            if len(hits):
                proposals.append(_proposal(segment, context, taken, hits, countable))
        return proposals


def always_the_same(operation: Text) -> Bool:
    """Rows whose answer depends on the request alone: embeddings, moderation, reranking."""
    same = np.array([value.lower() in _DETERMINISTIC for value in operation.values], np.bool_)
    return same[operation.codes]


def repeat_permitted(params: Text) -> Bool:
    """Rows whose parameters ask for a repeatable answer: temperature 0."""
    return np.array([_repeatable(value) for value in params.values], np.bool_)[params.codes]


def _repeatable(params: str) -> bool:
    try:
        found = json.loads(params) if params else {}
    except ValueError:
        return False
    if not isinstance(found, dict):
        return False
    temperature = found.get("temperature")
    return (
        isinstance(temperature, int | float)
        and not isinstance(temperature, bool)
        and temperature == 0
    )


def _code_of(text: Text, value: str) -> int:
    return text.values.index(value) if value in text.values else -1


def _hits(context: LeverContext, rows: Int64, ttl_s: float) -> Bool:
    """Which of the rows (of one model) find the answer of an earlier one.

    An answer is there once its call has ended and lives `ttl_s` from then; a hit does not renew it.
    """
    frame = context.frame
    keys = frame.prompt_hash.codes[rows].astype(np.int64) * len(frame.params.values)
    keys += frame.params.codes[rows]
    again, group = _repeated(keys)
    del keys
    if not len(again):
        return np.zeros(len(rows), np.bool_)
    sorting = np.argsort(group, kind="stable")
    order, group = again[sorting], group[sorting]
    start_us = context.traffic.calls.start_us[rows[order]]
    taken_ms = np.nan_to_num(frame.latency_ms[rows[order]])
    hit = np.zeros(len(rows), np.bool_)
    hit[order] = _kept_answers(group, start_us, (taken_ms * 1000).astype(np.int64), ttl_s)
    return hit


def _repeated(keys: Int64) -> tuple[Int64, Int64]:
    """Where keys stand that stand there more than once, and the rank of each among those keys."""
    ordered = np.sort(keys)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if not len(twice):
        none = np.zeros(0, np.int64)
        return none, none
    places: list[Int64] = []
    ranks: list[Int64] = []
    for first in range(0, len(keys), _PIECE):
        piece = keys[first : first + _PIECE]
        rank = np.minimum(np.searchsorted(twice, piece), len(twice) - 1)
        found = np.flatnonzero(twice[rank] == piece)
        places.append(found + first)
        ranks.append(rank[found])
    return np.concatenate(places), np.concatenate(ranks)


def _kept_answers(group: Int64, start_us: Int64, taken_us: Int64, ttl_s: float) -> Bool:
    """Hits among calls sorted by (group, time): from writer to writer, all groups at once."""
    ttl_us = int(ttl_s * 1e6)
    began = start_us - start_us.min()
    width = int(began.max()) + int(taken_us.max()) + ttl_us + 1
    line = group.astype(np.int64) * width + began
    writers = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(writers[1:], len(group))
    marks = np.zeros(len(group) + 1, np.int64)
    while len(writers):
        ready = line[writers] + taken_us[writers]
        begin = np.minimum(np.maximum(np.searchsorted(line, ready), writers + 1), ends)
        expired = np.searchsorted(line, ready + ttl_us, side="right")
        stop = np.maximum(np.minimum(expired, ends), begin)
        np.add.at(marks, begin, 1)
        np.add.at(marks, stop, -1)
        going = stop < ends
        writers, ends = stop[going], ends[going]
    return np.cumsum(marks[:-1]) > 0


def _proposal(
    segment: Segment, context: LeverContext, rows: Int64, hits: Int64, countable: bool
) -> Proposal:
    frame = context.frame
    ttl_s = context.options.response_cache_ttl_s
    now = frame.latency_ms[segment.rows]
    latency = np.where(np.isin(segment.rows, hits), HIT_LATENCY_MS, now)
    name = segment.feature or segment.model
    assumptions = [f"An answer is kept {ttl_s:g} s from its writing; a hit does not renew it."]
    if not countable:
        assumptions.append(
            "The records do not say that these requests want the same answer again (temperature "
            "0): say that a repeat is allowed for this feature, and it counts."
        )
    return Proposal(
        lever="response_cache",
        title=f"Answer repeats from a cache ({name})",
        segment=segment,
        policy=AnswerRepeats(rows, hits),
        standing="countable" if countable else "needs_evaluation",
        evidence={
            "requests": len(rows),
            "hits": len(hits),
            "hit_share": len(hits) / len(rows),
            "distinct_prompts": len(np.unique(frame.prompt_hash.codes[rows])),
            "ttl_s": ttl_s,
            "query": where(segment, "prompt_hash != ''"),
        },
        assumptions=assumptions,
        patch=patches.response_cache(segment.model, segment.provider, ttl_s=ttl_s),
        effort="low",
        risk="low: an answer may be as old as its time to live",
        rollback="Switch the cache off; every request asks the model again.",
        latency=context.latency(segment.rows, latency),
        variant="" if countable else "unproven",
    )
