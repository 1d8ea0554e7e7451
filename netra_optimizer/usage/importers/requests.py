"""Plain logs of requests and responses, as an application writes them around its provider's SDK.

A line is `{"timestamp", "request", "response"}`: bodies as OpenAI (chat completions, responses,
embeddings), Anthropic, Google, Bedrock and those who speak like them take and send them. The usage
object inside the response is read by its own convention (see tokens.py).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from msgspec.structs import replace

from netra_optimizer.usage.importers.answers import (
    answer_of,
    cost_of,
    draws,
    error_kind,
    finish_reason,
    first_byte_ms,
    model_of,
    served_ms,
    tier_of,
    tool_names,
    usage_of,
)
from netra_optimizer.usage.importers.attribution import attribution, tags_of
from netra_optimizer.usage.importers.base import NO_MODEL, Options, Outcome, Parts, RowImporter
from netra_optimizer.usage.importers.buckets import parts_of
from netra_optimizer.usage.importers.conventions import tier_told
from netra_optimizer.usage.importers.durations import duration_ms
from netra_optimizer.usage.importers.inner_calls import with_inner_calls
from netra_optimizer.usage.importers.prompts import (
    block_names,
    prompt_hash,
    prompt_text,
    request_params,
    tokens_a_block,
)
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.usage_objects import has_tokens, tokens_of
from netra_optimizer.usage.importers.values import (
    canonical,
    content_id,
    first,
    mapping,
    milliseconds,
    moment,
    number,
    optional_moment,
    positive,
    text,
)
from netra_optimizer.usage.importers.wrapped import WRAPPERS, logged, untyped
from netra_optimizer.usage.names import provider_of_url
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

TIMES: Final = (
    "timestamp",
    "time",
    "start_time",
    "startTime",
    "created_at",
    "createdAt",
    "started_at",
    "ts",
    "date",
    "processed_time",
    "logging_time",
    "@timestamp",
    "created",
)
_ENDS: Final = ("end_time", "endTime", "ended_at", "completed_at", "response_timestamp")
_REQUESTS: Final = (
    "request", "req", "request_body", "requestBody", "input_body", "kwargs", "modelInput",
    "full_request",
)  # fmt: skip
_RESPONSES: Final = (
    "response", "resp", "response_body", "responseBody", "result", "completion", "modelOutput",
    "full_response",
)  # fmt: skip
_BATCHED: Final = ("custom_id", "modelOutput", "processed_time")
"""Keys of the files in which providers hand back the answers of a batch."""
_SAID: Final = re.compile("output|completion|candidates|eval_count|generated|prompt_tokens", re.I)
"""Names in a usage object; in counts of a prompt that was only measured there are none."""
_COUNTED: Final = re.compile("token|usage|count|units", re.I)
"""In the name of a usage object, or in its own: prices and lengths have inputs and outputs, too."""
_EMBEDDED: Final = ("embeddings", "embedding", "predictions")
_ANSWERED_BY_KEY: Final = ({"key", "response"}, {"key", "error"})
"""What lines of Gemini's batches hold and nothing else."""
_MODELS: Final = ("model", "model_name", "modelName", "model_id", "modelId", "deployment")
_PROVIDERS: Final = ("provider", "provider_name", "llm_provider", "vendor", "ai_org")
_URLS: Final = ("url", "base_url", "api_base", "endpoint", "target_url")
_IN_URL: Final = re.compile(r"/(?:models?|deployments)/([^/:?]+)[/:]")
_MEANINGLESS_ID: Final = re.compile(r"chatcmpl-\d{1,4}")
"""Ollama numbers its answers by chance, below a thousand."""
_MS: Final = ("latency_ms", "duration_ms", "response_time_ms", "elapsed_ms", "latencyMs")
_SECONDS: Final = ("latency_s", "duration_s")
_UNNAMED: Final = ("latency", "duration", "elapsed", "response_time", "responseTime")
_TTFT_MS: Final = ("ttft_ms", "time_to_first_token_ms", "first_token_ms")
_TTFT_S: Final = ("ttft_s",)
_TTFT_UNNAMED: Final = ("ttft", "time_to_first_token")
_COSTS: Final = ("cost", "cost_usd", "total_cost", "spend", "response_cost")


