"""Spans one a row, as SDKs print them and as stores of traces export them.

OpenTelemetry's console exporters (`{"context", "start_time", "attributes"}`), ClickHouse's table of
traces (`SpanAttributes`), Phoenix's and Arize's tables (`attributes.…`, a column each), Logfire's
records, Sentry's spans (`data`), Application Insights' dependencies (`customDimensions`), and rows
that hold many of them: Jaeger's and MLflow's traces, Sentry's transactions. Token conventions are
those of the spans (see spans.py).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from netra_optimizer.usage.batch import to_us
from netra_optimizer.usage.importers.base import NOT_A_CALL, Options, Outcome, RowImporter
from netra_optimizer.usage.importers.span_names import PREFIXES, SLOTS
from netra_optimizer.usage.importers.spans import record_of_span
from netra_optimizer.usage.importers.values import first, has_count, mapping, moment, number, text
from netra_optimizer.usage.sources.rows import Row, Rows

_ATTRIBUTES: Final = ("attributes", "SpanAttributes", "span_attributes", "Attributes")
_ANYTHING: Final = ("data", "customDimensions", "tags")
"""Where Sentry, Application Insights and Jaeger keep attributes, and others anything at all."""
_OF_CALLS: Final = frozenset({"model", "input", "output", "usage", "operation", "kind"})
_RESOURCES: Final = ("ResourceAttributes", "resource_attributes")
_PENDING: Final = "pending_span"
"""Logfire's row of a span that has only begun; another one follows at its end."""
_FLAT: Final = "attributes."
_STARTS: Final = (
    "start_time", "startTime", "Timestamp", "startTimeUnixNano", "start_time_unix_nano",
    "start_timestamp", "timestamp",
)  # fmt: skip
_ENDS: Final = ("end_time", "endTime", "endTimeUnixNano", "end_time_unix_nano", "end_timestamp")
_TRACES: Final = (
    "trace_id", "traceId", "TraceId", "context.trace_id", "traceID", "operation_Id",
)  # fmt: skip
_SPANS: Final = ("span_id", "spanId", "SpanId", "context.span_id", "spanID")
_DEPENDENCY: Final = "customDimensions"
_PARENTS: Final = (
    "parent_id", "parentId", "parent_span_id", "parentSpanId", "ParentSpanId", "operation_ParentId",
)  # fmt: skip
_HOLDERS: Final = ("data", "trace_data")
"""Where MLflow keeps a trace's spans."""
_SCOPES: Final = ("ScopeName", "scope_name", "otel_scope_name", "instrumentation_scope")
_STATUS: Final = ("status", "StatusCode", "status_code", "otel_status_code")
_MESSAGES: Final = (
    "StatusMessage", "status_message", "statusMessage", "otel_status_message", "exception_type",
)  # fmt: skip


class SpanRowsImporter(RowImporter):
    """One row a span."""

    name = "spans"
    title = "OpenTelemetry spans, one a row"
    convention = "input tokens include cached ones, unless the numbers say otherwise"

    def score(self, rows: Rows) -> float:
        """Sure by a span's id beside attributes of calls."""
        for row in rows.sample:
            for span in _spans(row) or (row,):
                if _span_id(span) and _tells(span):
                    return 0.96
        return 0.0

    def read(self, row: Row, options: Options) -> Outcome | list[Outcome]:
        """One span, or all that a row holds."""
        if not (spans := _spans(row)):
            return self._span(row, options)
        return [outcome for span in spans for outcome in self.outcomes(span, options)]

    def _span(self, row: Row, options: Options) -> Outcome:
        if row.get("kind") == _PENDING:
            return NOT_A_CALL
        resource = mapping(first(row, _RESOURCES)) or mapping(row.get("resource"))
        resource = mapping(resource.get("attributes")) or resource
        if service := text(row.get("ServiceName")):
            resource = {**resource, "service.name": service}
        attributes = _attributes(row)
        kind = text(row.get("span_kind"))
        if kind and "openinference.span.kind" not in attributes and _FLAT in "".join(row):
            attributes = {**attributes, "openinference.span.kind": kind}
        status = first(row, _STATUS)
        said = mapping(status)
        code = text(first(said, ("status_code", "code")) if said else status).upper()
        start = moment(first(row, _STARTS), options.timezone)
        return record_of_span(
            attributes,
            resource,
            trace=_id(row, _TRACES),
            span=_span_id(row),
            parent=_id(row, _PARENTS) or _caller(row),
            start_ns=to_us(start) * 1000,
            end_ns=_end_ns(row, start, options),
            failed=code in _FAILED or text(row.get("success")).lower() == "false",
            message=text(first(said, ("description", "message")) or first(row, _MESSAGES)),
            scope=text(mapping(row.get("scope")).get("name") or first(row, _SCOPES)),
        )


