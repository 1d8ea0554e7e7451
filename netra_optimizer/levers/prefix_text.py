"""What broke a prefix, read from the texts of prompts: where, why, and what it cost.

Each prompt is compared with the last few of its conversation, the first one of a conversation with
the first ones of others. Where it leaves the one it continues before its end, what comes after,
though sent before, could not be read from a cache. A break is priced by the provider's rules
(shortest length, steps, how long entries live) at the prices of the call's day.
"""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np

from netra_optimizer.levers.prefix_causes import ADVICE, Cause, Parting, block_at, likely_cause
from netra_optimizer.levers.prompt_log import PromptText
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.caching_rules import CachingRule, caching_rule
from netra_optimizer.usage.columns import Text
from netra_optimizer.usage.frame import Calls, UsageFrame
from netra_optimizer.usage.record import TOKEN_BUCKETS

LOOK_BACK: Final = 8
BYTES_A_TOKEN: Final = 4
SAME_PROMPT: Final = 0.1
"""Below this share in common two prompts are of different kinds."""
MIN_LOST_TOKENS: Final = 16
MIN_LOST_ACROSS: Final = 64
FORK: Final = 0.5
"""Two branches of one start share less than this of what follows it."""
NEAR: Final = 40
EXAMPLES: Final = 3
_OTHER_TALK: Final = ("rewritten", "summarized", "left_out")
"""Between conversations these say no more than that another one began here."""
_SENTENCE: Final = re.compile(r"[^\n.!?;,]{1,160}(?:[\n.!?;,]+\s*|\s|$)|[^\s][^\n]{0,160}|\s+")


@dataclass
class PrefixBreaks:
    """Breaks of one cause. Money in USD: what a reader of the cache would not have paid."""

    cause: Cause
    calls: int = 0
    tokens_lost: int = 0
    """Sent before, and sent again at full price, by estimate."""
    cost_usd: float = 0.0
    earliest_token: int | None = None
    """Where in the prompt the first difference stood, at the earliest."""
    earliest_character: int | None = None
    block: str = ""
    """The block of the earliest difference, as the request names it; `text` for bare text."""
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class PrefixReport:
    """All breaks by cause, costliest first, over the compared calls."""

    calls: int
    continued: int
    """Calls that carry a whole earlier prompt on, as a cache wants it."""
    breaks: tuple[PrefixBreaks, ...]
    read: int = 0
    """Prompts that were given."""
    unpriced: int = 0
    """Breaks whose model has no price or no known rule of caching; they cost 0 here."""

    costs: tuple[tuple[Cause, float, float], ...] = ()
    """Cause, seconds and USD of each break."""

    def cost_since(self, at: float, *, without: Collection[str] = ()) -> float:
        """USD of the breaks from a time on, some causes left out."""
        return sum(usd for cause, when, usd in self.costs if when >= at and cause not in without)

    @property
    def unbroken(self) -> bool:
        """Whether nothing was lost."""
        return not any(found.tokens_lost for found in self.breaks)

    def evidence(self) -> list[dict[str, Any]]:
        """Plain rows for a report."""
        return [
            {
                "cause": found.cause,
                "calls": found.calls,
                "tokens_lost": found.tokens_lost,
                "cost_usd": found.cost_usd,
                "block": found.block,
                "first_difference_at_token": found.earliest_token,
                "first_difference_at_character": found.earliest_character,
                "advice": ADVICE[found.cause],
                "example": found.examples[0] if found.examples else None,
            }
            for found in self.breaks
        ]


@dataclass(frozen=True)
class _Break:
    prompt: PromptText
    cause: Cause
    at: int
    """Characters in common."""
    lost: int
    """Tokens that could have been read and were not, by the provider's rules."""
    sent_again: int
    """Tokens sent before and sent again, whatever the rules."""
    example: dict[str, Any]


