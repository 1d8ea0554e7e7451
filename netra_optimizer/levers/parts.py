"""Parts of calls whose feature nobody named: by caller, prompt start, size, conversation shape.

What one part of the traffic wastes can drown in the rest: a cache mark pays on long conversations
and loses on single questions. The parts are found in the columns; whether a lever holds to parts is
decided on the calls for choosing, and claimed on the rest.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.usage.columns import Bool, Float64, Int64
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import INPUT_BUCKETS
from netra_optimizer.usage.schema import USAGE_TABLE

MIN_PART: Final = 100
"""Calls a part needs to be looked at by itself."""
MIN_PART_SHARE: Final = 0.02
STEPS_AN_OCTAVE: Final = 4
VALLEY: Final = 0.5
"""Sizes part where their density falls below this share of the lower of the peaks beside it."""
LONG_CONVERSATION: Final = 5
CLEARLY_MORE: Final = 1.05
"""Parts are taken when they save so many times what one change for all calls saves."""
_MARKED_SD: Final = 4.0

Propose = Callable[[Segment], Sequence[Proposal]]
Way = Callable[[LeverContext, Segment], list[Segment]]
"""A way of parting the calls of a segment; no parts where there is nothing to part."""


def best_in_parts(
    segment: Segment,
    context: LeverContext,
    whole: Sequence[Proposal],
    propose: Propose,
    ways: Iterable[Way],
) -> list[Proposal]:
    """The proposals for the whole, or those for the parts of the way of parting that saves more.

    Only changes that count are taken for parts, and only where calls for choosing are apart from
    those of the claim: parts that were found on the claim's own calls would flatter it.
    """
    if segment.feature or context.undivided:
        return list(whole)
    best, most = list(whole), CLEARLY_MORE * sum(_saved(context, whole).values())
    for way in ways:
        found = [proposal for part in way(context, segment) for proposal in propose(part)]
        saved = _saved(context, found)
        if sum(saved.values()) > most:
            best, most = [found[at] for at in saved], sum(saved.values())
    return best


def _saved(context: LeverContext, proposals: Sequence[Proposal]) -> dict[int, float]:
    """USD by position, of those that count and save where changes are chosen."""
    saved = {
        at: context.chosen_saving(proposal.segment, proposal.policy)
        for at, proposal in enumerate(proposals)
        if proposal.standing == "countable"
    }
    return {at: usd for at, usd in saved.items() if usd > 0}


def callers(context: LeverContext, segment: Segment) -> list[Segment]:
    """Each user with MIN_PART calls, when there are two or more, or calls of others besides."""
    frame = context.frame
    users = frame.user.codes[segment.rows]
    by_user = {
        frame.user.values[code]: segment.rows[users == code]
        for code in np.flatnonzero(np.bincount(users) >= MIN_PART).tolist()
        if frame.user.values[code]
    }
    if len(by_user) > 1 or (by_user and len(next(iter(by_user.values()))) < len(users)):
        return [_part(segment, rows, "user", name, "") for name, rows in sorted(by_user.items())]
    return []


def prompt_starts(context: LeverContext, segment: Segment) -> list[Segment]:
    """Each first prompt block that MIN_PART calls share, when there are two or more."""
    frame = context.frame
    counts = np.diff(frame.block_offsets)[segment.rows]
    some = segment.rows[counts > 0]
    names, inverse, sizes = np.unique(
        frame.block_hashes[frame.block_offsets[some]], return_inverse=True, return_counts=True
    )
    usual = np.flatnonzero(sizes >= MIN_PART).tolist()
    if len(usual) < 2:
        return []
    return [
        _part(
            segment,
            some[inverse == at],
            "prompt_start",
            f"{int(names[at]):016x}",
            f"block_hashes[1] = {int(names[at])}",
        )
        for at in usual
    ]


def input_sizes(context: LeverContext, segment: Segment) -> list[Segment]:
    """Classes of input size, parted where few calls lie between many; none without such a gap."""
    tokens = context.frame.calls.take(segment.rows).input_tokens
    edges = size_edges(tokens[context.choose[segment.rows]])
    if not edges:
        return []
    column = " + ".join(INPUT_BUCKETS)
    parts: list[Segment] = []
    for low, high in zip([0, *edges], [*edges, None], strict=True):
        inside = tokens >= low
        text, condition = f"{low} tokens or more", f"({column}) >= {low}"
        if high is not None:
            inside &= tokens < high
            text = f"{low} to {high - 1} tokens" if low else f"below {high} tokens"
            condition += f" AND ({column}) < {high}"
        parts.append(_part(segment, segment.rows[inside], "input_size", text, condition))
    return parts


def size_edges(tokens: Int64) -> list[int]:
    """Token counts between classes: deep valleys of the smoothed density of log2(tokens).

    A valley counts when it lies below VALLEY of the lower peak beside it by more than chance would
    have it, and at least MIN_PART calls and MIN_PART_SHARE of all lie on either side.
    """
    known = tokens[tokens > 0]
    if len(known) < 2 * MIN_PART:
        return []
    bins = np.floor(np.log2(known) * STEPS_AN_OCTAVE).astype(np.int64)
    lowest = int(bins.min())
    density = np.convolve(np.bincount(bins - lowest), [0.25, 0.5, 0.25], mode="same")
    least = max(MIN_PART, MIN_PART_SHARE * len(known))
    return [
        int(np.ceil(2 ** ((at + lowest + 0.5) / STEPS_AN_OCTAVE)))
        for at in _valleys(density, least)
    ]


def _valleys(density: Float64, least: float) -> list[int]:
    """Positions of the deep valleys, rising; each side of each is looked at again."""
    at = _deepest(density, least)
    if at is None:
        return []
    left, right = density.copy(), density.copy()
    left[at:], right[: at + 1] = 0, 0
    return [*_valleys(left, least), at, *_valleys(right, least)]


def _deepest(density: Float64, least: float) -> int | None:
    """The middle of the lowest valley that is deep enough; None when there is none."""
    left, right = np.maximum.accumulate(density), np.maximum.accumulate(density[::-1])[::-1]
    peak = np.minimum(left, right)
    before = np.cumsum(density)
    enough = (before >= least) & (before[-1] - before >= least)
    deep = enough & (density < VALLEY * peak)
    deep &= density + _MARKED_SD * np.sqrt(density + 1) < peak
    if not deep.any():
        return None
    depth = np.where(deep, density / np.maximum(peak, 1e-12), np.inf)
    lowest = np.flatnonzero(depth == depth.min())
    return int(lowest[len(lowest) // 2])


def conversation_shapes(context: LeverContext, segment: Segment) -> list[Segment]:
    """Single calls, short conversations and long ones, where there are two or more of these."""
    calls = calls_in_conversation(context.frame, segment.rows)
    shapes = (
        ("single calls", calls <= 1, "<= 1"),
        (
            f"conversations of 2 to {LONG_CONVERSATION - 1} calls",
            (calls > 1) & (calls < LONG_CONVERSATION),
            f"BETWEEN 2 AND {LONG_CONVERSATION - 1}",
        ),
        (
            f"conversations of {LONG_CONVERSATION} or more calls",
            calls >= LONG_CONVERSATION,
            f">= {LONG_CONVERSATION}",
        ),
    )
    least = max(MIN_PART, MIN_PART_SHARE * len(segment.rows))
    parts = [
        _part(segment, segment.rows[inside], "conversation", text, _of_length(count))
        for text, inside, count in shapes
        if inside.sum() >= least
    ]
    return parts if len(parts) > 1 else []


def calls_in_conversation(frame: UsageFrame, rows: Int64) -> Int64:
    """How many of the rows are of each one's conversation; 1 where none is named."""
    codes = frame.conversation.codes[rows]
    named: Bool = ~frame.conversation.equals("")[rows]
    return np.where(named, np.bincount(codes, minlength=1)[codes], 1)


def _of_length(count: str) -> str:
    inside = (
        f"conversation IN (SELECT conversation FROM {USAGE_TABLE} WHERE "
        "tenant = {tenant:String} GROUP BY conversation HAVING count() " + count + ")"
    )
    if count == "<= 1":
        return f"(conversation = '' OR {inside})"
    return f"conversation != '' AND {inside}"


def _part(segment: Segment, rows: Int64, key: str, value: str, condition: str) -> Segment:
    scope = segment.scope | {key: value}
    return Segment(scope, rows, segment.feature, segment.model, segment.provider, condition)
