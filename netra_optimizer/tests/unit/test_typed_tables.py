"""Parquet read in columns, held against the same file read row by row."""

import io
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_optimizer.usage.batch import batch_of
from netra_optimizer.usage.errors import FileDamaged, FileTooLarge
from netra_optimizer.usage.importers.base import Options, RowImporter
from netra_optimizer.usage.importers.generic import GenericImporter
from netra_optimizer.usage.sources import Rows, Source, open_rows

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ZONES = (UTC, ZoneInfo("Europe/Berlin"))
ROWS = 6

WORDS = st.sampled_from(
    ["", "a", " a ", "ß", "error", "500", "None", 'x"y', "x\\y", "line\nbreak", "[\"a\", \"b\"]"]
)  # fmt: skip
STAMPS = st.sampled_from(["2026-11-01T10:00:00Z", "2026-11-01 10:00:00", "yesterday", "1763000000"])
TOKENS = st.one_of(st.integers(0, 5000), st.sampled_from([-1, 2**40, 2**62]))
WHOLE = st.integers(0, 5000).map(float)
REALS = st.one_of(WHOLE, st.floats(), st.sampled_from([float("nan"), -1.5, 0.25, 1e300]))
MOMENTS = st.datetimes(datetime(1985, 1, 1), datetime(2205, 1, 1))
SHARES = st.decimals(0, 9, places=2).map(lambda value: Decimal(value).quantize(Decimal("0.01")))


def kinds(values: st.SearchStrategy[Any], *types: pa.DataType) -> list[Any]:
    """Columns of ROWS values of one of these types, some of them null."""
    column = st.lists(st.one_of(values, values, values, st.none()), min_size=ROWS, max_size=ROWS)
    return [st.builds(pa.array, column, st.just(kind)) for kind in types]