def find_prefix_breaks(
    prompts: Iterable[PromptText],
    *,
    prices: PriceTable | None = None,
    model: str = "",
    provider: str = "",
) -> PrefixReport:
    """Compare each prompt with the last LOOK_BACK ones of its conversation, in order of time.

    `model` and `provider` stand in for prompts that name none. Without `prices` nothing is priced.
    """
    recent: dict[tuple[str, str], deque[PromptText]] = defaultdict(lambda: deque(maxlen=LOOK_BACK))
    starts: dict[tuple[str, str], deque[PromptText]] = defaultdict(lambda: deque(maxlen=LOOK_BACK))
    found: list[_Break] = []
    calls = continued = read = 0
    for prompt in sorted(prompts, key=lambda p: (p.at, p.conversation)):
        read += 1
        rule = caching_rule(prompt.provider or provider, prompt.model or model)
        within = recent[prompt.conversation, "" if prompt.conversation else prompt.feature]
        across = starts[prompt.feature, prompt.model]
        least = MIN_LOST_TOKENS if prompt.conversation else MIN_LOST_ACROSS
        broken, whole = _compare(within, prompt, rule, least)
        if not within or (broken is not None and broken.cause == "other_prompt"):
            other, _ = _compare(across, prompt, rule, MIN_LOST_ACROSS)
            if other is not None and other.cause != "other_prompt":
                broken = other
            across.append(prompt)
        if within or broken is not None:
            calls += 1
            continued += whole and broken is None
            found += [broken] if broken is not None else []
        within.append(prompt)
    costs = _costs(found, prices, model, provider)
    return PrefixReport(
        calls,
        continued,
        tuple(
            sorted(_by_cause(found, costs), key=lambda b: (-b.cost_usd, -b.tokens_lost, b.cause))
        ),
        read,
        int(np.isnan(costs).sum()) if prices is not None else 0,
        tuple(
            (one.cause, one.prompt.at, cost)
            for one, cost in zip(found, np.nan_to_num(costs).tolist(), strict=True)
        ),
    )


def usual_model(frame: UsageFrame) -> tuple[str, str]:
    """Model and provider of most calls, for texts that name none."""
    calls = frame.calls
    if not len(calls):
        return "", ""
    keys = calls.model.codes.astype(np.int64) * len(calls.provider.values) + calls.provider.codes
    model, provider = divmod(int(np.bincount(keys).argmax()), len(calls.provider.values))
    return calls.model.values[model], calls.provider.values[provider]


def shared_length(one: str, other: str) -> int:
    """Characters in common from the start; by halving, so that long texts are quick."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _compare(
    earlier: Sequence[PromptText], prompt: PromptText, rule: CachingRule | None, least: int
) -> tuple[_Break | None, bool]:
    """The break of one call, if any, and whether it carries an earlier prompt on."""
    if not earlier:
        return None, False
    shares = [shared_length(before.text, prompt.text) for before in earlier]
    whole = _whole(earlier, shares)
    broken = [
        at
        for at, before in enumerate(earlier)
        if _tokens(before, len(before.text) - shares[at]) >= MIN_LOST_TOKENS
        and (whole is None or shares[at] >= shares[whole])
    ]
    again, at = max(
        ((_again(earlier[at], prompt, shares[at]), at) for at in broken), default=(0, 0)
    )
    last, shared = earlier[at], shares[at]
    if whole is not None:
        rest = min(len(last.text), len(prompt.text)) - shared
        if _tokens(prompt, again) < MIN_LOST_ACROSS or again < rest * FORK:
            return _expired(earlier[whole], prompt, shares[whole], rule), True
    elif shared + again < SAME_PROMPT * max(1, min(len(last.text), len(prompt.text))):
        return _Break(prompt, "other_prompt", shared, 0, 0, _example(last, prompt, shared)), False
    if min(_tokens(prompt, again), again // BYTES_A_TOKEN) < least:
        return None, True
    cause = likely_cause(Parting.of(last, prompt, shared))
    if last.conversation != prompt.conversation and cause in _OTHER_TALK:
        cause = "variable_first"
    lost = _readable(last, prompt, shared, again, rule)
    example = _example(last, prompt, shared)
    return _Break(prompt, cause, shared, lost, _tokens(prompt, again), example), False


def _whole(earlier: Sequence[PromptText], shares: Sequence[int]) -> int | None:
    """The longest earlier prompt that is carried on as it was, but for its last few marks."""
    kept = [
        (len(before.text), at)
        for at, before in enumerate(earlier)
        if _tokens(before, len(before.text) - shares[at]) < MIN_LOST_TOKENS
    ]
    return max(kept)[1] if kept else None


def _again(last: PromptText, prompt: PromptText, shared: int) -> int:
    """Characters after the first difference that were sent before."""
    return _common(_pieces(last.text[shared:]), _pieces(prompt.text[shared:]))


def _expired(
    last: PromptText, prompt: PromptText, shared: int, rule: CachingRule | None
) -> _Break | None:
    """A prompt carried on whole, but so late that the cache had forgotten it."""
    if rule is None or prompt.at - last.at <= _lifetime(rule, last):
        return None
    could = _cut(_tokens(prompt, shared), rule) - prompt.cached
    if could < MIN_LOST_TOKENS:
        return None
    return _Break(prompt, "expired", shared, could, could, _example(last, prompt, shared))


def _readable(
    last: PromptText, prompt: PromptText, shared: int, again: int, rule: CachingRule | None
) -> int:
    """Tokens that a cache would have read, had the break not been; 0 once the entry had died."""
    if rule is None or prompt.at - last.at > _lifetime(rule, last):
        return 0
    could = _cut(_tokens(prompt, shared + again), rule)
    did = max(prompt.cached, _cut(_tokens(prompt, shared), rule))
    return max(0, could - did)


def _lifetime(rule: CachingRule, last: PromptText) -> float:
    if last.written_1h and "1h" in rule.lifetimes_s:
        return rule.lifetimes_s["1h"]
    return min(rule.lifetimes_s.values())


def _cut(tokens: int, rule: CachingRule) -> int:
    return 0 if tokens < rule.minimum else tokens // rule.step * rule.step


def _tokens(prompt: PromptText, characters: int) -> int:
    """Tokens of so many characters: by the call's own count, else four bytes each."""
    if characters <= 0:
        return 0
    if prompt.input_tokens and prompt.text:
        return int(characters * prompt.input_tokens / len(prompt.text))
    size = (
        len(prompt.text) if prompt.text.isascii() else len(prompt.text.encode("utf-8", "replace"))
    )
    return int(characters * size / max(1, len(prompt.text)) / BYTES_A_TOKEN)


