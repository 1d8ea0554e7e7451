"""An audit of every use of prompt caching: what it gains, what it loses, what it could gain."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
import numpy as np

from netra_optimizer.levers.base import LeverContext, Segment
from netra_optimizer.levers.prefix_text import find_prefix_breaks, usual_model
from netra_optimizer.levers.prompt_cache import PromptCacheLever, UsePromptCache
from netra_optimizer.levers.prompt_log import PromptText
from netra_optimizer.levers.segments import find_segments
from netra_optimizer.options import AnalysisOptions
from netra_optimizer.period import iso_time
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.caching_rules import caching_rule
from netra_optimizer.replay.prefix import NEVER, reused_tokens
from netra_optimizer.replay.stream import Traffic
from netra_optimizer.results import Interval
from netra_optimizer.usage.columns import Float64, Int64
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.verify.bootstrap import Blocks

CacheState = Literal["works", "loses", "could_gain", "unused", "too_short", "none", "unknown"]
WORTH_SHARE: Final = 0.01
"""A better use is worth a word from this share of the segment's cost."""


class PrefixBreaks(msgspec.Struct, frozen=True, kw_only=True):
    """Why prompts that could have been read from the cache were not, in prompt tokens.

    `expired`: the same prefix had been sent before, but too long ago. `from_the_start`: calls of a
    feature whose first block was never seen before (something that changes stands at the very
    beginning, a time stamp or an id). `rewritten`: turns of a conversation whose history is not
    the beginning of the next.
    """

    expired_tokens: int
    expired_usd: float
    from_the_start_requests: int
    from_the_start_tokens: int
    rewritten_requests: int
    rewritten_tokens: int


class CachingUse(msgspec.Struct, frozen=True, kw_only=True):
    """Prompt caching of one feature on one model. Shares of input tokens; money of the period.

    `hit_share`: read over read and written. `money_usd`: what caching saved against plain input,
    negative when it lost. `could_gain_usd`: what the best use found by replay would save on top of
    what is billed now. `written_never_read_tokens`: None where prefixes are not known.
    """

    feature: str
    model: str
    provider: str
    requests: int
    input_tokens: int
    read_tokens: int
    written_5m_tokens: int
    written_1h_tokens: int
    read_share: float
    hit_share: float | None
    written_never_read_tokens: int | None
    cost_usd: float
    money_usd: float
    could_gain_usd: Interval | None
    reuse_by_lifetime_s: dict[str, float]
    state: CacheState
    finding: str
    advice: str
    breaks: PrefixBreaks | None


class CachingAudit(msgspec.Struct, frozen=True, kw_only=True):
    """Every use of prompt caching, dearest segment first, and their sums over the period."""

    uses: list[CachingUse]
    requests: int
    input_tokens: int
    read_tokens: int
    money_usd: float
    lost_usd: float
    could_gain_usd: float
    first: str | None
    last: str | None
    notes: list[str]
    prefix_breaks: list[dict[str, Any]] = []  # Any: rows of PrefixReport.evidence
    """What broke prefixes, by cause, where the full texts were given."""


def audit_caching(
    frame: UsageFrame,
    prices: PriceTable,
    *,
    options: AnalysisOptions | None = None,
    prompts: Iterable[PromptText] | None = None,
) -> CachingAudit:
    """Look at each feature and model: how prompts are cached now, and how they could be.

    `prompts` are the full texts where the source has them: what broke their prefixes is then said.
    """
    options = options or AnalysisOptions()
    if np.isnan(frame.cost_usd).all():
        frame = frame.priced(prices)
    everything = np.ones(len(frame), np.bool_)
    context = LeverContext(frame, Traffic.of(frame), prices, options, None, everything, everything)
    blocks = Blocks.of(frame)
    segments = find_segments(frame, limit=options.max_segments)
    uses = [_use(context, segment, blocks) for segment in segments]
    start = frame.calls.start_us
    notes: list[str] = []
    if len(frame) and not len(frame.block_hashes):
        notes.append(
            "The records name no prompt prefixes, so what caching could gain is not known. Full "
            "request logs (the messages, or their hashes by block) would tell."
        )
    breaks: list[dict[str, Any]] = []  # Any: rows of PrefixReport.evidence
    if prompts is not None:
        model, provider = usual_model(frame)
        report = find_prefix_breaks(prompts, prices=prices, model=model, provider=provider)
        breaks = report.evidence()
    return CachingAudit(
        prefix_breaks=breaks,
        uses=uses,
        requests=frame.calls.request_count,
        input_tokens=sum(use.input_tokens for use in uses),
        read_tokens=sum(use.read_tokens for use in uses),
        money_usd=sum(use.money_usd for use in uses),
        lost_usd=-sum(min(0.0, use.money_usd) for use in uses),
        could_gain_usd=sum(use.could_gain_usd.expected for use in uses if use.could_gain_usd),
        first=iso_time(int(start[0])) if len(start) else None,
        last=iso_time(int(start[-1])) if len(start) else None,
        notes=notes,
    )


