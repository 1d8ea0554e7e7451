"""How providers count: what lies inside which count, by the names they give their counts.

Usage objects come here with their keys in snake case (see usage_objects.py).

| shape | cached tokens | reasoning |
|---|---|---|
| OpenAI, Groq, Mistral, DeepSeek, OpenRouter | inside the prompt | inside the completion |
| xAI | inside the prompt | beside the completion, inside output_tokens (Responses) |
| Perplexity's deep research | none | beside the completion, and citations beside both |
| Anthropic, Bedrock | beside input_tokens | inside output_tokens |
| Gemini | inside the prompt | beside the candidates |
| LiteLLM | inside prompt_tokens, for every provider | inside completion_tokens |

Where a total is given, it decides between inside and beside.
"""

from collections.abc import Mapping
from functools import reduce
from itertools import product
from typing import Any, Final

from msgspec import structs

from netra_optimizer.usage.importers.tokens import NOTHING, Dividing, Tokens
from netra_optimizer.usage.importers.values import count, first, mapping

Usage = Mapping[str, Any]
"""A usage object; Any: each provider's own values."""

_INPUT: Final = ("prompt_tokens", "input_tokens")
_OUTPUT: Final = ("completion_tokens", "output_tokens")
_INSIDE: Final = (
    "prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details",
)  # fmt: skip
OUTSIDE: Final = (
    "completion_tokens_details", "output_tokens_details", "output_token_details",
    "completion_token_details",
)  # fmt: skip
ANTHROPIC_READ: Final = "cache_read_input_tokens"
ANTHROPIC_WRITE: Final = "cache_creation_input_tokens"
_READ: Final = frozenset(
    {
        "cached_tokens", "cache_read_tokens", ANTHROPIC_READ, "cache_read", "input_cached_tokens",
        "cached_input_tokens", "prompt_cache_hit_tokens", "num_cached_tokens",
        "cached_prompt_text_tokens", "cache_read_input_token_count", "prompt_cached_tokens",
        "cached_prompt_tokens", "priority_cache_read", "flex_cache_read",
    }
)  # fmt: skip
_WRITE: Final = frozenset(
    {
        ANTHROPIC_WRITE, "cache_creation_tokens", "cache_write_tokens", "cache_write_input_tokens",
        "cache_write_input_token_count", "input_cache_write_tokens", "cache_creation",
        "prompt_cache_creation_tokens",
        "cache_write",
    }
)  # fmt: skip
_REASONING: Final = frozenset(
    {
        "reasoning_tokens",
        "reasoning_output_tokens",
        "reasoning",
        "thinking_tokens",
        "completion_reasoning_tokens",
        "priority_reasoning",
        "flex_reasoning",
    }
)
_SPLIT: Final = (
    "cache_creation", "cache_creation_token_details", "cache_write_tokens_details",
)  # fmt: skip
_FIVE: Final = frozenset(
    {
        "ephemeral_5m_input_tokens", "ephemeral_5m_tokens", "cache_creation_5m_input_tokens",
        "cache_write_5m_tokens", "cache_creation.ephemeral_5m_input_tokens",
        "ttl_30m_tokens", "input_cache_write_30m_tokens", "ephemeral_30m_input_tokens",
    }
)  # fmt: skip
"""The short lifetime a provider sells; OpenAI's is half an hour."""
_HOUR: Final = frozenset(
    {
        "ephemeral_1h_input_tokens", "ephemeral_1h_tokens", "cache_creation_1h_input_tokens",
        "cache_write_1h_tokens", "cache_creation.ephemeral_1h_input_tokens",
        "ttl_12h_tokens", "input_cache_write_12h_tokens", "ephemeral_12h_input_tokens",
    }
)  # fmt: skip
"""The long one; OpenAI's is half a day."""
_XAI: Final = ("num_sources_used", "cost_in_usd_ticks", "cached_prompt_text_tokens")
_PERPLEXITY: Final = ("citation_tokens", "num_search_queries")


def whole_tokens(inputs: object, outputs: object) -> Tokens:
    """Counts of which nothing more is known."""
    return Tokens(input_uncached=count(inputs), output_text=count(outputs))


