"""Log records of OpenTelemetry (OTLP JSON) in which agents report their calls.

| event | cached tokens | reasoning |
|---|---|---|
| claude_code.api_request | beside input_tokens | inside output_tokens |
| codex.sse_event (response.completed) | inside input_token_count | inside output_token_count |
| gemini_cli.api_response | inside input_token_count | beside output_token_count |

Events by OpenTelemetry's own conventions (gen_ai.…) are read as its spans are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from netra_optimizer.usage.batch import EPOCH, to_us
from netra_optimizer.usage.importers.answers import claude_seller, tier_of
from netra_optimizer.usage.importers.base import (
    BAD_TIME,
    NO_MODEL,
    NOT_A_CALL,
    UNREADABLE,
    Chunk,
    Importer,
    Options,
    Outcome,
    RowRefused,
    chunk_of,
)
from netra_optimizer.usage.importers.conventions import (
    anthropic_tokens,
    gemini_tokens,
    inclusive_tokens,
)
from netra_optimizer.usage.importers.span_names import SLOTS
from netra_optimizer.usage.importers.spans import nanoseconds, record_of_span
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.values import (
    canonical,
    content_id,
    first,
    mapping,
    optional_moment,
    positive,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Row, Rows

Attributes = Mapping[str, Any]
"""Attributes by key; Any: OpenTelemetry's values."""

_HOLDERS: Final = ("resourceLogs", "resource_logs")
_SCOPES: Final = ("scopeLogs", "scope_logs")
_RECORDS: Final = ("logRecords", "log_records")
_TIMES: Final = (
    "timeUnixNano",
    "time_unix_nano",
    "observedTimeUnixNano",
    "observed_time_unix_nano",
)
_FLAT: Final = ("attributes", "LogAttributes", "log_attributes")
"""A record's attributes: a list in OTLP, an object where a store of logs has a row for each."""
_NAME: Final = "event.name"
_AGENTS: Final = ("claude_code.", "codex.", "gemini_cli.", "qwen-code.")
_COUNTS: Final = "gen_ai.usage."
_LATEST_NS: Final = 7_258_118_400 * 10**9


