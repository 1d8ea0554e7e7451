"""A span of OpenTelemetry as a call to a model, by whichever convention it was written.

| convention | tokens | cached tokens |
|---|---|---|
| gen_ai, new names | gen_ai.usage.input_tokens, output_tokens | inside the input |
| gen_ai, old names | gen_ai.usage.prompt_tokens, completion_tokens | inside the input |
| OpenLLMetry | the same, llm.usage.total_tokens | inside the input |
| OpenInference | llm.token_count.prompt, completion | inside the prompt |
| Vercel AI SDK | ai.usage.inputTokens, outputTokens | inside; before v6 as the provider does |
| Langfuse | langfuse.observation.usage_details | apart |

Where the numbers say that cached tokens lie beside the input (they exceed it, or a total counts
them on top), they are taken so. Spans of agents, chains and tools repeat the tokens of the calls
below them and are no calls.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from netra_optimizer.usage.batch import EPOCH
from netra_optimizer.usage.importers.answers import finish_reason, tier_of
from netra_optimizer.usage.importers.attribution import attribution
from netra_optimizer.usage.importers.base import (
    BAD_TIME,
    NO_MODEL,
    NO_TOKENS,
    NOT_A_CALL,
    Outcome,
    RowRefused,
)
from netra_optimizer.usage.importers.conventions import (
    ANTHROPIC_READ,
    ANTHROPIC_WRITE,
    inclusive_tokens,
)
from netra_optimizer.usage.importers.durations import duration_ms
from netra_optimizer.usage.importers.langfuse import details_tokens
from netra_optimizer.usage.importers.prompts import (
    block_names,
    prompt_text,
    request_params,
    tokens_a_block,
)
from netra_optimizer.usage.importers.span_names import (
    ASSOCIATED,
    PARAMS,
    PREFIXES,
    SLOTS,
    operation_of,
    provider_named,
)
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.usage_objects import has_tokens, tokens_of
from netra_optimizer.usage.importers.values import (
    MAX_TOKENS,
    canonical,
    count,
    digest,
    first,
    json_or,
    mapping,
    number,
    positive,
    text,
    texts,
)
from netra_optimizer.usage.record import UsageRecord

Attributes = Mapping[str, Any]
"""A span's attributes by key; Any: OpenTelemetry's values."""

_TOLD_APART: Final = frozenset({"total", "audio_in", "audio_out", "inside", "outside"})
"""Slots that say more of the tokens than input, output, cached and reasoning ones."""
_BESIDE: Final = ("anthropic", "bedrock")
_BEDROCK: Final = "opentelemetry.instrumentation.bedrock"
"""OpenLLMetry's scope."""
_LATEST_NS: Final = 7_258_118_400 * 10**9


