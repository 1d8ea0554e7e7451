"""OpenTelemetry traces: OTLP over HTTP in protobuf or JSON, and OTLP JSON in files.

In OTLP JSON ids are hex, in protobuf bytes; both become lower-case hex here. Token conventions are
those of the spans (see spans.py).
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

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
from netra_optimizer.usage.importers.otlp_protobuf import FAILED, Body, outcomes_of_protobuf
from netra_optimizer.usage.importers.spans import Attributes, nanoseconds, record_of_span
from netra_optimizer.usage.importers.values import mapping, text
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Rows

MAX_BODY: Final = 64 << 20
MAX_VALUES: Final = 6_000_000
"""Of a JSON body: each takes some 60 bytes or more, however short it is written."""
_PART_SPANS: Final = 8192
_UNPACK_STEP: Final = 1 << 20
_PACKED_STEP: Final = 256 << 10
_FIRST_STEP: Final = 1 << 10
"""Of each packed stream; what lies behind its end is copied, and there may be millions of them."""
_SCOPES: Final = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")


class Spans(msgspec.Struct, frozen=True):
    """A decoded request: its calls, how many spans it held, and why others are no calls."""

    records: list[UsageRecord]
    spans: int
    dropped: dict[str, int]

    @property
    def rejected(self) -> int:
        """Spans of calls that could not be used; spans of anything else are no loss."""
        return sum(self.dropped.values()) - self.dropped.get(NOT_A_CALL, 0)


class Traces:
    """An ExportTraceServiceRequest, read part by part; the records of a part are not kept.

    In protobuf (`application/x-protobuf`) or JSON. Raises FileDamaged for a body that is none,
    FileTooLarge for one of more spans or values than are taken at a time.
    """

    def __init__(self, body: Body, *, content_type: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        self._outcomes = _json(body) if kind == "application/json" else outcomes_of_protobuf(body)
        self._records = 0
        self._dropped: Counter[str] = Counter()
        self.ended = False

    def part(self, spans: int = _PART_SPANS) -> list[UsageRecord]:
        """Calls among the next so many spans; `ended` says that there are no more."""
        records: list[UsageRecord] = []
        read = 0
        for outcome in islice(self._outcomes, spans):
            read += 1
            if isinstance(outcome, str):
                self._dropped[outcome] += 1
            else:
                records.append(outcome)
        self._records += len(records)
        self.ended = read < spans
        return records

    @property
    def spans(self) -> int:
        """How many spans were read."""
        return self._records + self._dropped.total()

    @property
    def dropped(self) -> dict[str, int]:
        """Why spans were left out, and how many."""
        return dict(self._dropped)

    @property
    def rejected(self) -> int:
        """As Spans has it."""
        return self._dropped.total() - self._dropped[NOT_A_CALL]


def decode_traces(
    body: Body, *, content_type: str, content_encoding: str = "", limit: int = MAX_BODY
) -> Spans:
    """A whole request at once. Raises as `unpacked` and Traces do."""
    traces = Traces(unpacked(body, content_encoding, limit=limit), content_type=content_type)
    records: list[UsageRecord] = []
    while not traces.ended:
        records += traces.part()
    return Spans(records, traces.spans, traces.dropped)


def unpacked(
    body: Body,
    encoding: str,
    *,
    limit: int = MAX_BODY,
    taking: Callable[[int], None] = lambda size: None,
) -> Body:
    """A body without its content encoding (gzip, deflate or none).

    `taking` is told how many bytes are taken before they are, and may refuse by raising; a negative
    number gives back what was not needed. Raises FileDamaged for what cannot be unpacked,
    FileTooLarge beyond `limit` bytes.
    """
    kind = encoding.strip().lower()
    if kind not in ("gzip", "deflate"):
        return body
    found = bytearray()
    try:
        for piece in _pieces(body, 31 if kind == "gzip" else 15, taking):
            found += piece
            if len(found) > limit:
                raise FileTooLarge(
                    f"The body unpacks to more than {limit >> 20} MiB.",
                    hint="Send smaller batches.",
                )
    except (EOFError, zlib.error):
        raise FileDamaged("The body cannot be unpacked.", hint="Send it again.") from None
    return found


def _pieces(body: Body, window: int, taking: Callable[[int], None]) -> Iterator[bytes]:
    """One packed stream after the other. Raises zlib.error or EOFError for what is none."""
    at = 0
    packed, step = zlib.decompressobj(window), _FIRST_STEP
    while at < len(body):
        chunk = bytes(body[at : at + step])
        at += len(chunk)
        step = min(2 * step, _PACKED_STEP)
        while chunk and not packed.eof:
            taking(_UNPACK_STEP)
            piece = packed.decompress(chunk, _UNPACK_STEP)
            taking(len(piece) - _UNPACK_STEP)
            chunk = packed.unconsumed_tail
            yield piece
        if packed.eof:
            at -= len(packed.unused_data)
            while at < len(body) and not body[at]:
                at += 1
            packed, step = zlib.decompressobj(window), _FIRST_STEP
            if at == len(body):
                return
    if body:
        raise EOFError


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


def _json(data: Body) -> Iterator[Outcome]:
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise FileTooLarge(
            f"The body has more than {MAX_VALUES:,} values.", hint="Send smaller batches."
        )
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
                made_by = mapping(scope.get("scope") or scope.get("instrumentationLibrary"))
                for span in _list(scope.get("spans")):
                    yield _from_json(span, resource, text(made_by.get("name")))


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


def _from_json(span: Mapping[str, Any], resource: Attributes, scope: str) -> Outcome:
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
            failed=status.get("code") in (FAILED, "STATUS_CODE_ERROR"),
            message=text(status.get("message")),
            scope=scope,
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
