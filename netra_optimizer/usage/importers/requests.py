"""Plain logs of requests and responses, as an application writes them around its provider's SDK.

A line is `{"timestamp", "request", "response"}`: bodies as OpenAI (chat completions, responses,
embeddings), Anthropic, Google, Bedrock and those who speak like them take and send them. The usage
object inside the response is read by its own convention (see tokens.py).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from netra_optimizer.usage.importers.answers import (
    answer_of,
    error_kind,
    finish_reason,
    model_of,
    tier_of,
    tool_names,
    usage_of,
)
from netra_optimizer.usage.importers.attribution import attribution, tags_of
from netra_optimizer.usage.importers.base import NO_MODEL, Options, Outcome, RowImporter
from netra_optimizer.usage.importers.prompts import (
    block_names,
    prompt_hash,
    prompt_text,
    request_params,
    tokens_a_block,
)
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens, tokens_of
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
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

TIMES: Final = (
    "timestamp",
    "time",
    "start_time",
    "startTime",
    "created_at",
    "started_at",
    "ts",
    "date",
)
_ENDS: Final = ("end_time", "endTime", "ended_at", "completed_at", "response_timestamp")
_REQUESTS: Final = ("request", "req", "request_body", "requestBody", "input_body", "kwargs")
_RESPONSES: Final = ("response", "resp", "response_body", "responseBody", "result", "completion")
_MS: Final = ("latency_ms", "duration_ms", "response_time_ms", "elapsed_ms", "latencyMs")
_SECONDS: Final = ("latency_s", "duration_s", "latency", "duration", "elapsed", "response_time")
_TTFT_MS: Final = ("ttft_ms", "time_to_first_token_ms", "first_token_ms")
_TTFT_S: Final = ("ttft", "ttft_s", "time_to_first_token")
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
        for row in rows.sample[:8]:
            request, answer = _bodies(row)
            asks = any(key in request for key in ("messages", "input", "prompt", "contents"))
            if asks and any(name in row for name in _RESPONSES):
                return 0.95
            if request and answer and usage_of(answer):
                best = 0.9
            elif not request and usage_of(row) and (model_of(row) or "id" in row):
                best = max(best, 0.6)
        return best

    def read(self, row: Row, options: Options) -> Outcome:
        """One call."""
        request, answer = _bodies(row)
        start = moment(_first_time(row, answer), options.timezone)
        model = (
            model_of(answer) or text(first(request, ("model", "modelId"))) or text(row.get("model"))
        )
        if not (model or options.model):
            return NO_MODEL
        failed = error_kind(answer, row.get("error"), _http_status(row))
        usage = usage_of(answer) or mapping(row.get("usage"))
        tokens = NOTHING if failed and not usage else tokens_of(usage)
        return self._record(row, request, answer, start, model, tokens, failed, options)

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
            provider=text(row.get("provider")) or _provider(answer, request),
            operation=_operation(request, answer),
            service_tier=_tier(row, request, answer),
            latency_ms=_duration(row, _MS, _SECONDS) or milliseconds(start, end),
            ttft_ms=_duration(row, _TTFT_MS, _TTFT_S),
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
            cost_recorded=positive(first(row, _COSTS)),
        )


def _bodies(row: Row) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    request = mapping(first(row, _REQUESTS))
    if isinstance(body := request.get("body"), Mapping | str) and "messages" not in request:
        request = mapping(body)
    raw = first(row, _RESPONSES)
    answer = answer_of(raw) if raw is not None else (row if not request else {})
    return request, answer


def _first_time(row: Row, answer: Mapping[str, Any]) -> object:
    found = first(row, TIMES)
    return found if found is not None else first(answer, ("created", "created_at", "createTime"))


def _http_status(row: Row) -> object:
    status = first(row, ("status_code", "http_status", "statusCode"))
    return f"http_{status}" if type(status) is int and status >= 400 else None


def _identity(
    row: Row, answer: Mapping[str, Any], request: Mapping[str, Any], start: datetime
) -> str:
    found = first(row, ("id", "request_id", "requestId", "call_id")) or first(
        answer, ("id", "responseId")
    )
    if found is not None:
        return text(found)
    return content_id("request", start, canonical(request), canonical(answer))


def _provider(answer: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    if answer.get("type") == "message" or "stop_reason" in answer or "anthropic_version" in request:
        return "" if "." in model_of(answer) else "anthropic"
    if "candidates" in answer or "contents" in request:
        return "google"
    if "x_groq" in answer:
        return "groq"
    return ""


def _operation(request: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    if answer.get("object") == "list" or ("input" in request and "encoding_format" in request):
        return "embeddings"
    if answer.get("object") == "text_completion":
        return "completion"
    return "chat"


def _tier(row: Row, request: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    if row.get("batch") is True or text(answer.get("object")) == "batch":
        return "batch"
    usage = usage_of(answer)
    found = first(answer, ("service_tier", "serviceTier")) or usage.get("service_tier")
    if usage.get("speed") == "fast":
        return "fast"
    return tier_of(found or row.get("service_tier") or request.get("service_tier"))


def _duration(row: Row, in_ms: tuple[str, ...], in_s: tuple[str, ...]) -> float | None:
    found = positive(first(row, in_ms))
    if found is None and (seconds := positive(first(row, in_s))) is not None:
        return seconds * 1000
    return found