@lru_cache(maxsize=64)
def _pieces(text: str) -> Counter[str]:
    """The text's sentences and lines, blanks aside, by how often they come."""
    return Counter(piece for found in _SENTENCE.findall(text) if (piece := found.strip()))


def _common(one: Counter[str], other: Counter[str]) -> int:
    """Characters in pieces that both texts hold."""
    return sum(len(piece) + 1 for piece in (one & other).elements())


def _example(last: PromptText, prompt: PromptText, shared: int) -> dict[str, Any]:
    block, inside = block_at(prompt, shared)
    before, now = (t[max(0, shared - NEAR) : shared + NEAR] for t in (last.text, prompt.text))
    return {
        "at_character": shared,
        "at_token": _tokens(prompt, shared),
        "block": block,
        "at_character_of_block": inside,
        "conversation": prompt.conversation,
        "before": before,
        "now": now,
    }


def _by_cause(found: Sequence[_Break], costs: np.ndarray) -> list[PrefixBreaks]:
    causes: dict[Cause, PrefixBreaks] = {}
    for one, cost in zip(found, np.nan_to_num(costs).tolist(), strict=True):
        breaks = causes.setdefault(one.cause, PrefixBreaks(one.cause))
        breaks.calls += 1
        breaks.tokens_lost += one.sent_again
        breaks.cost_usd += cost
        if breaks.earliest_character is None or one.at < breaks.earliest_character:
            breaks.earliest_character = one.at
            breaks.earliest_token = one.example["at_token"]
            breaks.block = one.example["block"]
        if len(breaks.examples) < EXAMPLES:
            breaks.examples.append(one.example)
    return list(causes.values())


def _costs(
    found: Sequence[_Break], prices: PriceTable | None, model: str, provider: str
) -> np.ndarray:
    """USD of each break: the price of input, or of a write where that was billed, less a read."""
    if prices is None or not found:
        return np.zeros(len(found))
    prompts = [one.prompt for one in found]
    buckets = {bucket: np.zeros(len(found), np.int64) for bucket in TOKEN_BUCKETS}
    buckets["input_uncached"] = np.array(
        [p.input_tokens or _tokens(p, len(p.text)) for p in prompts], np.int64
    )
    calls = Calls(
        provider=Text.of([p.provider or provider for p in prompts]),
        model=Text.of([p.model or model for p in prompts]),
        tier=Text.full(len(found), "standard"),
        start_us=np.array([int(p.at * 1e6) for p in prompts], np.int64),
        **buckets,
    )
    rates = prices.rates(calls)
    paid = np.where([p.written_5m > 0 for p in prompts], rates.cache_write_5m, rates.input_uncached)
    paid = np.where([p.written_1h > 0 for p in prompts], rates.cache_write_1h, paid)
    lost = np.array([one.lost for one in found], np.int64)
    ruled = [caching_rule(p.provider or provider, p.model or model) is not None for p in prompts]
    return np.where(ruled, lost * (paid - rates.cache_read), np.nan)
