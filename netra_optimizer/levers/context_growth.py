"""History sent again and again: what a bound on the prompt of long conversations would save."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.replay.prompt_cache import PROMPT_BUCKETS
from netra_optimizer.replay.stream import Stage, Stream
from netra_optimizer.results import Quality
from netra_optimizer.usage.columns import Int64

MIN_GROWTH: Final = 2.0
"""Late turns carry at least so many times the prompt of first turns."""
MIN_TURNS: Final = 4
MIN_BOUND: Final = 1000
"""A bound below this leaves no room for a summary."""
NEARLY_ALL: Final = 0.9
KEPT_SHARE: Final = (0.7, 1.2)
"""Range of what is saved: a summary takes room, and grows."""


@dataclass(frozen=True, eq=False)
class BoundPrompt:
    """Prompts longer than `tokens` are brought down to it, by summing up old turns."""

    rows: Int64
    tokens: int

    @property
    def stage(self) -> Stage:
        """Before the prompt cache, which sees the shorter prompt."""
        return Stage.TOKENS

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Scale the four prompt buckets of the longer ones."""
        columns = [stream.tokens(bucket) for bucket in PROMPT_BUCKETS]
        prompt = np.sum([column[at] for column in columns], axis=0)
        share = np.minimum(1.0, self.tokens / np.maximum(prompt, 1))
        for column in columns:
            column[at] = np.rint(column[at] * share).astype(np.int64)


class ContextGrowthLever:
    """Conversations whose prompts grow with every turn; what is left out may be missed."""

    id = "context_growth"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """A bound at twice the prompt of first turns, to be evaluated."""
        if context.rule(segment).keep_quality:
            return []
        turns = turn_numbers(context, segment.rows)
        late = turns >= MIN_TURNS
        if late.sum() < 20:
            return []
        prompt = context.frame.calls.input_tokens[segment.rows]
        first = float(np.median(prompt[turns == 1]))
        grown = float(np.median(prompt[late]))
        bound = int(MIN_GROWTH * first)
        if bound < MIN_BOUND or grown < bound:
            return []
        return [_proposal(segment, context, turns, bound, first, grown)]


def turn_numbers(context: LeverContext, rows: Int64) -> Int64:
    """The number of each call in its conversation, from 1; 0 outside of conversations."""
    named = ~context.frame.conversation.equals("")[rows]
    if not named.any():
        return np.broadcast_to(np.int64(0), len(rows))
    codes = context.frame.conversation.codes[rows]
    order = np.argsort(codes, kind="stable")
    begins = np.flatnonzero(np.diff(codes[order], prepend=-1))
    lengths = np.diff(np.append(begins, len(codes)))
    turns = np.empty(len(codes), np.int64)
    turns[order] = np.arange(len(codes)) - np.repeat(begins, lengths) + 1
    return np.where(named, turns, 0)


def _sent_again(context: LeverContext, rows: Int64, turns: Int64) -> dict[str, float]:
    """Tokens of turns after the first that the turn before had sent or been answered already.

    And the leading part that nearly all prompts share, told by their blocks: the system prompt and
    the definitions of tools.
    """
    calls, frame = context.frame.calls.take(rows), context.frame
    said = calls.input_tokens + calls.output_tokens
    order = np.lexsort((turns, frame.conversation.codes[rows]))
    later = np.flatnonzero(turns[order] > 1)
    history = np.minimum(calls.input_tokens[order][later], said[order][later - 1])
    standing = _standing_tokens(context, rows)
    total = max(1, int(calls.input_tokens.sum()))
    return {
        "history_tokens_sent_again": int(history.sum()),
        "history_share_of_input": float(history.sum() / total),
        "standing_tokens_of_each_prompt": standing,
        "standing_share_of_input": min(1.0, standing * len(rows) / total),
    }


def _standing_tokens(context: LeverContext, rows: Int64) -> int:
    """Tokens in the leading blocks that NEARLY_ALL prompts begin with; 0 without named blocks."""
    frame = context.frame
    counts = np.diff(frame.block_offsets)[rows]
    depth = 0
    while True:
        deep = rows[counts > depth]
        if len(deep) < NEARLY_ALL * len(rows):
            break
        names = frame.block_hashes[frame.block_offsets[deep] + depth]
        _, uses = np.unique(names, return_counts=True)
        if uses.max() < NEARLY_ALL * len(rows):
            break
        depth += 1
    return depth * int(frame.block_tokens[rows].max(initial=0))


def _proposal(
    segment: Segment,
    context: LeverContext,
    turns: Int64,
    bound: int,
    first: float,
    grown: float,
) -> Proposal:
    prompt = context.frame.calls.input_tokens[segment.rows]
    by_turn = [
        {"turn": turn, "median_prompt_tokens": float(np.median(prompt[turns == turn]))}
        for turn in range(1, 16)
        if (turns == turn).any()
    ]
    return Proposal(
        lever="context_growth",
        title=f"Sum up old turns ({segment.name})",
        segment=segment,
        policy=BoundPrompt(segment.rows, bound),
        standing="needs_evaluation",
        evidence={
            "requests": context.requests(segment.rows),
            "first_turn_prompt_tokens": first,
            "later_turns_prompt_tokens": grown,
            "bound_tokens": bound,
            "prompts_above_bound": int((prompt > bound).sum()),
            **_sent_again(context, segment.rows, turns),
            "rows": by_turn,
            "query": where(segment),
        },
        assumptions=[
            f"Prompts are held at {bound:,} tokens by summing up older turns; the interval allows "
            f"{KEPT_SHARE[0]:g} to {KEPT_SHARE[1]:g} times the saving.",
            "Whether answers stay as good is to be tested on conversations of this kind.",
        ],
        patch={"client": {"prompt_tokens_at_most": bound, "sum_up": "older turns"}},
        effort="medium",
        risk="medium: what is left out may be missed",
        rollback="Send the whole history again.",
        quality=Quality(None, None, False),
        low_factor=KEPT_SHARE[0],
        high_factor=KEPT_SHARE[1],
    )
