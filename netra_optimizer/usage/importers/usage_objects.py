"""A usage object of any provider: whose it is, by its keys, and so which convention counts it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from netra_optimizer.usage.importers.base import NO_TOKENS, RowRefused
from netra_optimizer.usage.importers.conventions import (
    ANTHROPIC_READ,
    ANTHROPIC_WRITE,
    OUTSIDE,
    Usage,
    anthropic_tokens,
    cache_reads,
    cache_writes,
    gemini_tokens,
    inclusive_tokens,
    whole_tokens,
)
from netra_optimizer.usage.importers.tokens import Tokens
from netra_optimizer.usage.importers.values import count, first, has_count, mapping

_GEMINI: Final = (
    "prompt_token_count", "candidates_token_count", "response_token_count", "total_token_count",
    "total_input_tokens", "total_output_tokens",
)  # fmt: skip
_ANTHROPIC: Final = (
    ANTHROPIC_WRITE, ANTHROPIC_READ, "cache_creation", "uncached_input_tokens",
    "cache_write_input_tokens", "cache_read_input_token_count", "cache_write_input_token_count",
    "iterations",
)  # fmt: skip
_BEDROCK: Final = (
    "cache_write_input_tokens", "cache_read_input_token_count", "cache_write_input_token_count",
)  # fmt: skip
"""Names that Bedrock alone has; its caches lie beside the input, whatever the total says."""
_CURSOR: Final = ("cacheReadTokens", "cacheWriteTokens")
_PLAIN_INPUT: Final = (
    "prompt_eval_count", "input_token_count", "input_text_token_count", "input_length",
    "prompt_token_count", "tokens_evaluated",
)  # fmt: skip
_PLAIN_OUTPUT: Final = (
    "eval_count", "output_token_count", "generated_token_count", "generated_tokens",
    "generation_token_count", "tokens_predicted",
)  # fmt: skip
_DOTNET: Final = frozenset({"input_token_count", "total_token_count"})
_SHORT_INPUT: Final = ("input", "input_other", "prompt")
_SHORT_OUTPUT: Final = ("output", "completion")
_INPUTS: Final = {"total": "input_tokens"}
_OUTPUTS: Final = {"total": "output_tokens", "reasoning": "reasoning_tokens"}
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=\d+[mh])")


def tokens_of(given: Usage, thinks_silently: bool = False) -> Tokens:
    """Read a usage object of any provider by its own keys. Raises RowRefused without counts.

    A model that thinks silently may have thoughts in no count but the total, in OpenAI's shape.
    """
    usage = _by_usual_names(_flat(snake_keys(given)))
    if _has(usage, "prompt_tokens", "completion_tokens"):
        return inclusive_tokens(_with_thoughts(usage) if thinks_silently else usage)
    if _has(usage, *_PLAIN_OUTPUT):
        return _own_counts(usage)
    if _has(usage, *_GEMINI):
        return gemini_tokens(usage)
    if _has(usage, *_PLAIN_INPUT):
        return _own_counts(usage)
    if any(key in usage for key in _ANTHROPIC) or any(key in given for key in _CURSOR):
        return inclusive_tokens(usage) if _total_includes_cache(usage) else anthropic_tokens(usage)
    if _has(usage, "input_tokens", "output_tokens"):
        return inclusive_tokens(usage)
    if _has(usage, *_SHORT_INPUT, *_SHORT_OUTPUT):
        return _short_counts(usage)
    billed, counted = mapping(usage.get("billed_units")), mapping(usage.get("tokens"))
    if _has(billed, "input_tokens", "output_tokens"):
        return whole_tokens(billed.get("input_tokens"), billed.get("output_tokens"))
    if _has(counted, "input_tokens", "output_tokens"):
        return inclusive_tokens({**counted, "cached_tokens": usage.get("cached_tokens")})
    if _has(usage, "total_tokens"):
        return whole_tokens(usage.get("total_tokens"), 0)
    raise RowRefused(NO_TOKENS)


def _short_counts(usage: Usage) -> Tokens:
    """Agents' counts (input, output, cacheRead): caches beside the input, unless a total says."""
    cache = mapping(usage.get("cache"))
    read = count(first(usage, ("cache_read", "input_cache_read", "cached")) or cache.get("read"))
    write = count(
        first(usage, ("cache_write", "input_cache_creation", "cache_creation"))
        or cache.get("write")
    )
    total = count(first(usage, ("total_tokens", "total")))
    beside = 0 if total or "cached" in usage else read + write
    return inclusive_tokens(
        {
            "prompt_tokens": count(first(usage, _SHORT_INPUT)) + beside,
            "completion_tokens": first(usage, _SHORT_OUTPUT),
            "total_tokens": total,
            "cache_read_tokens": read,
            "cache_write_tokens": write,
            "reasoning_tokens": first(usage, ("reasoning", "thoughts")),
        }
    )