def _use(context: LeverContext, segment: Segment, blocks: Blocks) -> CachingUse:
    traffic = context.part(segment.rows)
    calls = traffic.calls
    read = int(calls.cache_read.sum())
    five, hour = int(calls.cache_write_5m.sum()), int(calls.cache_write_1h.sum())
    prompt = int(calls.input_tokens.sum())
    money = _money(context, traffic)
    gain, policy, shares = _potential(context, segment, blocks)
    cost = float(traffic.cost_usd.sum())
    state = _state(context, segment, traffic, money, gain, cost)
    finding, advice = _words(state, policy, read, five + hour, money, gain)
    return CachingUse(
        feature=segment.feature,
        model=segment.model,
        provider=segment.provider,
        requests=calls.request_count,
        input_tokens=prompt,
        read_tokens=read,
        written_5m_tokens=five,
        written_1h_tokens=hour,
        read_share=read / prompt if prompt else 0.0,
        hit_share=read / (read + five + hour) if read + five + hour else None,
        written_never_read_tokens=_never_read(traffic),
        cost_usd=cost,
        money_usd=money,
        could_gain_usd=gain,
        reuse_by_lifetime_s=shares,
        state=state,
        finding=finding,
        advice=advice,
        breaks=_breaks(context, segment, traffic),
    )


def _money(context: LeverContext, traffic: Traffic) -> float:
    """What the billed use of the cache saved against sending everything plain."""
    rates = context.prices.rates(traffic.calls)
    calls = traffic.calls
    saved: Float64 = calls.cache_read * (rates.input_uncached - rates.cache_read)
    saved = saved + calls.cache_write_5m * (rates.input_uncached - rates.cache_write_5m)
    saved = saved + calls.cache_write_1h * (rates.input_uncached - rates.cache_write_1h)
    return float(np.nansum(saved))


def _potential(
    context: LeverContext, segment: Segment, blocks: Blocks
) -> tuple[Interval | None, UsePromptCache | None, dict[str, float]]:
    """The best use by replay with its gain over what is billed, and reuse by lifetime."""
    found = PromptCacheLever().best(segment, context)
    if found is None:
        return None, None, {}
    policy, shares = found
    saved = context.savings(segment.rows, [policy])
    return blocks.interval(segment.rows, saved), policy, shares


def _never_read(traffic: Traffic) -> int | None:
    """Billed writes that no later call used within the write's lifetime, by prefix blocks."""
    calls = traffic.calls
    written = calls.cache_write_5m + calls.cache_write_1h
    if not written.any():
        return 0
    if not len(traffic.prefix):
        return int(written.sum()) if not calls.cache_read.any() else None
    life_us = np.where(calls.cache_write_1h > 0, 3_600_000_000, 300_000_000)
    reread = traffic.prefix.leading(traffic.prefix.used_again(life_us))
    kept = reused_tokens(reread, traffic.block_tokens, calls.input_tokens)
    begun = calls.cache_read
    unread = np.maximum(written - np.maximum(kept - begun, 0), 0)
    return int(unread.sum())


