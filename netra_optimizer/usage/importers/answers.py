"""What an answer says beside its usage: model, tier, why it ended, tools, errors, streams."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from netra_optimizer.usage.importers.values import first, json_or, mapping, text

Answer = Mapping[str, Any]
"""A response body; Any: each provider's own."""

_TIERS: Final = {
    "default": "standard", "auto": "standard", "standard": "standard", "standard_only": "standard",
    "on_demand": "standard", "on-demand": "standard", "scale": "standard",
    "flex": "flex", "priority": "priority", "batch": "batch", "fast": "fast",
}  # fmt: skip


def tier_of(value: object) -> str:
    """Our name of a service tier; unknown ones are standard."""
    return _TIERS.get(text(value).strip().lower(), "standard")


def answer_of(value: object) -> Answer:
    """A response body; streamed ones (chunks, or server-sent events as text) put together."""
    if isinstance(value, str):
        stripped = value.lstrip()
        if stripped.startswith(("data:", "event:")):
            return merged(_events(stripped))
        value = json_or(value, {})
    if isinstance(value, list):
        return merged(part for part in value if isinstance(part, Mapping))
    if isinstance(value, Mapping):
        for key in ("chunks", "events"):
            if isinstance(value.get(key), list):
                return merged(part for part in value[key] if isinstance(part, Mapping))
        for key in ("body", "response"):
            if isinstance(inner := value.get(key), Mapping) and "usage" not in value:
                return {"status_code": value.get("status_code"), **inner}
        return value
    return {}


def merged(parts: Iterable[Answer]) -> Answer:
    """One answer out of a stream's parts: later values win, usage objects are laid over another."""
    whole: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    for part in parts:
        event = part.get("message") or part.get("response")
        inner = event if isinstance(event, Mapping) else part
        for key, value in inner.items():
            if key == "usage":
                continue
            if value is not None and key not in ("choices", "type", "delta"):
                whole[key] = value
        if choices := part.get("choices"):
            _add_choices(whole, choices)
        delta = part.get("delta")
        if isinstance(delta, Mapping) and delta.get("stop_reason"):
            whole["stop_reason"] = delta["stop_reason"]
        block = mapping(part.get("content_block"))
        if block.get("type") == "tool_use":
            whole.setdefault("tool_blocks", []).append(block)
        for found in (part.get("usage"), inner.get("usage"), inner.get("usageMetadata")):
            usage |= {k: v for k, v in mapping(found).items() if v is not None}
    if usage:
        whole["usage"] = usage
    return whole


def usage_of(answer: Answer) -> Mapping[str, Any]:
    """The usage object, wherever a provider puts it; empty where there is none."""
    found = first(answer, ("usage", "usageMetadata", "usage_metadata", "token_usage"))
    if found is None:
        meta = mapping(answer.get("meta"))
        found = meta if "billed_units" in meta or "tokens" in meta else meta.get("usage")
    if found is None and ("prompt_eval_count" in answer or "eval_count" in answer):
        return answer
    if found is None and isinstance(groq := answer.get("x_groq"), Mapping):
        found = groq.get("usage")
    return mapping(found)


def model_of(answer: Answer) -> str:
    """The model that answered."""
    return text(first(answer, ("model", "modelVersion", "model_version", "modelId")))


def finish_reason(answer: Answer) -> str:
    """Why the answer ended: stop, length, tool_calls, content_filter, or as the provider says."""
    found = first(answer, ("stop_reason", "stopReason", "finish_reason", "done_reason"))
    if found is None:
        for choice in _dicts(answer.get("choices")) or _dicts(answer.get("candidates")):
            found = first(choice, ("finish_reason", "finishReason"))
    if found is None and ("output" in answer or answer.get("object") == "response"):
        incomplete = mapping(answer.get("incomplete_details")).get("reason")
        found = incomplete or answer.get("status")
    return _REASONS.get(text(found).lower(), text(found).lower())


def tool_names(answer: Answer) -> tuple[str, ...]:
    """Names of the tools the answer calls, each once, in order."""
    return tuple(dict.fromkeys(name for name in _tool_names(answer) if name))


def error_kind(answer: Answer, *beside: object) -> str:
    """The kind of error, empty when the call went well."""
    for found in (answer.get("error"), *beside):
        if isinstance(found, Mapping):
            kind = first(found, ("type", "code", "status", "error_class", "name", "message"))
            return text(kind)[:80] or "error"
        if isinstance(found, str) and found.strip():
            return found.strip()[:80]
        if found is True:
            return "error"
    status = first(answer, ("status_code", "statusCode"))
    if type(status) is int and status >= 400:
        return f"http_{status}"
    if answer.get("type") == "error" or answer.get("status") == "failed":
        return "error"
    return ""


_REASONS: Final = {
    "end_turn": "stop", "stop": "stop", "completed": "stop", "stop_sequence": "stop", "eos": "stop",
    "max_tokens": "length", "length": "length", "max_output_tokens": "length",
    "model_length": "length", "tool_use": "tool_calls", "tool_calls": "tool_calls",
    "function_call": "tool_calls", "content_filter": "content_filter", "safety": "content_filter",
    "refusal": "content_filter",
}  # fmt: skip


def _tool_names(answer: Answer) -> Iterator[str]:
    for choice in _dicts(answer.get("choices")):
        message = mapping(choice.get("message") or choice.get("delta"))
        for call in _dicts(message.get("tool_calls")):
            yield text(mapping(call.get("function")).get("name") or call.get("name"))
        yield text(mapping(message.get("function_call")).get("name"))
    content = answer.get("content")
    for block in (*_dicts(content), *_dicts(answer.get("tool_blocks"))):
        if block.get("type") in ("tool_use", "server_tool_use"):
            yield text(block.get("name"))
    for item in _dicts(answer.get("output")):
        if item.get("type") in ("function_call", "custom_tool_call", "mcp_call"):
            yield text(item.get("name"))
    for candidate in _dicts(answer.get("candidates")):
        for part in _dicts(mapping(candidate.get("content")).get("parts")):
            yield text(mapping(part.get("functionCall") or part.get("function_call")).get("name"))


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _add_choices(whole: dict[str, Any], choices: object) -> None:
    kept: dict[str, Any] = whole.setdefault("choices", [{"message": {"tool_calls": []}}])[0]
    for choice in _dicts(choices):
        if choice.get("finish_reason"):
            kept["finish_reason"] = choice["finish_reason"]
        for call in _dicts(mapping(choice.get("delta") or choice.get("message")).get("tool_calls")):
            if mapping(call.get("function")).get("name"):
                kept["message"]["tool_calls"].append(call)


def _events(stream: str) -> Iterator[Answer]:
    for line in stream.splitlines():
        if line.startswith("data:"):
            try:
                value = msgspec.json.decode(line[5:].strip())
            except msgspec.DecodeError:
                continue
            if isinstance(value, Mapping):
                yield value