class OtlpLogsImporter(Importer):
    """Files of OTLP JSON with log records: one request a line, or one document."""

    name = "otlp_logs"
    title = "OpenTelemetry log records of agents (OTLP JSON)"
    convention = "as each agent's provider counts"

    def score(self, rows: Rows) -> float:
        """Sure by resource logs, or by an agent's event or counts among a row's attributes."""
        if any(name in row for row in rows.sample for name in _HOLDERS):
            return 0.98
        return 0.95 if any(_tells(mapping(first(row, _FLAT))) for row in rows.sample) else 0.0

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Log records in chunks of CHUNK_ROWS; the audit counts log records."""
        records: list[UsageRecord] = []
        dropped: Counter[str] = Counter()
        for row in rows.dicts():
            for outcome in (row,) if isinstance(row, str) else _outcomes(row):
                if isinstance(outcome, str):
                    dropped[outcome] += 1
                else:
                    records.append(outcome)
            if len(records) >= CHUNK_ROWS:
                yield chunk_of(records, dropped)
                records, dropped = [], Counter()
        yield chunk_of(records, dropped)


def _tells(attributes: Attributes) -> bool:
    if _NAME not in attributes:
        return False
    said = text(attributes[_NAME])
    known = said.rpartition(".")[2] in _EVENTS and "model" in attributes
    return known or said.startswith(_AGENTS) or any(name.startswith(_COUNTS) for name in attributes)


def _outcomes(row: Row) -> Iterator[Outcome]:
    if first(row, _HOLDERS) is None:
        yield _safely(row, mapping(first(row, ("ResourceAttributes", "resource_attributes"))))
    for holder in _dicts(first(row, _HOLDERS)):
        resource = _attributes(mapping(holder.get("resource")).get("attributes"))
        for scope in _dicts(first(holder, _SCOPES)):
            for record in _dicts(first(scope, _RECORDS)):
                yield _safely(record, resource)


def _safely(record: Row, resource: Attributes) -> Outcome:
    try:
        return _outcome(record, resource)
    except RowRefused as refused:
        return refused.reason
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return UNREADABLE


def _time_ns(record: Row) -> int:
    if (stamp := first(record, _TIMES)) is not None:
        return nanoseconds(stamp)
    found = optional_moment(first(record, ("Timestamp", "timestamp", "ts", "time")))
    return 0 if found is None else to_us(found) * 1000


def _outcome(record: Row, resource: Attributes) -> Outcome:
    held = first(record, _FLAT)
    attributes = mapping(held) or _attributes(held)
    at_ns = _time_ns(record)
    trace, span = (
        text(first(record, names)).lower() for names in (("traceId", "trace_id"), ("spanId",))
    )
    said = text(attributes.get("event.name") or first(record, ("eventName", "event_name")))
    event = said.rpartition(".")[2] if said else ""
    told = _EVENTS.get(event)
    if told is None:
        if not any(name.startswith(_COUNTS) for name in attributes.keys() & SLOTS.keys()):
            return NOT_A_CALL
        found = record_of_span(
            attributes, resource, trace=trace, span=span, parent="", start_ns=at_ns, end_ns=-1,
            failed=False,
        )  # fmt: skip
        if isinstance(found, str) or "gen_ai.response.id" in attributes:
            return found
        return msgspec.structs.replace(found, id=_content_id(event, at_ns, attributes))
    if event == "sse_event" and attributes.get("event.kind") != "response.completed":
        return NOT_A_CALL
    if not 0 < at_ns < _LATEST_NS:
        return BAD_TIME
    return _call(attributes, resource, at_ns, event, told)


def _call(
    attributes: Attributes,
    resource: Attributes,
    at_ns: int,
    event: str,
    told: "tuple[str, Callable[[Attributes], Tokens]]",
) -> Outcome:
    """The call that an agent's event reports at its end."""
    maker, tokens_of = told
    model = text(attributes.get("model"))
    if not model:
        return NO_MODEL
    provider = maker if _MADE.get(maker, maker) in model else ""
    if maker == "anthropic":
        provider = claude_seller(model)
    lasted = positive(attributes.get("duration_ms"))
    start_ns = at_ns - int((lasted or 0.0) * 1e6)
    failed = event == "api_error"
    kind = text(first(attributes, ("error.type", "error_type", "error", "status_code")))
    tokens = NOTHING if failed else tokens_of(attributes)
    own = text(first(attributes, ("request_id", "gen_ai.response.id")))
    return UsageRecord(
        id=own or _content_id(event, at_ns, attributes),
        start=EPOCH + timedelta(microseconds=start_ns // 1000),
        model=model,
        provider=provider,
        service_tier="fast" if attributes.get("speed") == "fast" else tier_of(None),
        latency_ms=lasted,
        **{name: getattr(tokens, name) for name in Tokens.__struct_fields__},
        user=text(first(attributes, ("user.email", "user.id", "user.account_uuid"))),
        team=text(first(resource, ("team", "team.id", "department"))),
        feature=text(resource.get("service.name")),
        conversation=text(first(attributes, ("session.id", "conversation.id"))),
        status="error" if failed else "ok",
        error_kind=(kind[:80] or "error") if failed else "",
        cost_recorded=positive(attributes.get("cost_usd")),
    )


def _content_id(event: str, at_ns: int, attributes: Attributes) -> str:
    return content_id("otlp_logs", event, at_ns, canonical(dict(attributes)))


def _claude_code(attributes: Attributes) -> Tokens:
    return anthropic_tokens(
        {
            "input_tokens": attributes.get("input_tokens"),
            "output_tokens": attributes.get("output_tokens"),
            "cache_read_input_tokens": attributes.get("cache_read_tokens"),
            "cache_creation_input_tokens": attributes.get("cache_creation_tokens"),
        }
    )


def _codex(attributes: Attributes) -> Tokens:
    return inclusive_tokens(
        {
            "input_tokens": attributes.get("input_token_count"),
            "output_tokens": attributes.get("output_token_count"),
            "cached_tokens": attributes.get("cached_token_count"),
            "reasoning_tokens": attributes.get("reasoning_token_count"),
        }
    )


def _gemini_cli(attributes: Attributes) -> Tokens:
    return gemini_tokens(
        {
            "prompt_token_count": attributes.get("input_token_count"),
            "candidates_token_count": attributes.get("output_token_count"),
            "cached_content_token_count": attributes.get("cached_content_token_count"),
            "thoughts_token_count": attributes.get("thoughts_token_count"),
            "tool_use_prompt_token_count": attributes.get("tool_token_count"),
            "total_token_count": attributes.get("total_token_count"),
        }
    )


_MADE: Final = {"openai": "", "google": "gemini"}
"""What is in the names of a maker's models; its agent may call those of others."""
_EVENTS: Final = {
    "api_request": ("anthropic", _claude_code),
    "api_error": ("", _claude_code),
    "sse_event": ("openai", _codex),
    "api_response": ("google", _gemini_cli),
}
"""By the last part of an event's name: who answered, and how it counts."""


def _dicts(value: object) -> list[Row]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _attributes(listed: object) -> dict[str, Any]:
    return {text(item.get("key")): _value(item.get("value")) for item in _dicts(listed)}


def _value(value: object) -> Any:
    """The plain value of an attribute: a number, a text or a truth; None for lists and objects."""
    held = mapping(value)
    for kind in ("stringValue", "intValue", "doubleValue", "boolValue", "string_value",
                 "int_value", "double_value", "bool_value"):  # fmt: skip
        if (found := held.get(kind)) is not None:
            return found
    return None
