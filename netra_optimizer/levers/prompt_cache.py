"""The provider's prompt cache: reuse by prefix blocks, what to mark, how long, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.levers import patches
from netra_optimizer.levers.base import LeverContext, Proposal, Segment
from netra_optimizer.levers.evidence import where
from netra_optimizer.levers.parts import best_in_parts, conversation_shapes, input_sizes
from netra_optimizer.replay.caching_rules import AS_OF, CachingRule, Write, caching_rule
from netra_optimizer.replay.prefix import reused_tokens
from netra_optimizer.replay.prompt_cache import ALL_BLOCKS, PROMPT_BUCKETS
from netra_optimizer.replay.stream import Stage, Stream, Traffic
from netra_optimizer.usage.columns import Bool, Int64

LIFETIMES_S: Final = {"60": 60, "300": 300, "600": 600, "3600": 3600, "unlimited": 10**9}
WRITE_FACTOR: Final = 1.25
READ_FACTOR: Final = 0.1
"""Prices of a write and a read over that of input, for `input_cost_change_by_lifetime_s` alone."""
PLAIN_IS_ENOUGH: Final = 0.99
"""Share of the best option's gain at which the plain one is preferred."""
ALREADY_CACHED_GAIN: Final = 0.05
"""A segment that uses the cache is told of a better use only from this share of its cost."""


@dataclass(frozen=True, eq=False)
class UsePromptCache:
    """Cache the first `blocks` blocks of each prompt; 0 sends everything as plain input."""

    rows: Int64
    blocks: int
    lifetime_s: float
    write: Write

    @property
    def stage(self) -> Stage:
        """After everything that decides which calls are made."""
        return Stage.PROMPT_CACHE

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Ask the stream's cache plan; it is settled once for all policies."""
        plan = stream.cache_plan()
        if self.blocks:
            plan.ask(at, blocks=self.blocks, lifetime_s=self.lifetime_s, write=self.write)
        else:
            plan.forbid(at)


class PromptCacheLever:
    """Proposes the use of the cache that the replay finds cheapest, or tells what it would lose."""

    id = "prompt_cache"

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """One proposal a segment, or one for each part of unnamed calls that gains by itself."""
        whole = _proposals(segment, context)
        ways = (input_sizes, conversation_shapes)
        return best_in_parts(
            segment, context, whole, lambda part: _proposals(part, context, segment), ways
        )

    def best(
        self, segment: Segment, context: LeverContext
    ) -> tuple[UsePromptCache, dict[str, float]] | None:
        """The cheapest use of the cache, whether it gains or not, and reuse by lifetime."""
        found = _cheapest(segment, context, caching_rule(segment.provider, segment.model))
        if found is None:
            return None
        return found[0], reuse_by_lifetime(context.part(segment.rows))[0]


def _proposals(
    segment: Segment, context: LeverContext, whole: Segment | None = None
) -> list[Proposal]:
    rule = caching_rule(segment.provider, segment.model)
    found = _cheapest(segment, context, rule)
    if rule is None or found is None:
        return []
    policy, gain = found
    traffic = context.part(segment.rows)
    cost = float(traffic.cost_usd[context.choose[segment.rows]].sum())
    if traffic.calls.cache_read.any() and gain < ALREADY_CACHED_GAIN * cost:
        return []
    return [_proposal(segment, context, policy, rule, gain > 0, whole or segment)]


def _cheapest(
    segment: Segment, context: LeverContext, rule: CachingRule | None
) -> tuple[UsePromptCache, float] | None:
    """Of all uses the one that saves most where changes are chosen, with that saving."""
    if rule is None:
        return None
    traffic = context.part(segment.rows)
    billed = _billed(traffic)
    choose = context.choose[segment.rows]
    found_on, held_on = _halves(len(choose)) if context.undivided else (choose, choose)
    options = _variants(traffic, rule, segment.rows, found_on)
    if billed["cache_write_5m"] + billed["cache_write_1h"] > 0:
        options.append(UsePromptCache(segment.rows, 0, 0.0, "none"))
    if not options:
        return None
    gains: list[float] = []
    held: list[float] = []
    for option in options:
        saved = context.savings(segment.rows, [option])
        gains.append(float(saved[choose].sum()))
        held.append(float(saved[held_on].sum()))
    best = _simplest(options, gains, held)
    return options[best], gains[best]