def inclusive_tokens(usage: Usage, *, exclusive_if_larger: bool = True) -> Tokens:
    """OpenAI's convention: the prompt includes cached tokens, the completion includes reasoning.

    What Mistral's connectors fetched is read by the model, too. A total that counts parts on top
    says that they lie beside; without a total, parts that do not
    fit do. With `exclusive_if_larger` off cached tokens always lie inside.
    """
    prompt = count(first(usage, _INPUT)) + count(usage.get("connector_tokens"))
    completion = count(first(usage, _OUTPUT))
    inside, outside = mapping(first(usage, _INSIDE)), mapping(first(usage, OUTSIDE))
    read = cache_reads(usage, inside)
    write_5m, write_1h = cache_writes(usage, inside)
    reasoning = _largest(outside, usage, mapping(usage.get("details")), names=_REASONING)
    cached = read + write_5m + write_1h
    thinks_beside, caches_beside = _beside(usage, prompt, completion, cached, reasoning)
    if not usage.keys().isdisjoint(_PERPLEXITY):
        thinks_beside = True
        prompt += count(usage.get("citation_tokens"))
    if thinks_beside:
        completion += reasoning
    if caches_beside and exclusive_if_larger:
        prompt += cached
    warm = mapping(first(inside, ("cached_tokens_details",)))
    left, right = Dividing(prompt), Dividing(completion)
    return Tokens(
        cache_read=left.take(read),
        cache_write_5m=left.take(write_5m),
        cache_write_1h=left.take(write_1h),
        audio_in=left.take(_modality(usage, inside, "audio", "input") - _plain(warm, "audio")),
        image_in=left.take(_modality(usage, inside, "image", "input") - _plain(warm, "image")),
        input_uncached=left.rest,
        reasoning=right.take(reasoning),
        audio_out=right.take(_modality(usage, outside, "audio", "output")),
        image_out=right.take(_modality(usage, outside, "image", "output")),
        output_text=right.rest,
    )


def _beside(
    usage: Usage, prompt: int, completion: int, cached: int, reasoning: int
) -> tuple[bool, bool]:
    """Whether reasoning lies beside the completion, and cached tokens beside the prompt."""
    total = count(usage.get("total_tokens"))
    overflows = cached > prompt and any(usage.get(k) for k in (ANTHROPIC_READ, ANTHROPIC_WRITE))
    if not total:
        of_xai = "completion_tokens" in usage and any(key in usage for key in _XAI)
        return reasoning > completion or of_xai, cached > prompt
    for caches, thinks in product((False, True), repeat=2):
        if total == prompt + completion + caches * cached + thinks * reasoning:
            return thinks, caches or overflows
    return False, overflows


def anthropic_tokens(usage: Usage) -> Tokens:
    """Anthropic's convention: input_tokens is what was neither read from nor written to a cache.

    Where the answer took several goes, the counts at the top may be those of the first go alone:
    then all goes count. What a compaction took is in no count at the top and is added; what
    another model took is not (see inner_calls.py).
    """
    write_5m, write_1h = cache_writes(usage, {})
    details = mapping(first(usage, OUTSIDE))
    output = Dividing(count(usage.get("output_tokens")))
    reasoning = output.take(_largest(details, names=_REASONING))
    found = Tokens(
        input_uncached=count(first(usage, ("input_tokens", "uncached_input_tokens"))),
        cache_read=cache_reads(usage, {}),
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        reasoning=reasoning,
        output_text=output.rest,
    )
    if "iterations" not in usage or not (taken := goes(usage)):
        return found
    spoken = [go for go in taken if go.get("type") != "compaction"]
    found = _all_goes(found, _whole(own_goes(usage)), _whole(spoken))
    return _sum(found, _whole([go for go in taken if go.get("type") == "compaction"]))


def goes(usage: Usage) -> list[Usage]:
    """What Anthropic counts for each go of an answer that took several."""
    iterations = usage.get("iterations")
    return [mapping(go) for go in iterations] if isinstance(iterations, list) else []


def own_goes(usage: Usage) -> list[Usage]:
    """The goes of the model that answered, without those of a model it fell back from."""
    spoken = [go for go in goes(usage) if go.get("type") in ("message", "fallback_message")]
    last = [go.get("model") for go in spoken if go.get("type") == "fallback_message"]
    return [go for go in spoken if not last or go.get("model") == last[-1]]


def _all_goes(top: Tokens, whole: Tokens, spoken: Tokens) -> Tokens:
    """All own goes where they are more than the counts at the top, which alone tell thoughts apart.

    Also where a gateway put at the top what all models took together.
    """
    sizes = [(found.input_tokens, found.output_tokens) for found in (top, whole, spoken)]
    summed = sizes[0] == sizes[2] != sizes[1] and any(sizes[1])
    if not summed and sum(sizes[1]) <= sum(sizes[0]):
        return top
    output = Dividing(whole.output_tokens)
    return structs.replace(whole, reasoning=output.take(top.reasoning), output_text=output.rest)


