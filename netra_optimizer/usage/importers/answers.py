"""What an answer says beside its usage: model, tier, why it ended, tools, errors, streams."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from netra_optimizer.usage.importers.values import first, json_or, mapping, positive, text

Answer = Mapping[str, Any]
"""A response body; Any: each provider's own."""

_TIERS: Final = {
    "default": "standard", "auto": "standard", "standard": "standard", "standard_only": "standard",
    "on_demand": "standard", "on-demand": "standard", "scale": "standard",
    "flex": "flex", "on_demand_flex": "flex", "priority": "priority",
    "on_demand_priority": "priority", "batch": "batch", "fast": "fast",
}  # fmt: skip
_WRAPPERS: Final = (
    "body", "response", "message", "result", "data", "Response", "output", "completion",
)  # fmt: skip
"""Where gateways and batches put the answer they hand on."""
_EVENT: Final = re.compile(r"\A\s*((:|event:|id:|retry:)[^\n]*\n\s*)*data:")
"""How server-sent events begin: comments and names may come before data."""
_DEEP: Final = 4
_INVOCATION: Final = "amazon-bedrock-invocationMetrics"


def tier_of(value: object) -> str:
    """Our name of a service tier; unknown ones are standard."""
    if isinstance(value, Mapping):
        value = value.get("type")
    return _TIERS.get(text(value).strip().lower(), "standard")


def answer_of(value: object) -> Answer:
    """A response body; streamed ones (chunks, or server-sent events as text) put together."""
    if isinstance(value, str):
        if _EVENT.search(value):
            return merged(_events(value))
        value = json_or(value, None) or list(_lines(value))
        if isinstance(value, str):  # a text that was written as a text once more
            return answer_of(value)
    if isinstance(value, list):
        if parts := _dicts(value):
            return merged(parts)
        lines = [line for line in value if isinstance(line, str)]
        return answer_of("\n".join(lines)) if lines else {}
    if isinstance(value, Mapping):
        for key in ("chunks", "events"):
            if isinstance(value.get(key), list):
                return merged(part for part in value[key] if isinstance(part, Mapping))
        return _unwrapped(value, _DEEP)
    return {}


def _unwrapped(value: Answer, depth: int) -> Answer:
    """The answer inside what a gateway or a batch wraps around it."""
    if not depth or usage_of(value):
        return value
    for key in _WRAPPERS:
        inner = value.get(key)
        if not isinstance(inner, Mapping | str) or not (held := mapping(inner)):
            continue
        found = _unwrapped(held, depth - 1)
        if usage_of(found) or key in ("body", "response"):
            return {"status_code": value.get("status_code"), **found}
    return value


def merged(parts: Iterable[Answer]) -> Answer:
    """One answer out of a stream's parts: later values win, usage objects are laid over another."""
    whole: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    for part in parts:
        event = part.get("message") if part.get("type") == "message_start" else part.get("response")
        inner = event if isinstance(event, Mapping) else part
        for key, value in inner.items():
            if key == "usage":
                continue
            if value is not None and key not in ("choices", "type", "delta"):
                whole[key] = value
        if choices := part.get("choices"):
            _add_choices(whole, choices)
        delta = mapping(part.get("delta"))
        if stopped := first(delta, ("stop_reason", "finish_reason")):
            whole["stop_reason"] = stopped
        block = mapping(part.get("content_block"))
        if block.get("type") == "tool_use":
            whole.setdefault("tool_blocks", []).append(block)
        for found in (*_dicts(part.get("choices")), part, inner, delta):
            _lay_over(usage, usage_of(found))
    if usage:
        whole["usage"] = usage
    return whole


def _lay_over(usage: dict[str, Any], later: Mapping[str, Any]) -> None:
    """Later counts win, for a stream counts up; a zero that a gateway writes at its end does not.

    Any: a usage object's own values.
    """
    for key, value in later.items():
        known = usage.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            usage[key] = details = {**known}
            _lay_over(details, value)
        elif value is not None and not (value == 0 and positive(known)):
            usage[key] = value


_USAGES: Final = (
    "usage", "usageMetadata", "usage_metadata", "token_usage", "tokenUsage", "Usage",
    "meta_info",
)  # fmt: skip
_HOLDERS: Final = ("meta", "x_groq", "metadata", "response_metadata", "llm_output")
_COUNTERS: Final = (_INVOCATION, "metrics", "details")
_OWN: Final = frozenset(
    {
        "prompt_eval_count", "eval_count", "generation_token_count", "generated_token_count",
        "input_token_count", "inputTokenCount", "inputTextTokenCount", "generated_tokens",
        "tokens_evaluated",
    }
)  # fmt: skip


def usage_of(answer: Answer) -> Mapping[str, Any]:
    """The usage object, wherever a provider puts it; empty where there is none."""
    for name in _USAGES:
        if name in answer and (found := mapping(answer[name])):
            return found
    for holder in (mapping(answer[name]) for name in _HOLDERS if name in answer):
        for name in _USAGES:
            if found := mapping(holder.get(name)):
                return found
        if "billed_units" in holder or "tokens" in holder:
            return holder
    results = [mapping(part) for part in _dicts(answer.get("results"))[:1]]
    held = [mapping(answer[name]) for name in _COUNTERS if name in answer]
    for counted in (*held, *results, answer):
        if not _OWN.isdisjoint(counted):
            if "inputTextTokenCount" in counted and results:
                return {**counted, "output_token_count": results[0].get("tokenCount")}
            return counted
    return _embedded(answer)