class RequestsImporter(RowImporter):
    """Request and response bodies with a time."""

    name = "requests"
    title = "request/response log (OpenAI, Anthropic and others)"
    convention = (
        "by the shape of each usage object: OpenAI's includes cached tokens, Anthropic's not"
    )

    def score(self, rows: Rows) -> float:
        """Sure when a request body stands beside a response body."""
        best = 0.0
        for row in map(_line, rows.sample[:8]):
            request, answer = _bodies(row)
            if _asks(request) and any(name in row for name in (*_RESPONSES, "error")):
                return 0.95
            if not usage_of(answer):
                continue
            if request or any(name in row for name in (*_BATCHED, *_RESPONSES, "schemaType")):
                best = 0.9
            elif model_of(answer) or "id" in answer or answer is not row:
                best = max(best, 0.6 if usage_of(answer_of(row)) else 0.3)
        return best

    def read(self, row: Row, options: Options) -> Outcome | Parts:
        """One call, or all of a batch that is told as one.

        One without a time happened at `start`, where that is given.
        """
        row = _line(row)
        request, answer = _bodies(row)
        stamp = _first_time(row, answer)
        start = moment(options.start if stamp is None else stamp, options.timezone)
        model = _model(row, request, answer)
        if not (model or options.model):
            return NO_MODEL
        failed = error_kind(answer, row.get("error"), _http_status(row))
        usage = usage_of(answer) or usage_of(row) or usage_of(_within(row))
        thinks_silently = "gemini" in model.lower()
        tokens = NOTHING if failed and not usage else tokens_of(usage, thinks_silently)
        if draws(answer):
            tokens = replace(tokens, output_text=0, image_out=tokens.output_tokens)
        record = self._record(row, request, answer, start, model, tokens, failed, options)
        summed = number(mapping(answer.get("request_counts")).get("completed")) or 0
        if summed < 2:
            return record if failed else with_inner_calls(record, answer)
        return parts_of(record, int(summed), optional_moment(answer.get("completed_at")))

    def _record(
        self,
        row: Row,
        request: Mapping[str, Any],
        answer: Mapping[str, Any],
        start: datetime,
        model: str,
        tokens: Tokens,
        failed: str,
        options: Options,
    ) -> UsageRecord:
        metadata = [mapping(row.get("metadata")), mapping(request.get("metadata"))]
        tags = tags_of(row, *metadata)
        prompt = prompt_text(request)
        size = len(prompt.encode("utf-8", "surrogatepass"))
        end = optional_moment(first(row, _ENDS), options.timezone)
        return UsageRecord(
            id=_identity(row, answer, request, start),
            start=start,
            model=model,
            provider=_provider(row, request, answer, model),
            operation=_operation(request, answer),
            service_tier=_tier(row, request, answer),
            latency_ms=_duration(row, _MS, _SECONDS, _UNNAMED, tokens.output_tokens)
            or milliseconds(start, end)
            or served_ms(answer),
            ttft_ms=_duration(row, _TTFT_MS, ("ttft_s",), _TTFT_UNNAMED, 1)
            or first_byte_ms(answer),
            **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
            **attribution(row, *metadata, request, tags=tags),
            tags=tags,
            status="error" if failed else "ok",
            error_kind=failed,
            attempt=max(1, int(number(first(row, ("attempt", "attempt_number"))) or 1)),
            retry_of=text(row.get("retry_of")),
            params=request_params(request),
            prompt_hash=prompt_hash(request),
            block_hashes=block_names(prompt) if prompt else (),
            block_tokens=tokens_a_block(size, tokens.input_tokens),
            finish_reason=finish_reason(answer),
            tool_names=tool_names(answer),
            quality=number(first(row, ("quality", "score"))),
            cost_recorded=_cost(row, answer),
        )


def _line(row: Row) -> Row:
    """What a line says, also one that a collector wrapped or a browser recorded (HAR)."""
    if "startedDateTime" not in row:
        inner = logged(row)
        return untyped(row) if inner is not row and _is_call(row) else inner
    asked, said = mapping(row.get("request")), mapping(row.get("response"))
    return {
        "timestamp": row["startedDateTime"],
        "latency_ms": row.get("time"),
        "url": asked.get("url"),
        "status_code": said.get("status"),
        "request": mapping(asked.get("postData")).get("text"),
        "response": mapping(said.get("content")).get("text"),
    }


def _is_call(row: Row) -> bool:
    """Whether a row is a call without what it holds under a collector's keys."""
    request, answer = _bodies({key: row[key] for key in row if key not in WRAPPERS})
    usage = usage_of(answer)
    return _asks(request) or (bool(usage) and has_tokens(usage))


def _asks(request: Mapping[str, Any]) -> bool:
    return any(key in request for key in ("messages", "input", "prompt", "contents"))


def _bodies(row: Row) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if row.get("schemaType") == "ModelInvocationLog":
        return _invocation(row)
    request = mapping(first(row, _REQUESTS))
    if isinstance(body := request.get("body"), Mapping | str) and "messages" not in request:
        request = {**{key: request[key] for key in _URLS if key in request}, **mapping(body)}
    raw = first(row, _RESPONSES)
    if raw is not None:
        return request, answer_of(raw)
    answer = {} if request else answer_of(row)
    return request, answer if usage_of(answer) else _within(row) or answer


def _within(row: Row) -> Mapping[str, Any]:
    """The answer, or its usage, that a log keeps under a name of its own; empty where none."""
    for name, value in row.items():
        if name in _REQUESTS or not isinstance(value, Mapping | list | str) or not value:
            continue
        answer = answer_of(value)
        if usage_of(answer):
            return answer
        held = mapping(value)
        counts = _COUNTED.search(" ".join((name, *held)))
        if counts and _SAID.search(" ".join(held)) and has_tokens(held):
            return {"usage": held}
    return {}