ANY = [
    *kinds(WORDS, pa.string(), pa.large_string()),
    *kinds(WORDS, pa.dictionary(pa.int32(), pa.string())),
    *kinds(STAMPS, pa.string()),
    *kinds(TOKENS, pa.int64()),
    *kinds(st.integers(0, 200), pa.uint8(), pa.int16()),
    *kinds(WHOLE, pa.float64()),
    *kinds(REALS, pa.float64()),
    *kinds(st.booleans(), pa.bool_()),
    *kinds(SHARES, pa.decimal128(6, 2)),
    *kinds(st.none(), pa.null()),
    *kinds(MOMENTS, pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.timestamp("ms", "UTC")),
    *kinds(MOMENTS, pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("s")),
    *kinds(st.lists(WORDS, max_size=3), pa.list_(pa.string())),
    *kinds(st.lists(st.integers(-5, 5), max_size=3), pa.list_(pa.int64())),
]
NAMES = st.lists(st.integers(0, 2**64 - 1), max_size=3)
OWN = {
    "requests": kinds(st.sampled_from([1, 1, 1, 1, 2, 0]), pa.int64()),
    "batch": kinds(st.booleans(), pa.bool_()),
    "block_hashes": kinds(NAMES, pa.list_(pa.uint64())),
    "block_tokens": kinds(st.sampled_from([0, 512, 2**40]), pa.int64()),
}
USUAL = {
    "timestamp": kinds(MOMENTS, pa.timestamp("us", "UTC")) + kinds(STAMPS, pa.string()),
    "model": kinds(st.sampled_from(["gpt-4o", " gpt-4o", ""]), pa.string()),
    "input_tokens": kinds(TOKENS, pa.int64()) + kinds(WHOLE, pa.float64()),
    "output_tokens": kinds(st.integers(0, 900), pa.int32()),
}
MORE = (
    "cached_tokens", "reasoning", "request_id", "status", "error", "user", "latency_ms", "latency",
    "end", "cost", "score", "tags", "tools", "prompt", "attempt", "more", "total_tokens", "batch",
    "requests", "block_hashes", "block_tokens",
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A Parquet file whose columns have usual and odd types."""
    named = {name: draw(st.one_of(*own)) for name, own in USUAL.items()}
    for name in draw(st.lists(st.sampled_from(MORE), unique=True, max_size=6)):
        named[name] = draw(st.one_of(*OWN.get(name, []), *ANY))
    if draw(st.integers(0, 3)) == 0:
        named[draw(st.sampled_from(sorted(USUAL)))] = draw(st.one_of(*ANY))
    return packed(pa.table(named))


def packed(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def opened(content: bytes) -> Rows:
    return open_rows(Source(Path("calls.parquet"), content))


def outcome(chunks) -> tuple[list[dict], dict[str, int]]:
    """Records in their order, and the audit."""
    rows: list[dict] = []
    dropped: Counter[str] = Counter()
    for chunk in chunks:
        dropped.update(chunk.dropped)
        if chunk.rows:
            rows += batch_of(chunk.rows, chunk.columns).to_pylist()
    return rows, {reason: rows for reason, rows in sorted(dropped.items()) if rows}


@settings(max_examples=500, deadline=None)
@given(tables(), st.sampled_from(ZONES), st.sampled_from(["", "gpt-4o-mini"]))
def test_parquet_in_columns_is_parquet_row_by_row(
    content: bytes, zone: ZoneInfo, model: str
) -> None:
    rows, options = opened(content), Options(now=NOW, model=model, timezone=zone)
    importer = GenericImporter()
    in_columns = outcome(importer.chunks(rows, options))
    row_by_row = outcome(RowImporter.chunks(importer, rows, options))
    assert repr(in_columns) == repr(row_by_row)


def test_usual_parquet_never_comes_to_the_reader_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 40_000
    table = pa.table(
        {
            "timestamp": pa.array(range(count), pa.int64()).cast(pa.timestamp("s", "UTC")),
            "model": ["gpt-4o"] * count,
            "input_tokens": [float(n) for n in range(count)],
            "output_tokens": range(count),
            "cost": [n / 7 for n in range(count)],
            "user": [f'"{n}"' for n in range(count)],
            "tags": [["a", "b"]] * count,
        }
    )
    shifted = pa.compute.add(table["timestamp"], pa.scalar(1_763_000_000, pa.duration("s")))
    table = table.set_column(0, "timestamp", shifted)

    def refuse(*_: object) -> None:
        raise AssertionError("read row by row")

    monkeypatch.setattr(GenericImporter, "read", refuse)
    options = Options(now=NOW, timezone=UTC)
    found, dropped = outcome(GenericImporter().chunks(opened(packed(table)), options))
    assert (len(found), dropped) == (count, {})
    assert found[7]["tags"] == ["a", "b"] and found[7]["user"] == '"7"'


def test_a_time_to_the_nanosecond_is_cut_to_the_microsecond() -> None:
    stamps = pa.array([1_763_000_000_123_456_789], pa.timestamp("ns", "UTC"))
    table = pa.table(
        {"timestamp": stamps, "model": ["m"], "input_tokens": [1], "output_tokens": [1]}
    )
    options = Options(now=NOW, timezone=UTC)
    for read in (GenericImporter.chunks, RowImporter.chunks):
        found, dropped = outcome(read(GenericImporter(), opened(packed(table)), options))
        assert (found[0]["start"].microsecond, dropped) == (123_456, {})


@pytest.mark.parametrize("zone", ["PST", "Z", "UTC+2"])
def test_a_time_in_a_zone_that_nobody_knows_is_when_it_was(zone: str) -> None:
    stamps = pa.array([1_763_000_000_000_000], pa.timestamp("us", zone))
    table = pa.table(
        {"timestamp": stamps, "model": ["m"], "input_tokens": [1], "output_tokens": [1]}
    )
    options = Options(now=NOW, timezone=UTC)
    columns, rows = (
        outcome(read(GenericImporter(), opened(packed(table)), options))
        for read in (GenericImporter.chunks, RowImporter.chunks)
    )
    assert columns == rows
    assert columns[0][0]["start"] == datetime.fromtimestamp(1_763_000_000, UTC)


def test_parquet_that_unpacks_without_end_is_refused_unread() -> None:
    table = pa.table({"timestamp": ["2026-11-01T10:00:00Z"] * 70, "text": ["x" * (1 << 20)] * 70})
    target = io.BytesIO()
    pq.write_table(table, target, compression="zstd", use_dictionary=False)
    with pytest.raises(FileTooLarge, match="unpacks to more than"):
        opened(target.getvalue())


def test_a_parquet_file_with_a_column_name_of_no_text_is_said_to_be_damaged() -> None:
    content = packed(pa.table({"timestamp": ["2026-11-01T10:00:00Z"], "model": ["m"]}))
    with pytest.raises(FileDamaged, match="is a damaged Parquet file"):
        opened(content.replace(b"timestamp", b"time\xdatamp"))