def has_tokens(usage: Usage) -> bool:
    """Whether the object holds counts at all."""
    try:
        tokens_of(usage)
    except RowRefused as refused:
        return refused.reason != NO_TOKENS
    return True


def snake_keys(usage: Usage) -> Usage:
    """The object with its keys in snake case, at every depth."""
    if all(key.islower() for key in usage):
        nested = [key for key, value in usage.items() if isinstance(value, Mapping | list)]
        return {**usage, **{key: _snake_value(usage[key]) for key in nested}} if nested else usage
    return {_snake(key): _snake_value(value) for key, value in usage.items()}


def _snake_value(value: Any) -> Any:
    """Any: a value of any kind."""
    if isinstance(value, Mapping):
        return snake_keys(value)
    if isinstance(value, list):
        return [_snake_value(item) for item in value]
    return value


@lru_cache(maxsize=1024)
def _snake(key: str) -> str:
    return _WORD.sub("_", key).lower()


def _flat(usage: Usage) -> Usage:
    """Totals beside their parts, where the input or the output is an object of its own."""
    inputs, outputs = usage.get("input_tokens"), usage.get("output_tokens")
    if not isinstance(inputs, Mapping) and not isinstance(outputs, Mapping):
        return usage
    return {
        **{key: value for key, value in usage.items() if not isinstance(value, Mapping)},
        **{_INPUTS.get(key, key): value for key, value in mapping(inputs).items()},
        **{_OUTPUTS.get(key, key): value for key, value in mapping(outputs).items()},
    }


def _by_usual_names(usage: Usage) -> Usage:
    """.NET's counts (InputTokenCount beside TotalTokenCount) by OpenAI's names, parts inside."""
    return _renamed(usage) if _DOTNET <= usage.keys() else usage


def _renamed(usage: Usage) -> Usage:
    return {
        key.replace("_token_count", "_tokens"): _renamed(value)
        if isinstance(value, Mapping)
        else value
        for key, value in usage.items()
    }


def _with_thoughts(usage: Usage) -> Usage:
    """The usage of Gemini by OpenAI's names: what only the total counts are its thoughts."""
    said = sum(count(usage.get(key)) for key in ("prompt_tokens", "completion_tokens"))
    silent = count(usage.get("total_tokens")) - said
    told = first(usage, OUTSIDE)
    if silent <= 0 or told is not None or has_count(usage.get("reasoning_tokens")):
        return usage
    return {**usage, "reasoning_tokens": silent}


def _own_counts(usage: Usage) -> Tokens:
    """Counts of a server's own, nothing inside another; caches beside, as Bedrock counts them."""
    inputs = first(usage, _PLAIN_INPUT)
    if inputs is None:
        raise RowRefused(NO_TOKENS)
    five, hour = cache_writes(usage, {})
    return Tokens(
        input_uncached=count(inputs),
        cache_read=cache_reads(usage, {}),
        cache_write_5m=five,
        cache_write_1h=hour,
        output_text=count(first(usage, _PLAIN_OUTPUT)),
    )


def _total_includes_cache(usage: Usage) -> bool:
    """Whether a total says that the input holds the cached tokens, unlike Anthropic's."""
    if any(key in usage for key in _BEDROCK):
        return False
    total, inputs = count(usage.get("total_tokens")), count(usage.get("input_tokens"))
    cached = cache_reads(usage, {}) + sum(cache_writes(usage, {}))
    return 0 < cached <= inputs and total == inputs + count(usage.get("output_tokens"))


def _has(usage: Usage, *keys: str) -> bool:
    return any([has_count(usage[key]) for key in keys if key in usage])
