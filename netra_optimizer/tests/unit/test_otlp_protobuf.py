"""OTLP in protobuf: whatever the bytes say, a body costs no more than its spans."""

import gzip
import zlib

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from netra_optimizer import InputError
from netra_optimizer.usage.importers import Traces, decode_traces, unpacked
from netra_optimizer.usage.importers.otlp_protobuf import MAX_SPAN_BYTES, MAX_SPANS

KIND = "application/x-protobuf"


def request(*numbers: int, service: str = "search", note: str = "") -> ExportTraceServiceRequest:
    """Calls with these numbers as their ids."""
    made = ExportTraceServiceRequest()
    holder = made.resource_spans.add()
    holder.resource.attributes.add(key="service.name").value.string_value = service
    spans = holder.scope_spans.add().spans
    for number in numbers:
        span = spans.add(
            trace_id=number.to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            start_time_unix_nano=1_795_168_800_000_000_000,
            end_time_unix_nano=1_795_168_801_000_000_000,
        )
        for key, text in {"gen_ai.request.model": "gpt-4o", "note": note}.items():
            span.attributes.add(key=key).value.string_value = text
        for key, count in {"input": 100, "output": 0}.items():
            span.attributes.add(key=f"gen_ai.usage.{key}_tokens").value.int_value = count
    return made


def field(number: int, content: "bytes | Message") -> bytes:
    """One field with a length, as protobuf writes it."""
    data = content if isinstance(content, bytes) else content.SerializeToString()
    size, head = len(data), bytearray([number << 3 | 2])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes(head + bytes([size])) + data


def ids(found: list[object]) -> list[str]:
    return [str(getattr(record, "span", "")) for record in found]


def test_spans_are_read_in_order_part_by_part_with_their_own_resource() -> None:
    body = request(1, 2, 3).SerializeToString() + request(4, service="chat").SerializeToString()
    traces = Traces(bytearray(body), content_type=KIND)
    parts = [traces.part(3), traces.part(3)]
    assert [[record.feature for record in part] for part in parts] == [["search"] * 3, ["chat"]]
    assert ([*ids(parts[0]), *ids(parts[1])], traces.ended) == (
        [f"{number:016x}" for number in (1, 2, 3, 4)],
        True,
    )
    assert (parts[0][0].input_uncached, parts[0][0].output_text) == (100, 0)


def test_a_resource_counts_wherever_it_stands_and_unknown_fields_are_passed_over() -> None:
    holder = request(1).resource_spans[0]
    spans = field(2, holder.scope_spans[0])
    odd = b"\x58\x96\x01" + b"\x61" + b"12345678" + b"\x6d" + b"1234" + field(14, b"new")
    body = field(1, spans + odd + field(1, holder.resource)) + odd
    [record] = decode_traces(body, content_type=KIND).records
    assert (record.feature, record.span) == ("search", f"{1:016x}")


def test_a_damaged_span_and_one_without_measure_cost_themselves_alone() -> None:
    good = field(2, request(7).resource_spans[0].scope_spans[0].spans[0])
    long = field(2, request(8, note="x" * MAX_SPAN_BYTES).resource_spans[0].scope_spans[0].spans[0])
    damaged = field(2, field(9, b"\xff\xff\xff"))
    found = decode_traces(field(1, field(2, damaged + long + good)), content_type=KIND)
    assert (ids([*found.records]), found.dropped) == (
        [f"{7:016x}"],
        {"unreadable_values": 1, "too_long": 1},
    )


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05\x12",
        b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\x0b\x0c",
        b"\x00\x00",
        b"\x09\x01",
        field(1, field(2, field(2, b"")[:-1] + b"\x7f")),
    ],
)
def test_a_body_that_breaks_off_or_is_none_is_refused_whole(body: bytes) -> None:
    with pytest.raises(InputError, match="OPT-110"):
        Traces(body, content_type=KIND)


def test_a_body_of_nothing_but_spans_is_refused_before_one_is_decoded() -> None:
    body = field(1, field(2, field(2, b"") * (MAX_SPANS + 1)))
    with pytest.raises(InputError, match="OPT-108"):
        Traces(body, content_type=KIND)


def test_json_of_more_values_than_are_taken_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(InputError, match="OPT-108"):
        Traces(b"[" + b"[]," * 6_000_001 + b"[]]", content_type="application/json")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_unpacked_is_counted_as_it_grows_and_may_be_refused(encoding: str) -> None:
    plain = bytes(5 << 20)
    packed = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    held: list[int] = []

    def taking(size: int) -> None:
        held.append(size)
        if sum(held) > 3 << 20:
            raise MemoryError

    with pytest.raises(MemoryError):
        unpacked(packed, encoding, taking=taking)
    assert max(held) <= 1 << 20
    counted: list[int] = []
    assert unpacked(packed, encoding, taking=counted.append) == plain
    assert sum(counted) == len(plain)


def test_members_of_gzip_follow_each_other_and_one_cut_off_is_refused() -> None:
    two = gzip.compress(b"one") + gzip.compress(b"two") + bytes(7)
    assert unpacked(bytearray(two), "gzip") == b"onetwo"
    assert unpacked(b"", "gzip") == b""
    for cut in (two[:10], two[:-10], two + b"rest"):
        with pytest.raises(InputError, match="OPT-110"):
            unpacked(cut, "gzip")


def test_many_packed_streams_in_one_body_cost_no_more_than_their_bytes() -> None:
    """Behind the end of each the rest of a whole step would be copied for nothing."""
    copied: list[int] = []

    class Watched(bytearray):
        def __getitem__(self, place):  # pyright: ignore
            found = super().__getitem__(place)
            copied.append(len(found) if isinstance(place, slice) else 0)
            return found

    body = Watched(gzip.compress(b"") * 3000)
    assert unpacked(body, "gzip") == b""
    assert sum(copied) < 100 * len(body)
