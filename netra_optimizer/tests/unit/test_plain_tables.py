"""Tables read in columns, held against the same tables read row by row."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_optimizer.usage.batch import batch_of, to_us
from netra_optimizer.usage.columns import text_array
from netra_optimizer.usage.importers.azure import AzureImporter
from netra_optimizer.usage.importers.base import Options, RowImporter, RowRefused
from netra_optimizer.usage.importers.generic import GenericImporter
from netra_optimizer.usage.importers.values import count, moment, number, positive
from netra_optimizer.usage.importers.vectors import Strings, counts, real_numbers, times
from netra_optimizer.usage.sources import Source, open_rows

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ZONES = (UTC, ZoneInfo("Europe/Berlin"))

STAMPS = st.one_of(
    st.sampled_from(
        [
            "2026-11-01T10:00:00Z", "2026-11-01 10:00:00", "2026-11-01T10:00:00.25+05:30",
            "2026-11-01 10:00:00.1234567", "2026-02-29T10:00:00Z", "2024-02-29T10:00:00Z",
            "2026-11-01T24:00:00Z", "2026-11-01", "1763000000", "1763000000123", "1763000000.5",
            "", " ", "yesterday", "1989-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "-5",
            "2026-11-01T10:00:00+24:00", "2026-11-01T10:00:00-23:59", "11/01/2026 10:00",
            "2026-13-01T10:00:00Z", "2026-11-01T10:00:60Z", "2026-10-25 02:30:00",
            "2026-11-01T10:00:00.Z",
        ]
    ),
    st.datetimes(datetime(1985, 1, 1), datetime(2205, 1, 1)).map(str),
    st.integers(0, 10**19).map(str),
)  # fmt: skip
COUNTS = st.one_of(
    st.integers(0, 5000).map(str),
    st.sampled_from(
        ["", " ", "-1", "1.0", "1.5", "007", "1,200", "0x1F", "nan", "x", "9" * 12, "9" * 13]
    ),
)
REALS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ["", "-0", "-1", "1e400", "$1.5", "1_000", ".5", "5.", "nan", "inf", " 2 ", "."]
    ),
)
WORDS = st.sampled_from(
    ["", "a", " a ", "b", "ß", "error", "500", "None", "timeout", "gpt-4o", "x\\y", "x'y"]
)
YES = st.sampled_from(["", "true", "False", " Yes", "0", "batch"])
REQUESTS = st.sampled_from(["", "1", "1", "1", "3", "0", "1.0", "-1", "x"])
COLUMNS = {
    "timestamp": STAMPS, "model": st.sampled_from(["gpt-4o", " gpt-4o", "claude-sonnet-4-5", ""]),
    "input_tokens": COUNTS, "output_tokens": COUNTS, "uncached_input_tokens": COUNTS,
    "cached_tokens": COUNTS, "cache_write": COUNTS, "cache_write_1h": COUNTS, "reasoning": COUNTS,
    "output_text": COUNTS, "request_id": WORDS, "status": WORDS, "error": WORDS, "user": WORDS,
    "latency_ms": REALS, "latency": REALS, "end": STAMPS, "cost": REALS, "score": REALS,
    "tags": WORDS, "tier": WORDS, "prompt": WORDS, "prompt_hash": WORDS, "attempt": COUNTS,
    "provider": WORDS, "more": WORDS, "total_tokens": COUNTS, "batch": YES, "block_tokens": COUNTS,
    "requests": REQUESTS, "block_hashes": st.sampled_from(["", "[]", "[1, -2]", '["a"]', "x"]),
}  # fmt: skip
TEXT = st.characters(codec="utf-8", exclude_characters="\0")
OFTEN = ("timestamp", "model", "input_tokens", "output_tokens")


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A CSV file with usual and odd fields, some lines broken."""
    extra = draw(
        st.lists(st.sampled_from(sorted(set(COLUMNS) - set(OFTEN))), unique=True, max_size=8)
    )
    names = draw(st.permutations([*OFTEN, *extra]))
    mark = draw(st.sampled_from([",", ";", "\t"]))
    quoted = draw(st.booleans())
    lines = [mark.join(names)]
    for _ in range(draw(st.integers(1, 12))):
        fields = [draw(COLUMNS[name]) for name in names]
        if draw(st.integers(0, 3)) == 0:
            fields[draw(st.integers(0, len(fields) - 1))] = draw(st.text(TEXT, max_size=6))
        if quoted:
            fields = [f'"{field}"' for field in fields]
        line = mark.join(fields)
        line += draw(st.sampled_from(["", "", "", "", mark, mark + "x", '"', "\n", "\n  "]))
        lines.append(line)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return (end.join(lines) + draw(st.sampled_from(["", end]))).encode("utf-8", "replace")


