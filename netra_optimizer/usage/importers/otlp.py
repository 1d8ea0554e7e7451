"""OpenTelemetry traces: OTLP over HTTP in protobuf or JSON, and OTLP JSON in files.

In OTLP JSON ids are hex, in protobuf bytes; both become lower-case hex here. Token conventions are
those of the spans (see spans.py).
"""

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from netra_optimizer.usage.errors import FileDamaged, FileTooLarge
from netra_optimizer.usage.importers.base import (
    NOT_A_CALL,
    UNREADABLE,
    Chunk,
    Importer,
    Options,
    Outcome,
    chunk_of,
)
from netra_optimizer.usage.importers.spans import Attributes, nanoseconds, record_of_span
from netra_optimizer.usage.importers.values import mapping, text
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Rows

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

MAX_BODY: Final = 64 << 20
_FAILED: Final = 2
_SCOPES: Final = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")


class Spans(msgspec.Struct, frozen=True):
    """A decoded request: its calls, how many spans it held, and why others are no calls."""

    records: list[UsageRecord]
    spans: int
    dropped: dict[str, int]

    @property
    def rejected(self) -> int:
        """Spans of calls that could not be used; spans of anything else are no loss."""
        return sum(count for reason, count in self.dropped.items() if reason != NOT_A_CALL)


def decode_traces(
    body: bytes, *, content_type: str, content_encoding: str = "", limit: int = MAX_BODY
) -> Spans:
    """An ExportTraceServiceRequest in protobuf (`application/x-protobuf`) or JSON.

    Raises FileDamaged for a body that is none, FileTooLarge for one beyond `limit` bytes unpacked.
    """
    data = _unpacked(body, content_encoding, limit)
    kind = content_type.partition(";")[0].strip().lower()
    outcomes = _json(data) if kind == "application/json" else _protobuf(data)
    records: list[UsageRecord] = []
    dropped: Counter[str] = Counter()
    for outcome in outcomes:
        if isinstance(outcome, str):
            dropped[outcome] += 1
        else:
            records.append(outcome)
    return Spans(records, len(records) + sum(dropped.values()), dict(dropped))


class OtlpImporter(Importer):
    """Files of OTLP JSON: one request a line, or one document."""

    name = "otlp"
    title = "OpenTelemetry spans (OTLP JSON)"
    convention = "input tokens include cached ones, unless the numbers say otherwise"

    def score(self, rows: Rows) -> float:
        """Sure by resource spans."""
        return 0.98 if any(_is_otlp(row) for row in rows.sample) else 0.0

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Spans in chunks of CHUNK_ROWS; the audit counts spans."""
        records: list[UsageRecord] = []
        dropped: Counter[str] = Counter()
        for row in rows.dicts():
            outcomes = (row,) if isinstance(row, str) else _outcomes([row])
            for outcome in outcomes:
                if isinstance(outcome, str):
                    dropped[outcome] += 1
                else:
                    records.append(outcome)
            if len(records) >= CHUNK_ROWS:
                yield chunk_of(records, dropped)
                records, dropped = [], Counter()
        yield chunk_of(records, dropped)


def _is_otlp(row: Mapping[str, Any]) -> bool:
    return any(name in row for name in ("resourceSpans", "resource_spans", *_SCOPES))


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    try:
        if encoding.strip().lower() == "gzip":
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
                body = file.read(limit + 1)
        elif encoding.strip().lower() == "deflate":
            body = zlib.decompressobj().decompress(body, limit + 1)
    except (OSError, EOFError, zlib.error):
        raise FileDamaged("The body cannot be unpacked.", hint="Send it again.") from None
    if len(body) > limit:
        raise FileTooLarge(
            f"The body unpacks to more than {limit >> 20} MiB.", hint="Send smaller batches."
        )
    return body


def _json(data: bytes) -> Iterator[Outcome]:
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise FileDamaged("The body is no OTLP JSON.", hint="Send an ExportTraceServiceRequest.")
    return _outcomes([document])


def _outcomes(documents: Sequence[Mapping[str, Any]]) -> Iterator[Outcome]:
    for document in documents:
        for holder in _holders(document):
            resource = _attributes(mapping(holder.get("resource")).get("attributes"))
            for scope in _scopes(holder):
                for span in _list(scope.get("spans")):
                    yield _from_json(span, resource)


def _holders(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for name in ("resourceSpans", "resource_spans"):
        if name in document:
            return _list(document[name])
    return [document]


def _scopes(holder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _SCOPES:
        yield from _list(holder.get(name))


def _list(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _from_json(span: Mapping[str, Any], resource: Attributes) -> Outcome:
    try:
        status = mapping(span.get("status"))
        return record_of_span(
            _attributes(span.get("attributes")),
            resource,
            trace=text(span.get("traceId") or span.get("trace_id")).lower(),
            span=text(span.get("spanId") or span.get("span_id")).lower(),
            parent=text(span.get("parentSpanId") or span.get("parent_span_id")).lower(),
            start_ns=nanoseconds(span.get("startTimeUnixNano") or span.get("start_time_unix_nano")),
            end_ns=nanoseconds(span.get("endTimeUnixNano") or span.get("end_time_unix_nano")),
            failed=status.get("code") in (_FAILED, "STATUS_CODE_ERROR"),
            message=text(status.get("message")),
        )
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
        return UNREADABLE


def _attributes(listed: object) -> dict[str, Any]:
    return {text(item.get("key")): _value(item.get("value")) for item in _list(listed)}


def _value(value: object) -> Any:
    if not isinstance(value, Mapping):
        return value
    for kind, found in value.items():
        if found is None:  # other kinds of value, where each is a column
            continue
        if kind in ("intValue", "int_value"):
            return int(found)
        if kind in ("arrayValue", "array_value"):
            return [_value(item) for item in _list(mapping(found).get("values"))]
        if kind in ("kvlistValue", "kvlist_value"):
            return _attributes(mapping(found).get("values"))
        return found
    return None


def _protobuf(data: bytes) -> Iterator[Outcome]:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(data)
    except DecodeError:
        raise FileDamaged(
            "The body is no OTLP protobuf.", hint="Send an ExportTraceServiceRequest."
        ) from None
    for holder in request.resource_spans:
        resource = _pb_attributes(holder.resource.attributes)
        for scope in holder.scope_spans:
            for span in scope.spans:
                yield _from_protobuf(span, resource)


def _from_protobuf(span: "Span", resource: Attributes) -> Outcome:
    try:
        failed = span.status.code == _FAILED
        return record_of_span(
            _pb_attributes(span.attributes),
            resource,
            trace=span.trace_id.hex(),
            span=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            failed=failed,
            message=span.status.message if failed else "",
        )
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
        return UNREADABLE


def _pb_attributes(items: "Iterable[KeyValue]") -> dict[str, Any]:
    """Attributes by key. The two kinds that nearly all are of take no call of ours."""
    found: dict[str, Any] = {}
    for item in items:
        value = item.value
        kind = value.WhichOneof("value")
        if kind == "string_value":
            found[item.key] = value.string_value
        elif kind == "int_value":
            found[item.key] = value.int_value
        else:
            found[item.key] = _pb_value(value)
    return found


def _pb_value(value: "AnyValue") -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "array_value":
        return [_pb_value(item) for item in found.values]
    if kind == "kvlist_value":
        return _pb_attributes(found.values)
    return found
