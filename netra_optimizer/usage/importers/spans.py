"""A span of OpenTelemetry as a call to a model, by whichever convention it was written.

| convention | tokens | cached tokens |
|---|---|---|
| gen_ai, new names | gen_ai.usage.input_tokens, output_tokens | inside the input |
| gen_ai, old names | gen_ai.usage.prompt_tokens, completion_tokens | inside the input |
| OpenLLMetry | the same, llm.usage.total_tokens | inside the input |
| OpenInference | llm.token_count.prompt, completion | inside the prompt |

Where the numbers say that cached tokens lie beside the input (they exceed it, or a total counts
them on top), they are taken so. Spans of agents, chains and tools repeat the tokens of the calls
below them and are no calls.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

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
from netra_optimizer.usage.importers.prompts import (
    block_names,
    prompt_text,
    request_params,
    tokens_a_block,
)
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens, inclusive_tokens
from netra_optimizer.usage.importers.values import (
    canonical,
    digest,
    first,
    has_count,
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

_CALLS: Final = {
    "chat": "chat", "text_completion": "completion", "completion": "completion",
    "generate_content": "chat", "embeddings": "embeddings", "embedding": "embeddings",
    "rerank": "rerank", "llm": "chat",
}  # fmt: skip
_MODEL: Final = (
    "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "embedding.model_name",
    "llm.response.model", "llm.request.model", "ai.response.model", "ai.model.id",
)  # fmt: skip
_PROVIDER: Final = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "llm.vendor",
)
_INPUT: Final = (
    "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
    "llm.usage.prompt_tokens", "ai.usage.promptTokens",
)  # fmt: skip
_OUTPUT: Final = (
    "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
    "llm.usage.completion_tokens", "ai.usage.completionTokens",
)  # fmt: skip
_TOTAL: Final = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total")
_READ: Final = (
    "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached", "gen_ai.usage.cached_tokens",
    "gen_ai.usage.cache_read_tokens", "llm.token_count.prompt_details.cache_read",
    "gen_ai.usage.details.cached_tokens", "gen_ai.usage.details.cache_read_tokens",
)  # fmt: skip
_WRITE: Final = (
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_write_tokens",
    "llm.token_count.prompt_details.cache_write", "gen_ai.usage.details.cache_write_tokens",
)  # fmt: skip
_REASONING: Final = (
    "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning", "llm.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning", "gen_ai.usage.details.reasoning_tokens",
)  # fmt: skip
_TTFT_S: Final = (
    "gen_ai.server.time_to_first_token", "gen_ai.response.time_to_first_chunk",
    "gen_ai.response.time_to_first_token",
)  # fmt: skip
_TIER: Final = (
    "openai.response.service_tier", "gen_ai.openai.response.service_tier",
    "gen_ai.response.service_tier", "openai.request.service_tier", "gen_ai.request.service_tier",
    "gen_ai.openai.request.service_tier",
)  # fmt: skip
_PARAMS: Final = "gen_ai.request."
_ASSOCIATED: Final = "traceloop.association.properties."
_LATEST_NS: Final = 7_258_118_400 * 10**9


def record_of_span(
    attributes: Attributes,
    resource: Attributes,
    *,
    name: str,
    trace: str,
    span: str,
    parent: str,
    start_ns: int,
    end_ns: int,
    failed: bool,
    message: str = "",
) -> Outcome:
    """The call a span records, or why it records none."""
    operation = _operation(attributes)
    given = [first(attributes, names) for names in (_INPUT, _OUTPUT)]
    counted = any(map(has_count, given))
    if not operation and not (counted and _stated_kind(attributes) == ""):
        return NOT_A_CALL
    if not 0 < start_ns < _LATEST_NS:
        return BAD_TIME
    model = text(first(attributes, _MODEL)) or _asked_model(attributes)
    if not model:
        return NO_MODEL
    kind = text(attributes.get("error.type"))
    failed = failed or bool(kind)
    try:
        tokens = _tokens(attributes, given) if counted else None
    except RowRefused as refused:
        return refused.reason
    if tokens is None:
        if not failed:
            return NO_TOKENS
        tokens = NOTHING
    associated = {
        key.removeprefix(_ASSOCIATED): value
        for key, value in attributes.items()
        if key.startswith(_ASSOCIATED)
    }
    metadata = mapping(attributes.get("metadata"))
    prompt, params = _prompt(attributes)
    first_token = positive(first(attributes, _TTFT_S))
    return UsageRecord(
        id=text(first(attributes, ("gen_ai.response.id", "llm.response.id"))) or f"{trace}:{span}",
        start=EPOCH + timedelta(microseconds=start_ns // 1000),
        model=model,
        provider=_provider(text(first(attributes, _PROVIDER))),
        operation=operation or "chat",
        service_tier=tier_of(first(attributes, _TIER)),
        latency_ms=(end_ns - start_ns) / 1e6 if end_ns >= start_ns else None,
        ttft_ms=None if first_token is None else first_token * 1000,
        **{bucket: getattr(tokens, bucket) for bucket in Tokens.__struct_fields__},
        **_who(attributes, resource, associated, metadata),
        tags=texts(first(attributes, ("tag.tags", "tags")) or ()),
        trace=trace,
        span=span,
        parent=parent,
        status="error" if failed else "ok",
        error_kind=(kind or message or "error")[:80] if failed else "",
        params=params,
        prompt_hash=digest("prompt", prompt, params) if prompt else "",
        block_hashes=block_names(prompt) if prompt else (),
        block_tokens=tokens_a_block(len(prompt.encode("utf-8", "replace")), tokens.input_tokens)
        if prompt
        else 0,
        finish_reason=_finish(attributes),
        tool_names=_tools(attributes),
        source="otlp",
        cost_recorded=positive(
            first(attributes, ("gen_ai.usage.cost", "llm.cost.total", "operation.cost"))
        ),
    )


def _asked_model(attributes: Attributes) -> str:
    """The model asked for, where a failed call names it in its request alone."""
    for key in ("llm.invocation_parameters", "input.value"):
        if model := text(mapping(attributes.get(key)).get("model")):
            return model
    return ""


def _stated_kind(attributes: Attributes) -> str:
    return text(
        first(
            attributes,
            ("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind"),
        )
    )


def _operation(attributes: Attributes) -> str:
    named = text(attributes.get("gen_ai.operation.name")).lower()
    if named:
        return _CALLS.get(named, "")
    kind = text(attributes.get("openinference.span.kind")).lower()
    if kind:
        return _CALLS.get(kind, "")
    return _CALLS.get(text(attributes.get("llm.request.type")).lower(), "")


def _tokens(attributes: Attributes, given: list[Any]) -> Tokens:
    usage = {
        "prompt_tokens": given[0],
        "completion_tokens": given[1],
        "total_tokens": first(attributes, _TOTAL),
        "cache_read_tokens": first(attributes, _READ),
        "cache_write_tokens": first(attributes, _WRITE),
        "reasoning_tokens": first(attributes, _REASONING),
        "prompt_tokens_details": {
            "audio_tokens": attributes.get("llm.token_count.prompt_details.audio"),
        },
        "completion_tokens_details": {
            "audio_tokens": attributes.get("llm.token_count.completion_details.audio"),
        },
    }
    usage["prompt_tokens"] = 0 if given[0] is None else given[0]
    return inclusive_tokens(usage)


_PROVIDERS: Final = {
    "az.ai.openai": "azure", "azure.ai.openai": "azure", "az.ai.inference": "azure",
    "azure.ai.inference": "azure", "aws.bedrock": "aws", "aws_bedrock": "aws", "gcp.gemini":
    "google",
    "gcp.vertex_ai": "google", "gcp.gen_ai": "google", "vertex_ai": "google", "vertexai": "google",
    "google_genai": "google", "mistral_ai": "mistral", "mistralai": "mistral", "x_ai": "x-ai",
    "xai": "x-ai",
}  # fmt: skip


def _provider(named: str) -> str:
    return _PROVIDERS.get(named.lower(), named.lower())


def _who(*sources: Mapping[str, Any]) -> dict[str, Any]:
    attributes, resource, *free = sources
    named = {
        "user": first(attributes, ("user.id", "enduser.id", "gen_ai.user.id")),
        "conversation": first(
            attributes, ("gen_ai.conversation.id", "session.id", "conversation.id")
        ),
        "feature": first(
            attributes,
            ("feature", "gen_ai.agent.name", "traceloop.workflow.name", "code.function.name"),
        ),
        "team": first(attributes, ("team", "team.id")),
    }
    found = attribution({k: v for k, v in named.items() if v is not None}, *free)
    found.pop("trace", None)
    if not found.get("feature"):
        service = text(first(resource, ("service.name",)))
        found["feature"] = "" if service.startswith("unknown_service") else service
    if not found.get("team"):
        found["team"] = text(first(resource, ("team", "service.namespace")))
    return found


def _prompt(attributes: Attributes) -> tuple[str, str]:
    request: dict[str, Any] = {}
    for key in ("gen_ai.tool.definitions", "gen_ai.system_instructions", "gen_ai.input.messages"):
        value = attributes.get(key)
        if value is not None:
            name = {"gen_ai.tool.definitions": "tools", "gen_ai.system_instructions": "system"}
            request[name.get(key, "messages")] = (
                json_or(value, value) if isinstance(value, str) else value
            )
    if "messages" not in request:
        shown = text(attributes.get("input.value"))
        numbered = _numbered(attributes)
        asked = json_or(shown, shown) if shown[:1] in "{[" and shown else shown
        if isinstance(asked, Mapping) and ("messages" in asked or "input" in asked):
            request |= asked
        elif numbered:
            request["messages"] = numbered
        elif shown:
            request["messages"] = shown
    stated = mapping(attributes.get("llm.invocation_parameters"))
    listed = {
        key.removeprefix(_PARAMS): value
        for key, value in attributes.items()
        if key.startswith(_PARAMS) and not isinstance(value, Mapping)
    }
    params = request_params({**request, **stated, **listed})
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


def _finish(attributes: Attributes) -> str:
    found = first(
        attributes,
        (
            "gen_ai.response.finish_reasons",
            "gen_ai.completion.0.finish_reason",
            "llm.response.finish_reason",
        ),
    )
    if isinstance(found, str) and found.startswith("["):
        found = json_or(found, [])
    if isinstance(found, list | tuple):
        found = found[0] if found else ""
    return finish_reason({"stop_reason": found})


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