def _invocation(row: Row) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Bedrock's log of an invocation: bodies where they are logged, its own counts always."""
    asked, said = mapping(row.get("input")), mapping(row.get("output"))
    answer = answer_of(said.get("outputBodyJson"))
    counts = {key: value for key, value in (*asked.items(), *said.items()) if "TokenCount" in key}
    usage = usage_of(answer) or counts
    whole = {**answer, "model": row.get("modelId"), "usage": usage}
    if kind := row.get("errorCode"):
        whole["error"] = kind
    return mapping(asked.get("inputBodyJson")), whole


def _first_time(row: Row, answer: Mapping[str, Any]) -> object:
    found = first(row, TIMES)
    return found if found is not None else first(answer, ("created", "created_at", "createTime"))


def _http_status(row: Row) -> object:
    status = first(row, ("status_code", "http_status", "statusCode", "status"))
    return f"http_{status}" if type(status) is int and status >= 400 else None


def _identity(
    row: Row, answer: Mapping[str, Any], request: Mapping[str, Any], start: datetime
) -> str:
    own = text(first(row, ("id", "request_id", "requestId", "call_id")))
    found = own or text(first(answer, ("id", "responseId")))
    if found and not _MEANINGLESS_ID.fullmatch(found):
        return found
    return content_id("request", start, canonical(request), canonical(answer))


def _provider(row: Row, request: Mapping[str, Any], answer: Mapping[str, Any], model: str) -> str:
    """Who answered, by what the log says, the address asked, or marks only one provider leaves."""
    routed = text(answer.get("id")).startswith("gen-") and "provider" in answer
    named = text(first(row, _PROVIDERS)).strip()
    if named and not (routed and named == answer["provider"]):
        return named
    url = _url(row, request)
    if url and (found := provider_of_url(url)):
        return found
    if routed:
        return "openrouter"
    if cloud := _cloud(request, answer):
        return cloud
    if answer.get("type") == "message" or "anthropic_version" in request:
        return "anthropic" if model.startswith("claude") and "@" not in model else ""
    if "candidates" in answer or "contents" in request:
        return "google"
    usage = usage_of(answer)
    if "x_groq" in answer or ("queue_time" in usage and "prompt_time" in usage):
        return "groq"
    return "ollama" if "eval_duration" in answer and "load_duration" in answer else ""


def _cloud(request: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """The cloud that sold one of Anthropic's answers, by the marks it leaves."""
    version, name = text(request.get("anthropic_version")), text(answer.get("id"))
    for mark, prefix, cloud in (("bedrock", "msg_bdrk_", "aws"), ("vertex", "msg_vrtx_", "google")):
        if version.startswith(mark) or name.startswith(prefix):
            return cloud
    return ""


def _model(row: Row, request: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """The model that answered; at Bedrock the one asked, whose name says the region."""
    asked = text(first(request, ("modelId", "model", "model_id")))
    if "anthropic." in asked and _cloud(request, answer) == "aws":
        return asked
    said = first(row, _MODELS) or first(mapping(row.get("metadata")), _MODELS)
    return model_of(answer) or asked or text(said) or _model_in(_url(row, request))


def _url(row: Row, request: Mapping[str, Any]) -> str:
    return text(first(row, _URLS) or first(request, _URLS))


def _model_in(url: str) -> str:
    """The model that Google's, Bedrock's and Azure's addresses name."""
    found = _IN_URL.search(url)
    return unquote(found.group(1)) if found else ""


def _cost(row: Row, answer: Mapping[str, Any]) -> float | None:
    said = positive(first(row, _COSTS))
    if said is not None and text(row.get("cost_currency")).lower() in ("cents", "usd_cents"):
        return said / 100  # Portkey's
    return cost_of(answer) if said is None else said


def _operation(request: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    listed = answer.get("object") == "list" or not answer.keys().isdisjoint(_EMBEDDED)
    if listed or ("input" in request and "encoding_format" in request):
        return "embeddings"
    if answer.get("object") == "text_completion":
        return "completion"
    return "chat"


def _tier(row: Row, request: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    batched = any(name in row for name in _BATCHED) or row.keys() in _ANSWERED_BY_KEY
    if batched or row.get("batch") is True or text(answer.get("object")) == "batch":
        return "batch"
    usage = usage_of(answer)
    found = (
        first(answer, ("service_tier", "serviceTier"))
        or first(usage, ("service_tier", "serviceTier", "trafficType", "traffic_type"))
    )  # fmt: skip
    if usage.get("speed") == "fast":
        return "fast"
    said = found or tier_told(usage) or row.get("service_tier")
    return tier_of(said or request.get("service_tier"))


def _duration(
    row: Row,
    in_ms: tuple[str, ...],
    in_s: tuple[str, ...],
    unnamed: tuple[str, ...],
    outputs: int,
) -> float | None:
    found = positive(first(row, in_ms))
    if found is None and (seconds := positive(first(row, in_s))) is not None:
        return seconds * 1000
    return duration_ms(first(row, unnamed), outputs) if found is None else found