def _breaks(context: LeverContext, segment: Segment, traffic: Traffic) -> PrefixBreaks | None:
    prefix = traffic.prefix
    if not len(prefix):
        return None
    rule = caching_rule(segment.provider, segment.model)
    life_s = max(rule.lifetimes_s.values()) if rule else 300.0
    prompt = traffic.calls.input_tokens
    ever, alive = prefix.leading_within([NEVER - 1, int(life_s * 1e6)])
    expired = reused_tokens(ever, traffic.block_tokens, prompt)
    expired = expired - reused_tokens(alive, traffic.block_tokens, prompt)
    rates = context.prices.rates(traffic.calls)
    lost = np.nansum(expired * (rates.input_uncached - rates.cache_read))
    long_enough = prompt >= (rule.minimum if rule else 1024)
    fresh = long_enough & (ever == 0) & (np.diff(prefix.offsets) > 0)
    turns, tokens = _rewritten(context, segment.rows, traffic)
    return PrefixBreaks(
        expired_tokens=int(expired.sum()),
        expired_usd=float(lost),
        from_the_start_requests=traffic.calls.requests_of(fresh),
        from_the_start_tokens=int(prompt[fresh].sum()),
        rewritten_requests=turns,
        rewritten_tokens=tokens,
    )


def _rewritten(context: LeverContext, rows: Int64, traffic: Traffic) -> tuple[int, int]:
    """Turns that share less than half of the last turn's whole blocks, and the tokens of those."""
    names = context.frame.conversation
    codes = names.codes[rows]
    named = ~names.equals("")[rows]
    at = np.flatnonzero(named)
    at = at[np.argsort(codes[at], kind="stable")]
    follows = np.flatnonzero(codes[at][1:] == codes[at][:-1])
    count = tokens = 0
    for pair in follows[:50_000].tolist():
        one, two = int(at[pair]), int(at[pair + 1])
        before = context.frame.blocks(int(rows[one]))[:-1]
        after = context.frame.blocks(int(rows[two]))[: len(before)]
        if len(before) < 2:
            continue
        short = min(len(before), len(after))
        differs = np.flatnonzero(before[:short] != after[:short])
        shared = int(differs[0]) if len(differs) else short
        if shared < len(before) / 2:
            count += 1
            tokens += (len(before) - shared) * int(traffic.block_tokens[two])
    return count, tokens


def _state(
    context: LeverContext,
    segment: Segment,
    traffic: Traffic,
    money: float,
    gain: Interval | None,
    cost: float,
) -> CacheState:
    calls = traffic.calls
    used = bool((calls.cache_read + calls.cache_write_5m + calls.cache_write_1h).any())
    rule = caching_rule(segment.provider, segment.model)
    better = gain is not None and gain.low > 0 and gain.expected >= WORTH_SHARE * cost
    if used and money < 0:
        return "loses"
    if better:
        return "could_gain"
    if used:
        return "works"
    if rule is None:
        return "none"
    if int(np.median(calls.input_tokens)) < rule.minimum:
        return "too_short"
    return "unknown" if gain is None else "unused"


def _words(
    state: CacheState,
    policy: UsePromptCache | None,
    read: int,
    written: int,
    money: float,
    gain: Interval | None,
) -> tuple[str, str]:
    more = f" {_use_of(policy)} would save ${gain.expected:,.2f} more." if gain and policy else ""
    match state:
        case "works":
            return f"Caching works: it saved ${money:,.2f}.", "Keep it as it is."
        case "loses":
            return (
                f"Caching lost ${-money:,.2f}: {written:,} tokens written, {read:,} read.",
                f"Change it:{more}" if more else "Remove the cache marks.",
            )
        case "could_gain":
            return f"Prompts are sent again and again.{more}", _use_of(policy)
        case "unused":
            return "No use of caching would gain money here.", "Leave it."
        case "too_short":
            return "Prompts are shorter than what this model caches.", "Leave it."
        case "none":
            return "This model's provider is not known to cache prompts.", "Leave it."
        case "unknown":
            return (
                "Whether caching would gain is not known: the records name no prompt prefixes.",
                "Import request logs with messages, or with hashes of prefix blocks.",
            )


def _use_of(policy: UsePromptCache | None) -> str:
    if policy is None:
        return ""
    if not policy.blocks:
        return "No marks at all"
    what = "the whole prompt" if policy.blocks > 10**9 else f"the first {policy.blocks} blocks"
    match policy.write:
        case "5m":
            return f"Marking {what} for 5 minutes"
        case "1h":
            return f"Marking {what} for 1 hour"
        case "none":
            return "Keeping prefixes stable for the automatic cache"
