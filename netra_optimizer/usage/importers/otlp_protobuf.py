"""OTLP in protobuf, span by span.

The body is walked to where its spans lie, and each span is decoded on its own: a body decoded whole
takes up to a hundred times its bytes, if somebody wants it to.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from netra_optimizer.usage.errors import FileDamaged, FileTooLarge
from netra_optimizer.usage.importers.base import UNREADABLE, Outcome
from netra_optimizer.usage.importers.spans import Attributes, record_of_span
from netra_optimizer.usage.sources.json_text import TOO_LONG

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

Body: TypeAlias = bytes | bytearray

MAX_SPANS: Final = 1_000_000
MAX_SPAN_BYTES: Final = 8 << 20
FAILED: Final = 2

_RESOURCE_SPANS: Final = 1
_RESOURCE: Final = 1
_SCOPE_SPANS: Final = 2
_SCOPE: Final = 1
_SPANS: Final = 2


class _Holder(NamedTuple):
    """Where a resource and the spans of one of its scopes lie: pairs of first byte and end."""

    resource: list[tuple[int, int]]
    spans: "array[int]"
    scope: list[tuple[int, int]]


def outcomes_of_protobuf(data: Body) -> Iterator[Outcome]:
    """What becomes of each span of an ExportTraceServiceRequest, in order.

    A span that is damaged or longer than MAX_SPAN_BYTES costs itself alone. Raises FileDamaged at
    once for a body that is no request, FileTooLarge for one of more than MAX_SPANS spans.
    """
    try:
        holders = list(_holders(data))
    except (ValueError, IndexError):
        raise FileDamaged(
            "The body is no OTLP protobuf.", hint="Send an ExportTraceServiceRequest."
        ) from None
    return _outcomes(data, holders)


def _holders(data: Body) -> Iterator[_Holder]:
    count = 0
    for number, first, end in _fields(data, 0, len(data)):
        if number != _RESOURCE_SPANS:
            continue
        resource: list[tuple[int, int]] = []
        for inner, begin, until in _fields(data, first, end):
            if inner == _RESOURCE:
                resource.append((begin, until))
            elif inner == _SCOPE_SPANS:
                holder = _Holder(resource, array("I"), [])
                for of, at, to in _fields(data, begin, until):
                    if of == _SCOPE:
                        holder.scope.append((at, to))
                    elif of == _SPANS:
                        holder.spans.extend((at, to))
                        count += 1
                        if count > MAX_SPANS:
                            raise FileTooLarge(
                                f"The body has more than {MAX_SPANS:,} spans.",
                                hint="Send smaller batches.",
                            )
                if holder.spans:
                    yield holder


def _fields(data: Body, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, first byte and end of each field that has a length; the others are passed over.

    Raises ValueError or IndexError for what is no message.
    """
    while at < end:
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = _varint(data, at - 1)
        kind = tag & 7
        if not tag >> 3:
            raise ValueError("a field without a number")
        if kind == 2:
            size = data[at]
            at += 1
            if size > 127:
                size, at = _varint(data, at - 1)
            if at + size > end:
                raise ValueError("a field that goes on behind its message")
            yield tag >> 3, at, at + size
            at += size
        elif kind == 0:
            _, at = _varint(data, at)
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        else:
            raise ValueError("a field of no kind")
    if at != end:
        raise ValueError("a field that goes on behind its message")


def _varint(data: Body, at: int) -> tuple[int, int]:
    """A number and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number without end")


def _outcomes(data: Body, holders: list[_Holder]) -> Iterator[Outcome]:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    for holder in holders:
        resource: dict[str, Any] = {}
        for first, end in holder.resource:
            if end - first <= MAX_SPAN_BYTES:
                try:
                    resource |= _attributes(Resource.FromString(bytes(data[first:end])).attributes)
                except DecodeError:
                    continue
        scope = _scope(data, holder)
        places = iter(holder.spans)
        for first, end in zip(places, places, strict=True):
            if end - first > MAX_SPAN_BYTES:
                yield TOO_LONG
                continue
            try:
                span = Span.FromString(bytes(data[first:end]))
            except DecodeError:
                yield UNREADABLE
                continue
            yield _outcome(span, resource, scope)


def _scope(data: Body, holder: _Holder) -> str:
    """The name of who made the spans, empty where it cannot be read."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

    for first, end in holder.scope:
        if end - first <= MAX_SPAN_BYTES:
            try:
                return InstrumentationScope.FromString(bytes(data[first:end])).name
            except DecodeError:
                continue
    return ""


def _outcome(span: "Span", resource: Attributes, scope: str) -> Outcome:
    try:
        failed = span.status.code == FAILED
        return record_of_span(
            _attributes(span.attributes),
            resource,
            trace=span.trace_id.hex(),
            span=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            failed=failed,
            message=span.status.message if failed else "",
            scope=scope,
        )
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
        return UNREADABLE


def _attributes(items: "Iterable[KeyValue]") -> dict[str, Any]:
    """Attributes by key. A text or number that says something needs no question for its kind."""
    found: dict[str, Any] = {}
    for item in items:
        value = item.value
        if text := value.string_value:
            found[item.key] = text
        elif number := value.int_value:
            found[item.key] = number
        else:
            found[item.key] = _value(value)
    return found


def _value(value: "AnyValue") -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "array_value":
        return [_value(item) for item in found.values]
    if kind == "kvlist_value":
        return _attributes(found.values)
    return found
