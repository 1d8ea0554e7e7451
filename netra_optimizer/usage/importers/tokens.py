"""Disjoint token counts out of the usage objects of providers.

| shape | cached tokens | reasoning |
|---|---|---|
| OpenAI, Groq, Mistral, OpenRouter, DeepSeek | inside the prompt | inside the completion |
| xAI, Gemini's OpenAI door | inside the prompt | beside the completion (the total tells) |
| Anthropic | beside input_tokens | inside output_tokens |
| Bedrock Converse | beside inputTokens | inside outputTokens |
| Gemini | inside promptTokenCount | beside candidatesTokenCount |
| LiteLLM | inside prompt_tokens, for every provider | inside completion_tokens |
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from netra_optimizer.usage.importers.base import NO_TOKENS, RowRefused
from netra_optimizer.usage.importers.values import count, first, has_count, mapping

Usage = Mapping[str, Any]
"""A usage object as a provider sent it."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """The ten disjoint buckets of one call."""

    input_uncached: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output_text: int = 0
    reasoning: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image_in: int = 0
    image_out: int = 0

    @property
    def input_tokens(self) -> int:
        """All input."""
        return (
            self.input_uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h
            + self.audio_in + self.image_in
        )  # fmt: skip

    @property
    def output_tokens(self) -> int:
        """All output."""
        return self.output_text + self.reasoning + self.audio_out + self.image_out


NOTHING: Final = Tokens()


def tokens_of(usage: Usage) -> Tokens:
    """Read a usage object of any provider by its own keys. Raises RowRefused without counts."""
    if not usage:
        raise RowRefused(NO_TOKENS)
    if _has(usage, *_GEMINI_KEYS):
        return gemini_tokens(usage)
    if _has(usage, "inputTokens", "outputTokens"):
        return converse_tokens(usage)
    if _has(usage, "prompt_eval_count", "eval_count"):
        return whole_tokens(usage.get("prompt_eval_count"), usage.get("eval_count"))
    if _has(usage, "prompt_tokens", "completion_tokens"):
        return inclusive_tokens(usage)
    if any(key in usage for key in _ANTHROPIC_KEYS):
        return anthropic_tokens(usage)
    if _has(usage, "input_tokens", "output_tokens"):
        return inclusive_tokens(usage)
    billed = mapping(usage.get("billed_units") or usage.get("tokens"))
    if _has(billed, "input_tokens", "output_tokens"):
        return whole_tokens(billed.get("input_tokens"), billed.get("output_tokens"))
    if _has(usage, "total_tokens"):
        return whole_tokens(usage.get("total_tokens"), 0)
    raise RowRefused(NO_TOKENS)


def whole_tokens(inputs: object, outputs: object) -> Tokens:
    """Counts of which nothing more is known."""
    return Tokens(input_uncached=count(inputs), output_text=count(outputs))


def inclusive_tokens(usage: Usage, *, exclusive_if_larger: bool = True) -> Tokens:
    """OpenAI's convention: the prompt includes cached tokens, the completion includes reasoning.

    Where the parts do not fit into the prompt, the source counts them beside it; a total that is
    given decides.
    """
    prompt = count(first(usage, ("prompt_tokens", "input_tokens")))
    completion = count(first(usage, ("completion_tokens", "output_tokens")))
    inside = mapping(
        first(usage, ("prompt_tokens_details", "input_tokens_details", "input_token_details"))
    )
    outside = mapping(
        first(usage, ("completion_tokens_details", "output_tokens_details", "output_token_details"))
    )
    read = count(_cached(usage, inside))
    write_5m, write_1h = cache_writes(usage, inside)
    total = count(usage.get("total_tokens"))
    reasoning = count(
        first(outside, ("reasoning_tokens", "reasoning", "thinking_tokens"))
        or usage.get("reasoning_tokens")
    )
    cached = read + write_5m + write_1h
    if reasoning and (
        total == prompt + completion + reasoning or (not total and reasoning > completion)
    ):
        completion += reasoning
    if (
        exclusive_if_larger
        and cached
        and (total == prompt + cached + completion or (not total and cached > prompt))
    ):
        prompt += cached
    left = Dividing(prompt)
    kept = {
        "cache_read": left.take(read),
        "cache_write_5m": left.take(write_5m),
        "cache_write_1h": left.take(write_1h),
        "audio_in": left.take(count(first(inside, ("audio_tokens", "audio")))),
        "image_in": left.take(count(first(inside, ("image_tokens", "image")))),
        "input_uncached": left.rest,
    }
    right = Dividing(completion)
    kept |= {
        "reasoning": right.take(reasoning),
        "audio_out": right.take(count(first(outside, ("audio_tokens", "audio")))),
        "image_out": right.take(count(first(outside, ("image_tokens", "image")))),
        "output_text": right.rest,
    }
    return Tokens(**kept)


def anthropic_tokens(usage: Usage) -> Tokens:
    """Anthropic's convention: input_tokens is what was neither read from nor written to a cache."""
    write_5m, write_1h = cache_writes(usage, {})
    details = mapping(usage.get("output_tokens_details"))
    output = Dividing(count(usage.get("output_tokens")))
    reasoning = output.take(count(first(details, ("thinking_tokens", "reasoning_tokens"))))
    return Tokens(
        input_uncached=count(first(usage, ("input_tokens", "uncached_input_tokens"))),
        cache_read=count(usage.get("cache_read_input_tokens")),
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        reasoning=reasoning,
        output_text=output.rest,
    )