def _spans(row: Row) -> list[Row]:
    """The spans that a row holds."""
    for holder in (row, *(mapping(row.get(name)) for name in _HOLDERS)):
        held = holder.get("spans")
        if isinstance(held, list) and held:
            return [{**span} for span in held if isinstance(span, Mapping)]
    return []


def _tells(span: Row) -> bool:
    """Whether attributes speak of calls; those that may be anything name a model or counts."""
    if any(map(_speaks, _own_attributes(span))):
        return True
    return any(SLOTS[name][0] in _OF_CALLS for name in _attributes(span) if name in SLOTS)


def _speaks(name: str) -> bool:
    return name in SLOTS or name.startswith(PREFIXES)


def _attributes(row: Row) -> Mapping[str, Any]:
    if own := _own_attributes(row):
        return own
    held = (mapping(row.get(name)) or _tagged(row.get(name)) for name in _ANYTHING)
    return _flattened(next(filter(None, held), {}))


def _own_attributes(row: Row) -> Mapping[str, Any]:
    """What a row calls attributes, of a flat table those that hold something. Any: their values."""
    for name in _ATTRIBUTES:
        if found := mapping(row.get(name)):
            return _flattened(found)
    return {
        name.removeprefix(_FLAT): value
        for name, value in row.items()
        if name.startswith(_FLAT) and has_count(value)
    }


def _tagged(tags: object) -> Mapping[str, Any]:
    """Jaeger's attributes, a list of keys and values. Any: values of each key."""
    listed = map(mapping, tags if isinstance(tags, list) else ())
    return {text(tag["key"]): tag.get("value") for tag in listed if tag.get("key")}


def _flattened(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Attributes by their whole names, also where the table has them as objects in objects."""
    if not any(isinstance(value, Mapping) for value in attributes.values()):
        return attributes
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, Mapping) and name not in SLOTS:
            found |= {f"{name}.{inner}": held for inner, held in _flattened(value).items()}
        else:
            found[name] = value
    return found


def _id(row: Row, names: tuple[str, ...]) -> str:
    value = first(row, names) or first(mapping(row.get("context")), names)
    return text(value).lower().removeprefix("0x")


def _span_id(row: Row) -> str:
    return _id(row, _SPANS) or (text(row.get("id")) if _DEPENDENCY in row else "")


def _caller(row: Row) -> str:
    """The span that Jaeger's refers to."""
    listed = row.get("references")
    for reference in map(mapping, listed if isinstance(listed, list) else ()):
        if reference.get("refType") == "CHILD_OF":
            return text(reference.get("spanID"))
    return ""


def _end_ns(row: Row, start: datetime, options: Options) -> int:
    ended = first(row, _ENDS)
    if ended is None and "start_timestamp" in row:
        ended = row.get("timestamp")  # Sentry's
    if ended is not None:
        return to_us(moment(ended, options.timezone)) * 1000
    for name, mark, ns in _DURATIONS:
        if mark in row and (lasted := number(row.get(name))) is not None:
            return to_us(start) * 1000 + int(lasted * ns)
    return to_us(start) * 1000


_DURATIONS: Final = (
    ("Duration", "Duration", 1), ("duration", "operationName", 1e3), ("duration", _DEPENDENCY, 1e6),
)  # fmt: skip
"""A duration's name, what tells whose it is (ClickHouse's, Jaeger's, Application Insights'), and
how many nanoseconds it counts."""
_FAILED: Final = ("ERROR", "STATUS_CODE_ERROR", "2")
