"""Token counts of LiteLLM's usage objects in columns.

Only objects all of whose keys are known here are read: a key more may mean something, which is for
the way row by row to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import numpy as np

from netra_optimizer.usage.columns import Bool, Int64
from netra_optimizer.usage.importers.values import MAX_TOKENS


class _Empty(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An object without keys."""


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
_NoItems: TypeAlias = Annotated[list[Any], msgspec.Meta(max_length=0)]
Nothing: TypeAlias = _Empty | _NoItems | Literal[""] | None
"""What says nothing; anything else under such a key makes the row an unusual one."""
NoBody: TypeAlias = _Empty | _NoItems | Literal["", "{}", "[]"] | None
"""The same, also written as text."""
_Zero: TypeAlias = Literal[0] | None
_Idle: TypeAlias = Any
"""Of no consequence for the buckets. Any: nobody looks at it."""


class _Split(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_30m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None
    ephemeral_12h_input_tokens: Count | None = None


class _Inside(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    audio_tokens: _Zero = None
    cached_tokens: Count | None = None
    text_tokens: _Idle = None
    image_tokens: _Zero = None
    web_search_requests: _Idle = None
    character_count: _Idle = None
    image_count: _Idle = None
    video_length_seconds: _Idle = None
    audio_length_seconds: _Idle = None
    video_tokens: _Idle = None
    tool_use_tokens: _Idle = None
    initial_prompt_tokens: _Idle = None
    query_count: _Idle = None
    google_maps_grounding_requests: _Idle = None
    cache_write_tokens: Count | None = None
    cache_creation_tokens: Count | None = None
    cache_creation_token_details: _Split | None = None


class _Outside(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    accepted_prediction_tokens: _Idle = None
    audio_tokens: _Zero = None
    reasoning_tokens: Count | None = None
    rejected_prediction_tokens: _Idle = None
    text_tokens: _Idle = None
    video_tokens: _Idle = None
    image_tokens: _Zero = None


class Usage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`usage_object`, or `additional_usage_values` of older versions."""

    completion_tokens: _Idle = None
    prompt_tokens: _Idle = None
    total_tokens: _Idle = None
    completion_tokens_details: _Outside | None = None
    prompt_tokens_details: _Inside | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    reasoning_tokens: _Zero = None
    server_tool_use: Nothing = None
    service_tier: str | None = None
    inference_geo: _Idle = None
    cost: _Idle = None


_NO_USAGE: Final = Usage()
_NO_INSIDE: Final = _Inside()
_NO_OUTSIDE: Final = _Outside()
_NO_SPLIT: Final = _Split()


Counts: TypeAlias = Mapping[str, list[int]]


def counts_of(
    usages: Sequence[Usage | None], older: Sequence[Usage | None]
) -> dict[str, list[int]]:
    """Columns of counts; what `older` says counts where `usages` is silent.

    `unclear` is true where both have something to say.
    """
    said = [usage or other or _NO_USAGE for usage, other in zip(usages, older, strict=True)]
    inside = [usage.prompt_tokens_details or _NO_INSIDE for usage in said]
    outside = [usage.completion_tokens_details or _NO_OUTSIDE for usage in said]
    splits = [part.cache_creation_token_details for part in inside]
    counts = {
        "read_inside": [part.cached_tokens or 0 for part in inside],
        "read_beside": [usage.cache_read_input_tokens or 0 for usage in said],
        "write_inside": [
            max(part.cache_creation_tokens or 0, part.cache_write_tokens)
            if part.cache_write_tokens
            else part.cache_creation_tokens or 0
            for part in inside
        ],
        "write_beside": [usage.cache_creation_input_tokens or 0 for usage in said],
        "reasoning": [part.reasoning_tokens or 0 for part in outside],
    }
    if any(splits):
        given = [split or _NO_SPLIT for split in splits]
        counts["write_5m"] = [
            max(split.ephemeral_5m_input_tokens or 0, split.ephemeral_30m_input_tokens or 0)
            for split in given
        ]
        counts["write_1h"] = [
            max(split.ephemeral_1h_input_tokens or 0, split.ephemeral_12h_input_tokens or 0)
            for split in given
        ]
    if any(older):
        counts["unclear"] = [
            one is not None and two is not None and one != two and _adds(one, two)
            for one, two in zip(usages, older, strict=True)
        ]
    return counts


def buckets(
    prompts: Sequence[int], completions: Sequence[int], totals: Sequence[int], counts: Counts
) -> tuple[dict[str, Int64], Bool]:
    """Buckets by OpenAI's convention, and of which rows: those whose parts fit into their totals.

    A count that is missing is negative.
    """
    prompt, completion, total = map(_ints, (prompts, completions, totals))
    reasoning = _ints(counts["reasoning"])
    read = np.maximum(_ints(counts["read_inside"]), _ints(counts["read_beside"]))
    write = np.maximum(_ints(counts["write_inside"]), _ints(counts["write_beside"]))
    found = {"cache_read": read, "cache_write_5m": write, "reasoning": reasoning}
    if "write_1h" in counts:
        hour = found["cache_write_1h"] = _ints(counts["write_1h"])
        found["cache_write_5m"] = np.maximum(write - hour, _ints(counts["write_5m"]))
        write = found["cache_write_5m"] + hour
    found["input_uncached"] = prompt - read - write
    found["output_text"] = completion - reasoning
    fits = (prompt >= 0) & (completion >= 0) & (total == prompt + completion)
    fits &= (found["input_uncached"] >= 0) & (found["output_text"] >= 0)
    if "unclear" in counts:
        fits &= _ints(counts["unclear"]) == 0
    return found, fits


def _adds(usage: Usage, older: Usage) -> bool:
    """Whether the older object says what the newer one does not."""
    return (
        (usage.prompt_tokens_details is None and older.prompt_tokens_details is not None)
        or (usage.completion_tokens_details is None and older.completion_tokens_details is not None)
        or (usage.cache_read_input_tokens is None and older.cache_read_input_tokens is not None)
        or (
            usage.cache_creation_input_tokens is None
            and older.cache_creation_input_tokens is not None
        )
        or (usage.reasoning_tokens is None and older.reasoning_tokens is not None)
    )


def _ints(values: Iterable[int]) -> Int64:
    return np.fromiter(values, np.int64)
