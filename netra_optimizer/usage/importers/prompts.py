"""Names of prompts: one for the whole request, one for each block of its prefix.

A prompt is laid out as providers cache it: tools, then the system text, then the messages. It is
cut every BLOCK_BYTES bytes of UTF-8; a block's name covers everything up to its end, so equal names
mean equal prefixes. How many tokens a block holds is the call's own input divided over its bytes.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from netra_optimizer.usage.importers.values import canonical, digest

BLOCK_BYTES: Final = 256
"""About 64 tokens of English."""
_PREFIX: Final = ("tools", "functions", "system", "instructions", "systemInstruction", "messages")
_REST: Final = ("input", "contents", "prompt")
_NOT_THE_PROMPT: Final = frozenset(
    {
        "model", "stream", "stream_options", "user", "metadata", "service_tier", "store",
        "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "timeout",
        "extra_headers", "extra_body", "api_key", "api_base", "litellm_params", "background",
    }
)  # fmt: skip
_PARAMS: Final = (
    "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "max_output_tokens",
    "n", "seed", "stop", "stop_sequences", "presence_penalty", "frequency_penalty", "logit_bias",
    "response_format", "reasoning_effort", "reasoning", "thinking", "verbosity", "tool_choice",
    "parallel_tool_calls",
)  # fmt: skip


def prompt_text(request: Mapping[str, Any]) -> str:
    """The request's prompt in the order in which providers cache it."""
    parts: list[str] = []
    for key in (*_PREFIX, *_REST):
        value = request.get(key)
        if value is None or value == "":
            continue
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, list):
            parts.extend(item if isinstance(item, str) else canonical(item) for item in value)
        else:
            parts.append(canonical(value))
    return "\n".join(parts)


def prompt_hash(request: Mapping[str, Any]) -> str:
    """Equal for requests that differ only in model, caller and way of delivery."""
    asked = {key: value for key, value in request.items() if key not in _NOT_THE_PROMPT}
    return digest("prompt", canonical(asked)) if asked else ""


def request_params(request: Mapping[str, Any]) -> str:
    """Parameters that change the answer, canonical JSON; empty where there are none."""
    found = {key: request[key] for key in _PARAMS if request.get(key) is not None}
    return canonical(found) if found else ""


def block_names(text: str, size: int = BLOCK_BYTES) -> tuple[int, ...]:
    """64-bit names of the text's prefix blocks, the last one shorter."""
    data = text.encode("utf-8", "surrogatepass")
    running = blake2b(digest_size=8)
    names: list[int] = []
    for at in range(0, len(data), size):
        running.update(data[at : at + size])
        names.append(int.from_bytes(running.digest(), "little"))
    return tuple(names)


def tokens_a_block(text_bytes: int, input_tokens: int, size: int = BLOCK_BYTES) -> int:
    """Tokens a whole block of this prompt holds, at least one."""
    if not text_bytes or not input_tokens:
        return 0
    return max(1, round(input_tokens * min(size, text_bytes) / text_bytes))