def _halves(count: int) -> tuple[Bool, Bool]:
    """The earlier half of so many calls, and the later one."""
    earlier = np.zeros(count, np.bool_)
    earlier[: count // 2] = True
    return earlier, ~earlier


def _simplest(
    options: Sequence[UsePromptCache], gains: Sequence[float], held: Sequence[float]
) -> int:
    """The option that gains most; the plain one unless another gains clearly more.

    Plain is to mark the end of every prompt; it is also what is told when every use would lose. A
    depth must gain more than plain in `held` as well: on calls on which it was not found, where
    there are such.
    """
    best = int(np.argmax(gains))
    if gains[best] <= 0:
        return 0
    for at, option in enumerate(options):
        same_write = option.write == options[best].write
        enough = gains[at] >= PLAIN_IS_ENOUGH * gains[best]
        unproven = gains[at] > 0 and held[at] >= PLAIN_IS_ENOUGH * held[best]
        if option.blocks == ALL_BLOCKS and same_write and (enough or unproven):
            return at
    return best


def _billed(traffic: Traffic) -> dict[str, int]:
    return {bucket: int(getattr(traffic.calls, bucket).sum()) for bucket in PROMPT_BUCKETS}


def _variants(
    traffic: Traffic, rule: CachingRule, rows: Int64, found_on: Bool
) -> list[UsePromptCache]:
    """Each lifetime, over the whole prompt and over the leading part that is worth its writes.

    What is worth them is found on the calls of `found_on`.
    """
    if not len(traffic.prefix):
        return []
    lifetimes = rule.lifetimes_s.items()
    options: list[UsePromptCache] = []
    if not rule.explicit:
        return [UsePromptCache(rows, ALL_BLOCKS, life_s, write) for write, life_s in lifetimes]
    lives_us = [int(life_s * 1_000_000) for _, life_s in lifetimes]
    uses, hits_by_life = traffic.prefix.hits_by_depth(lives_us, found_on)
    for (write, lifetime_s), hits in zip(lifetimes, hits_by_life, strict=True):
        options.append(UsePromptCache(rows, ALL_BLOCKS, lifetime_s, write))
        # Of a read 0.9 of the input price is saved, of a write a quarter (5 min) or all is lost.
        lost = 0.25 if write == "5m" else 1.0
        gained = np.cumsum(0.9 * hits - lost * (uses - hits))
        best = int(np.argmax(gained)) + 1
        if gained[best - 1] > 0 and best < len(uses):
            options.append(UsePromptCache(rows, best, lifetime_s, write))
    return options


def reuse_by_lifetime(traffic: Traffic) -> tuple[dict[str, float], dict[str, float]]:
    """Share of input tokens read by lifetime, and the relative change of the input cost.

    Ideal prefix match, no minimum length; every missed block is written at 1.25 and read at 0.1 of
    the input price. Tokens outside named blocks cost what they did.
    """
    prompt = traffic.calls.input_tokens
    total = max(1, int(prompt.sum()))
    counts = np.diff(traffic.prefix.offsets).astype(np.int32)
    named = int(reused_tokens(counts, traffic.block_tokens, prompt).sum())
    shares: dict[str, float] = {}
    changes: dict[str, float] = {}
    lives_us = [seconds * 1_000_000 for seconds in LIFETIMES_S.values()]
    every = traffic.prefix.leading_within(lives_us)
    for name, leading in zip(LIFETIMES_S, every, strict=True):
        read = int(reused_tokens(leading, traffic.block_tokens, prompt).sum())
        shares[name] = read / total
        changes[name] = ((WRITE_FACTOR - 1) * (named - read) - (1 - READ_FACTOR) * read) / total
    return shares, changes


def _proposal(
    segment: Segment,
    context: LeverContext,
    policy: UsePromptCache,
    rule: CachingRule,
    gains: bool,
    whole: Segment,
) -> Proposal:
    shares, changes = reuse_by_lifetime(context.part(whole.rows))
    traffic = context.part(segment.rows)
    stream = Stream(traffic)
    policy.apply(stream, np.arange(len(traffic)))
    evidence: dict[str, Any] = {
        "requests": traffic.calls.request_count,
        "reuse_by_lifetime_s": shares,
        "input_cost_change_by_lifetime_s": changes,
        "lifetime_s": policy.lifetime_s,
        "blocks_cached": "all" if policy.blocks == ALL_BLOCKS else policy.blocks,
        "block_tokens": int(traffic.block_tokens.max(initial=0)),
        "minimum_tokens": rule.minimum,
        "billed_cache_tokens": _billed(traffic),
        "query": where(segment),
    }
    standing = "countable" if gains else "loses_money"
    return Proposal(
        lever="prompt_cache",
        title=_title(segment, policy, rule, gains),
        segment=segment,
        policy=policy,
        standing=standing,
        evidence=evidence,
        assumptions=_assumptions(policy, rule, _billed(traffic)["cache_read"]),
        patch=_patch(segment, policy, rule),
        effort="low" if rule.explicit else "medium",
        risk="none: answers stay the same",
        rollback="Remove the cache marks; the next request is plain again.",
    )


def _title(segment: Segment, policy: UsePromptCache, rule: CachingRule, gains: bool) -> str:
    name = segment.name
    if not policy.blocks:
        return f"Stop cache writes ({name})"
    if not gains:
        return f"Caching prompts would lose ({name})"
    if not rule.explicit:
        return f"Keep prompt starts stable ({name})"
    life = "1 h" if policy.write == "1h" else "5 min"
    what = "prompts" if policy.blocks == ALL_BLOCKS else "shared prompt starts"
    return f"Cache {what} for {life} ({name})"


def _assumptions(policy: UsePromptCache, rule: CachingRule, cached: int) -> list[str]:
    if not policy.blocks:
        return ["Calls without cache marks pay the plain input price for the whole prompt."]
    said = [
        f"The cache keeps a prefix {policy.lifetime_s:g} s after its last use (the provider's "
        f"rules as of {AS_OF}).",
        f"Prefixes below {rule.minimum} tokens are not cached.",
    ]
    if rule.explicit and policy.blocks == ALL_BLOCKS:
        said.append("Marks are set on the system prompt and on the last message.")
    elif rule.explicit:
        said.append(
            f"A mark is set on what prompts of this kind share, at most {policy.blocks} blocks."
        )
    else:
        said.append("The provider caches by itself and charges nothing for writes.")
        if not cached:
            said.append(
                "The records show no cached tokens at all: where their source leaves these out, "
                "this saving is on the bill already. Look there first."
            )
    return said


def _patch(segment: Segment, policy: UsePromptCache, rule: CachingRule) -> dict[str, Any]:
    if not rule.explicit:
        return patches.stable_prefix(segment.provider, segment.feature or segment.model)
    if not policy.blocks:
        return patches.no_cache_marks()
    ttl = "1h" if policy.write == "1h" else None
    whole = policy.blocks == ALL_BLOCKS
    return patches.cache_marks(segment.model, segment.provider, ttl=ttl, whole=whole)