def record_of_span(
    attributes: Attributes,
    resource: Attributes,
    *,
    trace: str,
    span: str,
    parent: str,
    start_ns: int,
    end_ns: int,
    failed: bool,
    message: str = "",
    scope: str = "",
) -> Outcome:
    """The call a span records, or why it records none. `scope` is who made the span."""
    seen, families = _sorted(attributes)
    if scope == _BEDROCK:
        seen["beside"] = True
    counted = "input" in seen or "output" in seen or "usage" in seen
    operation = operation_of(seen, counted=counted)
    if not operation:
        return NOT_A_CALL
    if not 0 < start_ns < _LATEST_NS:
        return BAD_TIME
    model = text(seen.get("model")).strip('"') or _asked_model(seen)
    if not model:
        return NO_MODEL
    kind = text(seen.get("error"))
    failed = failed or bool(kind)
    try:
        tokens = _tokens(seen) if counted else None
    except RowRefused as refused:
        return refused.reason
    if tokens is None:
        if not failed:
            return NO_TOKENS
        tokens = NOTHING
    # Only what a span says is handed over: defaults cost nothing, and most fields hold them.
    given: dict[str, Any] = _who(seen, resource, families)
    given |= {name: count for name, count in msgspec.structs.asdict(tokens).items() if count}
    prompt, params = _prompt(seen, families)
    if params:
        given["params"] = params
    if prompt:
        size = len(prompt.encode("utf-8", "replace"))
        given["prompt_hash"] = digest("prompt", prompt, params)
        given["block_hashes"] = block_names(prompt)
        given["block_tokens"] = tokens_a_block(size, tokens.input_tokens)
    if families:
        given["tool_names"] = _tools(families)
    if failed:
        given["status"] = "error"
        given["error_kind"] = (kind or message or "error")[:80]
    if end_ns >= start_ns:
        given["latency_ms"] = (end_ns - start_ns) / 1e6
    if seen.keys() & _SELDOM:
        given |= _seldom(seen)
    return UsageRecord(
        id=text(seen.get("id")) or f"{trace}:{span}",
        start=EPOCH + timedelta(microseconds=start_ns // 1000),
        model=model,
        provider=provider_named(text(seen.get("provider"))),
        operation=operation,
        trace=trace,
        span=span,
        parent=parent,
        source="otlp",
        **given,
    )


_SELDOM: Final = frozenset({"tier", "ttft", "ttft_ms", "tags", "finish", "cost", "costs"})


def _seldom(seen: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of what most spans do not say."""
    first_token, in_ms = duration_ms(seen.get("ttft"), 1), positive(seen.get("ttft_ms"))
    return {
        "service_tier": tier_of(seen["tier"]) if "tier" in seen else "standard",
        "ttft_ms": in_ms if first_token is None else first_token,
        "tags": texts(seen["tags"]) if "tags" in seen else (),
        "finish_reason": _finish(seen["finish"]) if "finish" in seen else "",
        "cost_recorded": _cost(seen),
    }


_IN_FAMILY: Final = frozenset(key for key in SLOTS if key.startswith("gen_ai.completion."))


def _sorted(attributes: Attributes) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the attributes say by slot, and those of numbered or named families as they are."""
    seen: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    families: dict[str, Any] = {}
    for key, value in attributes.items():
        place = SLOTS.get(key)
        if place is None:
            if key.startswith(PREFIXES):
                families[key] = value
        elif value is not None and value != "":
            slot, rank = place
            if slot not in ranks or rank < ranks[slot]:
                seen[slot], ranks[slot] = value, rank
            if key in _IN_FAMILY:
                families[key] = value
    return seen, families


def _asked_model(seen: Mapping[str, Any]) -> str:
    """The model asked for, where a failed call names it in its request alone."""
    for slot in ("stated", "shown"):
        if model := text(mapping(seen.get(slot)).get("model")):
            return model
    return ""


_WHOLE: Final = {int}


def _cost(seen: Mapping[str, Any]) -> float | None:
    said = seen.get("cost")
    return positive(
        mapping(seen["costs"]).get("total") if said is None and "costs" in seen else said
    )


def _tokens(seen: Mapping[str, Any]) -> Tokens:
    if "usage" in seen and (found := details_tokens(mapping(seen["usage"]))):
        return found
    if "raw" in seen and (found := _raw_tokens(mapping(seen["raw"]))):
        return found
    inputs, outputs = seen.get("input", 0), seen.get("output", 0)
    read, write = seen.get("read", 0), seen.get("write", 0)
    if (read or write) and _counts_beside(seen):
        inputs = count(inputs) + count(read) + count(write)
        seen = {name: value for name, value in seen.items() if name != "total"}
    reasoning = seen.get("reasoning", 0)
    counts = (inputs, outputs, read, write, reasoning)
    if (
        not seen.keys() & _TOLD_APART
        and {*map(type, counts)} == _WHOLE
        and min(counts) >= 0
        and max(counts) <= MAX_TOKENS
        and read + write <= inputs
        and reasoning <= outputs
    ):
        return Tokens(
            input_uncached=inputs - read - write,
            cache_read=read,
            cache_write_5m=write,
            reasoning=reasoning,
            output_text=outputs - reasoning,
        )
    return inclusive_tokens(
        {
            "prompt_tokens": inputs,
            "completion_tokens": outputs,
            "total_tokens": seen.get("total"),
            ANTHROPIC_READ: read,
            ANTHROPIC_WRITE: write,
            "reasoning_tokens": reasoning,
            "prompt_tokens_details": {
                "audio_tokens": seen.get("audio_in"),
                **mapping(seen.get("inside")),
            },
            "completion_tokens_details": {
                "audio_tokens": seen.get("audio_out"),
                **mapping(seen.get("outside")),
            },
        }
    )


def _raw_tokens(metadata: Mapping[str, Any]) -> Tokens | None:
    """The tokens of Anthropic's own usage object, which Vercel's SDK hands on."""
    usage = mapping(mapping(metadata.get("anthropic")).get("usage"))
    return tokens_of(usage) if usage and has_tokens(usage) else None


def _counts_beside(seen: Mapping[str, Any]) -> bool:
    """Whether cached tokens lie beside the input, whatever a total says.

    Vercel's SDK before its sixth version counts as its provider does; from then on it tells what
    was not cached, and its input holds all. OpenLLMetry counts Bedrock as Bedrock does.
    """
    if "beside" in seen:
        return True
    provider = text(seen.get("provider")).lower()
    return "vercel" in seen and "fresh" not in seen and any(name in provider for name in _BESIDE)


def _who(
    seen: Mapping[str, Any], resource: Attributes, families: Mapping[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        slot: text(seen[slot])
        for slot in ("user", "conversation", "feature", "team")
        if slot in seen
    }
    associated = (
        {
            key.removeprefix(prefix): value
            for key, value in families.items()
            for prefix in ASSOCIATED
            if key.startswith(prefix)
        }
        if families
        else {}
    )
    metadata = mapping(seen["metadata"]) if "metadata" in seen else {}
    if associated or metadata:
        found = attribution(found, associated, metadata)
        found.pop("trace", None)
    if not found.get("feature"):
        service = text(resource.get("service.name"))
        found["feature"] = "" if service.startswith("unknown_service") else service
    if not found.get("team"):
        found["team"] = text(first(resource, ("team", "service.namespace")))
    return found


def _prompt(seen: Mapping[str, Any], families: Mapping[str, Any]) -> tuple[str, str]:
    if not families and not seen.keys() & {"tools", "system", "messages", "shown", "stated"}:
        return "", ""
    request: dict[str, Any] = {}
    for slot in ("tools", "system", "messages"):
        if slot in seen:
            value = seen[slot]
            request[slot] = json_or(value, value) if isinstance(value, str) else value
    if "messages" not in request:
        shown = text(seen.get("shown"))
        numbered = _numbered(families)
        asked = json_or(shown, shown) if shown[:1] in ("{", "[") else shown
        if isinstance(asked, Mapping) and ("messages" in asked or "input" in asked):
            request |= asked
        elif numbered:
            request["messages"] = numbered
        elif shown:
            request["messages"] = shown
    listed = {
        key.removeprefix(PARAMS): value
        for key, value in families.items()
        if key.startswith(PARAMS) and not isinstance(value, Mapping)
    }
    params = request_params({**request, **mapping(seen.get("stated")), **listed})
    return prompt_text(request), params


def _numbered(attributes: Attributes) -> list[str]:
    """Messages as numbered attributes, such as gen_ai.prompt.0.content."""
    found: dict[int, list[str]] = {}
    for key in sorted(attributes):
        for prefix in ("gen_ai.prompt.", "llm.input_messages."):
            if key.startswith(prefix):
                place, _, rest = key[len(prefix) :].partition(".")
                if place.isdigit():
                    found.setdefault(int(place), []).append(f"{rest}={text(attributes[key])}")
    return [canonical(found[place]) for place in sorted(found)]


def _finish(found: object) -> str:
    if isinstance(found, str) and found.startswith("["):
        found = json_or(found, [])
    if isinstance(found, list | tuple):
        found = found[0] if found else ""
    return finish_reason({"stop_reason": text(found).replace("-", "_")})


def _tools(attributes: Attributes) -> tuple[str, ...]:
    names = [
        text(value)
        for key, value in sorted(attributes.items())
        if (
            key.startswith("gen_ai.completion.") and ".tool_calls." in key and key.endswith(".name")
        )
        or (key.startswith("llm.output_messages.") and key.endswith(".tool_call.function.name"))
    ]
    return tuple(dict.fromkeys(filter(None, names)))


def nanoseconds(value: object) -> int:
    """A time stamp as OTLP writes it (a number, or a number in text); 0 when it is none."""
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isdigit():
        return int(value[:20])
    found = number(value)
    return 0 if found is None else int(found)