def outcome(chunks) -> tuple[list[dict], dict[str, int]]:
    """Records in their order, and the audit."""
    rows: list[dict] = []
    dropped: Counter[str] = Counter()
    for chunk in chunks:
        dropped.update(chunk.dropped)
        if chunk.rows:
            rows += batch_of(chunk.rows, chunk.columns).to_pylist()
    return rows, {reason: rows for reason, rows in sorted(dropped.items()) if rows}


@settings(max_examples=400, deadline=None)
@given(tables(), st.sampled_from(ZONES), st.sampled_from(["", "gpt-4o-mini"]))
def test_a_table_in_columns_is_the_table_row_by_row(
    content: bytes, zone: ZoneInfo, model: str
) -> None:
    rows = open_rows(Source(Path("table.csv"), content))
    options = Options(now=NOW, model=model, timezone=zone)
    importer = GenericImporter()
    in_columns = outcome(importer.chunks(rows, options))
    row_by_row = outcome(RowImporter.chunks(importer, rows, options))
    assert repr(in_columns) == repr(row_by_row)


def test_usual_tables_never_come_to_the_reader_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["timestamp,model,input_tokens,output_tokens,user"]
    lines += [f"2026-11-01T10:00:{n % 60:02d}Z,gpt-4o,{n},{n % 7},u{n % 5}" for n in range(2000)]
    rows = open_rows(Source(Path("table.csv"), "\n".join(lines).encode()))

    def refuse(*_: object) -> None:
        raise AssertionError("read row by row")

    monkeypatch.setattr(GenericImporter, "read", refuse)
    found, dropped = outcome(GenericImporter().chunks(rows, Options(now=NOW, timezone=UTC)))
    assert (len(found), dropped) == (2000, {})


def test_a_record_that_goes_on_in_the_next_block_stays_whole() -> None:
    filler = "2026-11-01T10:00:00Z,gpt-4o,1,2,plain\n" * 30_000
    odd = '2026-11-01T10:00:01Z,gpt-4o,3,4,"' + "one\nand the rest " * 100 + '"\n'
    place = (1 << 20) - 500
    text = "timestamp,model,input_tokens,output_tokens,user\n" + filler
    cut = text.rfind("\n", 0, place) + 1
    content = (text[:cut] + odd + text[cut:]).encode()
    rows = open_rows(Source(Path("table.csv"), content))
    options = Options(now=NOW, timezone=UTC)
    found, dropped = outcome(GenericImporter().chunks(rows, options))
    assert (len(found), dropped) == (30_001, {})
    assert sum(row["user"].startswith("one\nand") for row in found) == 1


@settings(max_examples=300, deadline=None)
@given(st.lists(STAMPS, min_size=1, max_size=8), st.booleans())
def test_times_in_a_column_are_those_of_single_values(stamps: list[str], naive: bool) -> None:
    zone = UTC if naive else ZoneInfo("Europe/Berlin")
    us, ok = times(Strings.of(text_array(stamps)), naive=naive)
    for stamp, found, sure in zip(stamps, us.tolist(), ok.tolist(), strict=True):
        try:
            wanted = to_us(moment(stamp, zone))
        except RowRefused:
            assert not sure
        else:
            assert not sure or found == wanted


@settings(max_examples=300, deadline=None)
@given(st.lists(COUNTS, min_size=1, max_size=8))
def test_counts_in_a_column_are_those_of_single_values(values: list[str]) -> None:
    found, given_, ok = counts(Strings.of(text_array(values)))
    for value, tokens, has, sure in zip(
        values, found.tolist(), given_.tolist(), ok.tolist(), strict=True
    ):
        assert has == (value != "")
        if sure:
            assert tokens == count(value)


@settings(max_examples=300, deadline=None)
@given(st.lists(REALS, min_size=1, max_size=8), st.sampled_from([number, positive]))
def test_reals_in_a_column_are_those_of_single_values(values: list[str], convert) -> None:
    found = real_numbers(Strings.of(text_array(values)), convert)
    wanted = pa.array([convert(value) for value in values], pa.float64())
    assert pa.array(found, from_pandas=True).equals(wanted)


AZURE_COUNTS = st.one_of(st.integers(0, 9).map(str), st.sampled_from(["", "-1", "1.0", "x"]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(STAMPS, AZURE_COUNTS, AZURE_COUNTS), min_size=1), st.sampled_from(ZONES))
def test_a_trace_in_columns_is_the_trace_row_by_row(
    lines: list[tuple[str, str, str]], zone: ZoneInfo
) -> None:
    options = Options(now=NOW, model="gpt-4o", timezone=zone)

    def read(note: str) -> tuple[list[dict], dict[str, int]]:
        rows = ["TIMESTAMP,ContextTokens,GeneratedTokens,note"]
        rows += [",".join([*line, note]) for line in lines]
        source = Source(Path("trace.csv"), "\n".join(rows).encode())
        return outcome(AzureImporter().chunks(open_rows(source), options))

    assert repr(read("plain")) == repr(read('a "quoted" word'))
