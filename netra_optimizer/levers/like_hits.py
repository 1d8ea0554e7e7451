"""Which questions find a kept answer: equal ones, and those alike enough.

Questions are compared only within the same context (everything of the request but the question) and
the same wording, so no time goes into pairs that could not serve each other. Work and memory are
bounded: at most `limit` distinct questions are given to the embedder, and no more than
`BLOCK` × `BLOCK` likenesses stand in memory at once.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers.embedding import MAX_CHARACTERS, Embedder, Vectors, normalized
from netra_optimizer.levers.wording import wording
from netra_optimizer.usage.columns import Bool, Int64

LIMIT: Final = 20_000
BLOCK: Final = 2_048
MAX_GROUP: Final = 4_096
"""Distinct questions of one wording beyond this many are only found equal, not alike."""


@dataclass(frozen=True)
class Question:
    """What was asked last, and a digest of all the rest of the request."""

    context: str
    text: str


@dataclass(frozen=True)
class Distinct:
    """The distinct questions of some calls, and which of them may serve which."""

    of_call: Int64
    """For each call its question's number."""
    texts: tuple[str, ...]
    neighbours: dict[int, list[int]]
    """Questions alike enough to one, itself left out; only those that have any."""
    not_compared: int
    """Questions that had a candidate, left uncompared by the limit."""
    contexts: tuple[str, ...] = ()


def distinct_questions(
    questions: Sequence[Question],
    *,
    embedder: Embedder | None = None,
    threshold: float = 1.0,
    limit: int = LIMIT,
) -> Distinct:
    """Number the questions and find like ones.

    Without an embedder no like ones are looked for.
    """
    found = numbered(questions)
    if embedder is None:
        return found
    groups = candidate_groups(found.contexts, found.texts)
    return with_neighbours(found, groups, embedder, threshold=threshold, limit=limit)


def numbered(questions: Sequence[Question]) -> Distinct:
    """Number questions that are equal but for case, spaces and last marks."""
    numbers: dict[tuple[str, str], int] = {}
    texts: list[str] = []
    of_call = np.zeros(len(questions), np.int64)
    for at, question in enumerate(questions):
        key = (question.context, normalized(question.text))
        if key not in numbers:
            numbers[key] = len(numbers)
            texts.append(question.text)
        of_call[at] = numbers[key]
    return Distinct(of_call, tuple(texts), {}, 0, tuple(context for context, _ in numbers))


def with_neighbours(
    found: Distinct,
    groups: Sequence[list[int]],
    embedder: Embedder,
    *,
    threshold: float,
    limit: int = LIMIT,
) -> Distinct:
    """The same with like questions found within the groups, as far as the limit goes."""
    taken: list[list[int]] = []
    left = limit
    for group in groups:
        if len(group) <= left:
            taken.append(group)
            left -= len(group)
    compared = sorted(number for group in taken for number in group)
    row = {number: at for at, number in enumerate(compared)}
    vectors = embedder.embed([found.texts[number] for number in compared])
    neighbours: dict[int, list[int]] = {}
    for group in taken:
        _join(group, vectors[[row[number] for number in group]], threshold, neighbours)
    not_compared = sum(map(len, groups)) - len(compared)
    return replace(found, neighbours=neighbours, not_compared=not_compared)


def candidate_groups(contexts: Sequence[str], texts: Sequence[str]) -> list[list[int]]:
    """Numbers of two questions or more that share context and wording, small groups first."""
    groups: dict[object, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        if len(text) <= MAX_CHARACTERS:
            groups[contexts[number], wording(text)].append(number)
    found = [group[:MAX_GROUP] for group in groups.values() if len(group) > 1]
    return sorted(found, key=len)


def kept_answers(
    distinct: Distinct, start_us: Int64, taken_us: Int64, *, ttl_s: float
) -> tuple[Bool, Int64]:
    """Hits among calls in order of time, and the call that answered each (-1: none).

    An answer is there once its call has ended and lives `ttl_s` from then; a hit does not renew it.
    Of several the youngest serves.
    """
    ttl_us = int(ttl_s * 1e6)
    hits = np.zeros(len(start_us), np.bool_)
    served = np.full(len(start_us), -1, np.int64)
    writer: dict[int, int] = {}
    numbers, starts = distinct.of_call.tolist(), start_us.tolist()
    ready = (start_us + taken_us).tolist()
    for call, number in enumerate(numbers):
        now = starts[call]
        best = -1
        for other in (number, *distinct.neighbours.get(number, ())):
            by = writer.get(other, -1)
            if by >= 0 and ready[by] <= now <= ready[by] + ttl_us:
                best = by if best < 0 or ready[by] > ready[best] else best
        if best >= 0:
            hits[call] = True
            served[call] = best
        elif (by := writer.get(number, -1)) < 0 or now > ready[by] + ttl_us:
            writer[number] = call
    return hits, served


def _join(
    group: list[int], vectors: Vectors, threshold: float, neighbours: dict[int, list[int]]
) -> None:
    """Note who is alike to whom, by blocked products."""
    numbers: NDArray[np.int64] = np.array(group, np.int64)
    for one in range(0, len(group), BLOCK):
        for other in range(0, len(group), BLOCK):
            product = vectors[one : one + BLOCK] @ vectors[other : other + BLOCK].T
            for a, b in zip(*np.nonzero(product >= threshold), strict=True):
                if one + a != other + b:
                    found = neighbours.setdefault(int(numbers[one + a]), [])
                    found.append(int(numbers[other + b]))