def converse_tokens(usage: Usage) -> Tokens:
    """Bedrock Converse: cache tokens beside inputTokens."""
    details = usage.get("cacheDetails")
    one_hour = 0
    if isinstance(details, list):
        one_hour = sum(
            count(mapping(part).get("inputTokens"))
            for part in details
            if str(mapping(part).get("ttl", "")).lower() == "1h"
        )
    writes = Dividing(count(first(usage, ("cacheWriteInputTokens", "cacheWriteInputTokenCount"))))
    return Tokens(
        input_uncached=count(usage.get("inputTokens")),
        cache_read=count(first(usage, ("cacheReadInputTokens", "cacheReadInputTokenCount"))),
        cache_write_1h=writes.take(one_hour),
        cache_write_5m=writes.rest,
        output_text=count(usage.get("outputTokens")),
    )


def gemini_tokens(usage: Usage) -> Tokens:
    """Gemini: the prompt includes cached tokens, candidates exclude thoughts."""

    def value(camel: str, snake: str) -> int:
        return count(first(usage, (camel, snake)))

    prompt = value("promptTokenCount", "prompt_token_count") + value(
        "toolUsePromptTokenCount", "tool_use_prompt_token_count"
    )
    thoughts = value("thoughtsTokenCount", "thoughts_token_count")
    answer = value("candidatesTokenCount", "candidates_token_count") or value(
        "responseTokenCount", "response_token_count"
    )
    cached = value("cachedContentTokenCount", "cached_content_token_count")
    inside = _modalities(first(usage, ("promptTokensDetails", "prompt_tokens_details")))
    warm = _modalities(first(usage, ("cacheTokensDetails", "cache_tokens_details")))
    outside = _modalities(first(usage, ("candidatesTokensDetails", "candidates_tokens_details")))
    left, right = Dividing(prompt), Dividing(answer)
    return Tokens(
        cache_read=left.take(cached),
        audio_in=left.take(inside.get("AUDIO", 0) - warm.get("AUDIO", 0)),
        image_in=left.take(inside.get("IMAGE", 0) - warm.get("IMAGE", 0)),
        input_uncached=left.rest,
        audio_out=right.take(outside.get("AUDIO", 0)),
        image_out=right.take(outside.get("IMAGE", 0)),
        output_text=right.rest,
        reasoning=thoughts,
    )


def cache_writes(usage: Usage, details: Usage) -> tuple[int, int]:
    """Tokens written for five minutes and for an hour, in either spelling of the split."""
    split = mapping(
        first(usage, ("cache_creation", "cache_creation_token_details"))
        or first(details, ("cache_creation", "cache_creation_token_details"))
    )
    five = first(split, ("ephemeral_5m_input_tokens", "ephemeral_5m_tokens"))
    hour = first(split, ("ephemeral_1h_input_tokens", "ephemeral_1h_tokens"))
    if five is None:
        five = first(
            usage,
            (
                "cache_creation_5m_input_tokens",
                "cache_write_5m_tokens",
                "cache_creation.ephemeral_5m_input_tokens",
                "ephemeral_5m_input_tokens",
            ),
        )
    if hour is None:
        hour = first(
            usage,
            (
                "cache_creation_1h_input_tokens",
                "cache_write_1h_tokens",
                "cache_creation.ephemeral_1h_input_tokens",
                "ephemeral_1h_input_tokens",
            ),
        )
    total = _most(count(first(usage, _WRITE_KEYS)), count(first(details, _WRITE_KEYS)))
    hour_count = count(hour)
    return max(total - hour_count, count(five)), hour_count


def has_tokens(usage: Usage) -> bool:
    """Whether the object holds counts at all."""
    try:
        tokens_of(usage)
    except RowRefused as refused:
        return refused.reason != NO_TOKENS
    return True


_GEMINI_KEYS: Final = (
    "promptTokenCount", "prompt_token_count", "candidatesTokenCount", "candidates_token_count",
    "totalTokenCount", "total_token_count",
)  # fmt: skip
_ANTHROPIC_KEYS: Final = (
    "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation",
    "uncached_input_tokens",
)  # fmt: skip
_WRITE_KEYS: Final = (
    "cache_creation_input_tokens", "cache_creation_tokens", "cache_write_tokens",
    "cache_write_input_tokens",
)  # fmt: skip
_READ_KEYS: Final = (
    "cached_tokens", "cache_read_tokens", "cache_read_input_tokens", "cache_read",
    "input_cached_tokens", "cached_input_tokens",
)  # fmt: skip


def _cached(usage: Usage, details: Usage) -> object:
    inside, beside = first(details, _READ_KEYS), first(usage, _READ_KEYS)
    found = max((value for value in (inside, beside) if type(value) is int), default=None)
    if found is not None:
        return found
    return first(usage, ("prompt_cache_hit_tokens", "num_cached_tokens")) or inside or beside


def _has(usage: Usage, *keys: str) -> bool:
    return any(has_count(usage.get(key)) for key in keys)


def _most(*values: int) -> int:
    return max(values)


def _modalities(details: object) -> dict[str, int]:
    if not isinstance(details, list):
        return {}
    found: dict[str, int] = {}
    for part in map(mapping, details):
        name = str(part.get("modality", "")).upper()
        tokens = count(first(part, ("tokenCount", "token_count")))
        found[name] = found.get(name, 0) + tokens
    return found


class Dividing:
    """A total being divided: no part takes more than is left, so the parts sum to it."""

    def __init__(self, total: int) -> None:
        self.rest = total

    def take(self, wanted: int) -> int:
        """As much of `wanted` as is left."""
        taken = min(max(wanted, 0), self.rest)
        self.rest -= taken
        return taken