def gemini_tokens(usage: Usage) -> Tokens:
    """Gemini: the prompt includes cached tokens, candidates exclude thoughts.

    Both spellings: of generateContent and Live (…_token_count), of interactions (total_…_tokens).
    """
    prompt = _named(usage, "prompt_token_count", "total_input_tokens")
    tools = _named(usage, "tool_use_prompt_token_count", "total_tool_use_tokens")
    answer = _named(
        usage, "candidates_token_count", "response_token_count", "total_output_tokens"
    )  # fmt: skip
    thoughts = _named(usage, "thoughts_token_count", "total_thought_tokens")
    total = _named(usage, "total_token_count", "total_tokens")
    if thoughts and thoughts <= answer and total == prompt + tools + answer:
        answer -= thoughts
    asked = _modalities(usage, "prompt_tokens_details", "input_tokens_by_modality")
    fetched = _modalities(usage, "tool_use_prompt_tokens_details", "tool_use_tokens_by_modality")
    warm = _modalities(usage, "cache_tokens_details", "cached_tokens_by_modality")
    said = _modalities(
        usage, "candidates_tokens_details", "response_tokens_details", "output_tokens_by_modality"
    )
    left, right = Dividing(prompt + tools), Dividing(answer)
    return Tokens(
        cache_read=left.take(_named(usage, "cached_content_token_count", "total_cached_tokens")),
        audio_in=left.take(asked["audio"] + fetched["audio"] - warm["audio"]),
        image_in=left.take(asked["image"] + fetched["image"] - warm["image"]),
        input_uncached=left.rest,
        audio_out=right.take(said["audio"]),
        image_out=right.take(said["image"]),
        output_text=right.rest,
        reasoning=thoughts,
    )


def cache_reads(usage: Usage, details: Usage) -> int:
    """Tokens read from a cache, under any name; LangSmith counts Gemini's in two bands."""
    found = _largest(details, usage, names=_READ)
    return found + count(details.get("cache_read_over_200k")) if details else found


def cache_writes(usage: Usage, details: Usage) -> tuple[int, int]:
    """Tokens written for five minutes and for an hour, in every spelling of the split."""
    split = mapping(first(usage, _SPLIT)) or mapping(first(details, _SPLIT))
    lifetimes = _lifetimes(usage.get("cache_details"))
    five = _largest(split, details, usage, lifetimes, names=_FIVE)
    hour = _largest(split, details, usage, lifetimes, names=_HOUR)
    total = _largest(usage, details, names=_WRITE)
    return max(total - hour, five), hour


def tier_told(usage: Usage) -> str:
    """The tier by which LangChain and LangSmith name a usage object's details; empty for none."""
    details = mapping(first(usage, _INSIDE)), mapping(first(usage, OUTSIDE))
    return next((tier for part in details for tier in ("priority", "flex") if tier in part), "")


def _lifetimes(details: object) -> Usage:
    """Bedrock's list of writes by lifetime."""
    if not isinstance(details, list):
        return {}
    found = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    for part in map(mapping, details):
        name = f"ephemeral_{str(part.get('ttl')).lower()}_input_tokens"
        if name in found:
            found[name] += count(part.get("input_tokens"))
    return found


def _largest(*sources: Usage, names: frozenset[str]) -> int:
    """The largest count any source holds under any of the names; objects are none."""
    found = 0
    for source in sources:
        if names.isdisjoint(source):
            continue
        for name, value in source.items():
            if value and name in names and not isinstance(value, dict | list):
                found = max(found, count(value))
    return found


def _modality(usage: Usage, details: Usage, kind: str, side: str) -> int:
    return _plain(details, kind) or count(usage.get(f"{side}_{kind}_tokens"))


def _plain(details: Usage, kind: str) -> int:
    return count(first(details, (f"{kind}_tokens", kind))) if details else 0


def _named(usage: Usage, *names: str) -> int:
    return count(first(usage, names))


_KINDS: Final = {"AUDIO": "audio", "IMAGE": "image", "DOCUMENT": "image"}
"""Gemini's modalities that have buckets; documents are read and billed as images."""


def _modalities(usage: Usage, *names: str) -> dict[str, int]:
    found = {"audio": 0, "image": 0}
    details = first(usage, names)
    for part in map(mapping, details if isinstance(details, list) else ()):
        kind = _KINDS.get(str(part.get("modality", "")).upper())
        if kind:
            found[kind] += _named(part, "token_count", "tokens")
    return found


def _whole(parts: list[Usage]) -> Tokens:
    return reduce(_sum, map(anthropic_tokens, parts), NOTHING)


def _sum(one: Tokens, other: Tokens) -> Tokens:
    names = Tokens.__struct_fields__
    return Tokens(**{name: getattr(one, name) + getattr(other, name) for name in names})
