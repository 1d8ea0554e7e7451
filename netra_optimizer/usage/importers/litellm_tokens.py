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
_Idle: TypeAlias = Any
"""Of no consequence for the buckets. Any: nobody looks at it."""


class _Split(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class _Inside(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    audio_tokens: Count | None = None
    cached_tokens: Count | None = None
    text_tokens: _Idle = None
    image_tokens: Count | None = None
    web_search_requests: _Idle = None
    character_count: _Idle = None
    image_count: _Idle = None
    video_length_seconds: _Idle = None
    cache_creation_tokens: Count | None = None
    cache_creation_token_details: _Split | None = None


class _Outside(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    accepted_prediction_tokens: _Idle = None
    audio_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    rejected_prediction_tokens: _Idle = None
    text_tokens: _Idle = None
    image_tokens: Count | None = None


class Usage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`usage_object`, or `additional_usage_values` of older versions."""

    completion_tokens: _Idle = None
    prompt_tokens: _Idle = None
    total_tokens: _Idle = None
    completion_tokens_details: _Outside | None = None
    prompt_tokens_details: _Inside | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    reasoning_tokens: Count | None = None
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

    `unclear` is 1 where both have something to say.
    """
    said = [usage or other or _NO_USAGE for usage, other in zip(usages, older, strict=True)]
    inside = [usage.prompt_tokens_details or _NO_INSIDE for usage in said]
    outside = [usage.completion_tokens_details or _NO_OUTSIDE for usage in said]
    splits = [part.cache_creation_token_details or _NO_SPLIT for part in inside]
    return {
        "read_inside": [part.cached_tokens or 0 for part in inside],
        "read_beside": [usage.cache_read_input_tokens or 0 for usage in said],
        "write_inside": [part.cache_creation_tokens or 0 for part in inside],
        "write_beside": [usage.cache_creation_input_tokens or 0 for usage in said],
        "write_5m": [part.ephemeral_5m_input_tokens or 0 for part in splits],
        "write_1h": [part.ephemeral_1h_input_tokens or 0 for part in splits],
        "audio_in": [part.audio_tokens or 0 for part in inside],
        "image_in": [part.image_tokens or 0 for part in inside],
        "reasoning_inside": [part.reasoning_tokens or 0 for part in outside],
        "reasoning_beside": [usage.reasoning_tokens or 0 for usage in said],
        "audio_out": [part.audio_tokens or 0 for part in outside],
        "image_out": [part.image_tokens or 0 for part in outside],
        "unclear": list(map(_adds, usages, older)) if any(older) else [0] * len(said),
    }


def buckets(
    prompts: Sequence[int], completions: Sequence[int], totals: Sequence[int], counts: Counts
) -> tuple[dict[str, Int64], Bool]:
    """Buckets by OpenAI's convention, and of which rows: those whose parts fit into their totals.

    A count that is missing is negative.
    """
    prompt, completion, total = map(_ints, (prompts, completions, totals))
    said = {name: _ints(counts[name]) for name in _COUNTS}
    hour = said["write_1h"]
    write = np.maximum(said["write_inside"], said["write_beside"])
    reasoning = said["reasoning_inside"]
    parts_in = {
        "cache_read": np.maximum(said["read_inside"], said["read_beside"]),
        "cache_write_5m": np.maximum(write - hour, said["write_5m"]),
        "cache_write_1h": hour,
        "audio_in": said["audio_in"],
        "image_in": said["image_in"],
    }
    parts_out = {
        "reasoning": np.where(reasoning > 0, reasoning, said["reasoning_beside"]),
        "audio_out": said["audio_out"],
        "image_out": said["image_out"],
    }
    uncached = prompt - sum(parts_in.values())
    text = completion - sum(parts_out.values())
    fits = (prompt >= 0) & (completion >= 0) & (total == prompt + completion)
    fits &= (said["unclear"] == 0) & (uncached >= 0) & (text >= 0)
    return {"input_uncached": uncached, "output_text": text, **parts_in, **parts_out}, fits


_COUNTS: Final = tuple(counts_of([], []))


def _adds(usage: Usage | None, other: Usage | None) -> bool:
    """Whether the older object says what the newer one does not."""
    if not (usage and other):
        return False
    return (
        (other.cache_read_input_tokens is not None and usage.cache_read_input_tokens is None)
        or (
            other.cache_creation_input_tokens is not None
            and usage.cache_creation_input_tokens is None
        )
        or (other.prompt_tokens_details is not None and usage.prompt_tokens_details is None)
        or (other.completion_tokens_details is not None and usage.completion_tokens_details is None)
        or (other.reasoning_tokens is not None and usage.reasoning_tokens is None)
    )


def _ints(values: Iterable[int]) -> Int64:
    return np.fromiter(values, np.int64)