def _embedded(answer: Answer) -> Mapping[str, Any]:
    """The usage of Google's embeddings, which count each of their texts."""
    parts = [mapping(part.get("embeddings")) for part in _dicts(answer.get("predictions"))]
    said = [mapping(part.get("statistics")) for part in (*parts, *_dicts(answer.get("embeddings")))]
    counts = [count for part in said if (count := first(part, ("token_count", "tokenCount")))]
    numbers = [count for count in counts if isinstance(count, int | float)]
    return {"input_token_count": sum(numbers)} if numbers else {}


def model_of(answer: Answer) -> str:
    """The model that answered."""
    said = mapping(first(answer, ("response_metadata", "llm_output", "meta")))
    names = ("model", "modelVersion", "model_version", "modelId", "model_id", "model_name")
    return text(first(answer, names) or first(said, names))


def claude_seller(model: str, answer: str = "") -> str:
    """Who sold an answer to Claude's agent: a cloud leaves its mark on the answer's id or the
    model's name, and not every model is Anthropic's; empty where the name alone can tell.
    """
    if answer.startswith("msg_bdrk_") or "anthropic." in model:
        return "aws"
    if answer.startswith("msg_vrtx_") or "@" in model:
        return "google"
    return "anthropic" if "claude" in model else ""


def cost_of(answer: Answer) -> float | None:
    """What the answer itself says it cost, USD; None where it says nothing."""
    usage = usage_of(answer)
    said = usage.get("cost")
    total = said.get("total_cost") if isinstance(said, Mapping) else said
    for value, unit in (
        (total, 1.0),
        (usage.get("cost_in_usd_ticks"), 1e-10),
        (usage.get("totalCents"), 0.01),
        (answer.get("total_cost_usd"), 1.0),
    ):
        if (found := positive(value)) is not None:
            return found * unit
    return None


def draws(answer: Answer) -> bool:
    """Whether the answer is pictures whose output tokens nobody told apart."""
    if not any("b64_json" in part for part in (answer, *_dicts(answer.get("data"))[:1])):
        return False
    return not first(usage_of(answer), ("output_tokens_details", "outputTokensDetails"))


def served_ms(answer: Answer) -> float | None:
    """How long the answer itself says it took: Bedrock's metrics, Ollama's nanoseconds."""
    metrics = mapping(answer.get("metrics") or mapping(answer.get("metadata")).get("metrics"))
    invoked = mapping(answer.get(_INVOCATION))
    took = first(metrics, ("latencyMs",)) or first(invoked, ("invocationLatency",))
    if (found := positive(took)) is not None:
        return found
    if (whole := positive(answer.get("total_duration"))) and "eval_count" in answer:
        return whole / 1e6
    return None


def first_byte_ms(answer: Answer) -> float | None:
    """How long Bedrock says its first byte took."""
    return positive(mapping(answer.get(_INVOCATION)).get("firstByteLatency"))


def finish_reason(answer: Answer) -> str:
    """Why the answer ended: stop, length, tool_calls, content_filter, or as the provider says."""
    found = None
    for holder in (answer, *(mapping(answer.get(key)) for key in ("messageStop", "details"))):
        found = found or first(holder, _REASON_KEYS)
    for key in ("choices", "candidates", "results"):
        for part in _dicts(answer.get(key)) if found is None else ():
            found = first(part, _REASON_KEYS)
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
            found = mapping(found.get("error")) or found
            kind = first(found, ("type", "code", "status", "error_class", "name", "message"))
            return text(kind)[:80] or "error"
        if isinstance(found, str) and found.strip():
            return found.strip()[:80]
        if found is True:
            return "error"
    status = first(answer, ("status_code", "statusCode"))
    if type(status) is int and status >= 400:
        return f"http_{status}"
    if answer.get("type") in _FAILED or answer.get("status") == "failed":
        return text(answer["type"]) if answer.get("type") in _ENDED else "error"
    return ""


_ENDED: Final = ("expired", "canceled")
_FAILED: Final = ("error", "errored", *_ENDED)
_REASON_KEYS: Final = (
    "stop_reason", "stopReason", "finish_reason", "finishReason", "done_reason", "completionReason",
)  # fmt: skip
_REASONS: Final = {
    **dict.fromkeys(
        ("end_turn", "stop", "completed", "complete", "stop_sequence", "eos", "eos_token", "finish",
         "finished"), "stop"),
    **dict.fromkeys(
        ("max_tokens", "length", "max_output_tokens", "model_length", "max_new_tokens",
         "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("tool_use", "tool_calls", "tool_call", "function_call"), "tool_calls"),
    **dict.fromkeys(
        ("content_filter", "content_filtered", "safety", "refusal", "recitation", "blocklist",
         "prohibited_content", "spii", "guardrail_intervened"), "content_filter"),
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


def _lines(stream: str) -> Iterator[Answer]:
    """Parts of a stream written one a line."""
    for line in stream.splitlines():
        if line.startswith("{") and isinstance(value := json_or(line, None), Mapping):
            yield value


def _events(stream: str) -> Iterator[Answer]:
    for line in stream.splitlines():
        if line.startswith("data:"):
            try:
                value = msgspec.json.decode(line[5:].strip())
            except msgspec.DecodeError:
                continue
            if isinstance(value, Mapping):
                yield value
