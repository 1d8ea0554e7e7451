"""Files as people collect them: documents one after another, odd encodings, folders of anything."""

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netra_optimizer import InputError, read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.sources import Source, open_rows
from netra_optimizer.usage.sources.packed import MAX_MEMBERS
from netra_optimizer.usage.sources.rows import BATCH_BYTES

AT = "2026-11-20T10:00:00Z"
ROW = {"timestamp": AT, "model": "gpt-4o", "input_tokens": 100, "output_tokens": 5}


def read(path: Path, **options) -> tuple[list[dict], Audit, str]:
    imported = read_files(path, **options)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit, imported.format


def write(folder: Path, content: str | bytes, name: str = "log.json") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def page(day: int) -> dict:
    begin = 1795132800 + 86400 * day
    result = {"object": "organization.usage.completions.result", "model": "gpt-4o",
              "input_tokens": 100, "output_tokens": 5, "num_model_requests": 1}  # fmt: skip
    bucket = {"start_time": begin, "end_time": begin + 86400, "results": [result]}
    return {"object": "page", "data": [bucket], "has_more": day < 2, "next_page": "p"}


LINES = [json.dumps({**ROW, "input_tokens": 100 + i, "note": '}{ [\\" ,'}) for i in range(3)]
PRETTY = [json.dumps(json.loads(line), indent=2) for line in LINES]
TOGETHER = {
    "objects without a line between them": "".join(LINES),
    "objects with commas behind them": ",\n".join(LINES) + ",\n",
    "objects over several lines": "\n".join(PRETTY),
    "arrays, one a line": f"[{LINES[0]}]\n[{LINES[1]},{LINES[2]}]\n",
    "an array and an object": f"[{LINES[0]},{LINES[1]}]\n{LINES[2]}",
    "a text sequence": "".join(f"\x1e{line}\n" for line in LINES),
    "rows of a document, one a line": '{\n"data": [\n' + ",\n".join(LINES) + "\n]\n}\n",
    "a document after a document": f'{{"data": [{LINES[0]}], "n": 12}}\n{{"data": [{LINES[1]}]}}'
    f'{{"n": [1], "data": [{LINES[2]}]}}',
    "documents, one a line": f'{{"page": {{"rows": [{LINES[0]}]}}}}\n'
    f'{{"page": {{"rows": [{LINES[1]},{LINES[2]}]}}}}\n',
    "rows deep in a document": f'{{"ok": true, "result": {{"data": [{",".join(LINES)}]}}}}',
    "rows under a key of one's own": f'{{"n": 3, "my_calls": [{",".join(LINES)}]}}',
    "beside a smaller list of that name": f'{{"a": {{"data": [1]}}, "data": [{",".join(LINES)}]}}',
}  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_documents_that_lie_one_after_another_are_all_read(name: str, tmp_path: Path) -> None:
    rows, audit, _ = read(write(tmp_path, TOGETHER[name]))
    assert [row["input_uncached"] for row in rows] == [100, 101, 102]
    assert audit == Audit(3, 3, {})


@pytest.mark.parametrize("indent", [None, 2])
def test_pages_of_a_report_appended_to_one_file_are_all_read(
    indent: int | None, tmp_path: Path
) -> None:
    text = "".join(json.dumps(page(day), indent=indent) for day in range(3))
    rows, audit, name = read(write(tmp_path, text))
    assert (name, audit) == ("openai_usage", Audit(3, 3, {}))
    assert [row["start"].day for row in rows] == [20, 21, 22]


def test_a_number_cut_by_a_piece_of_the_file_is_whole(tmp_path: Path) -> None:
    for pad in range(12):
        head = f'{{"data": [{LINES[0]}], "a": "'
        filler = "x" * ((1 << 20) - len(head) - 16 + pad)
        text = f'{head}{filler}", "n": 123456}}{{"data": [{LINES[1]}]}}'
        rows, audit, _ = read(write(tmp_path, text))
        assert (len(rows), audit) == (2, Audit(2, 2, {})), pad


def test_one_answer_in_a_file_of_its_own_is_a_call(tmp_path: Path) -> None:
    chat = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1795168800, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 30, "completion_tokens": 12}}  # fmt: skip
    embedding = {"object": "list", "created": 1795168800, "model": "m",
                 "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
                 "usage": {"prompt_tokens": 8, "total_tokens": 8}}  # fmt: skip
    for answer, tokens in ((chat, 30), (embedding, 8)):
        for indent in (None, 1):
            [row], audit, name = read(write(tmp_path, json.dumps(answer, indent=indent)))
            assert (name, audit) == ("requests", Audit(1, 1, {}))
            assert row["input_uncached"] == tokens


TABLE = "timestamp,model,input_tokens,output_tokens\n2026-11-20T10:00:00Z,gpt-4o,100,5\n"
SAVED = {
    "lines ended as once on a Mac": TABLE.replace("\n", "\r").encode(),
    "utf-16 without its mark": TABLE.encode("utf-16-le"),
    "utf-16 the other way": TABLE.encode("utf-16-be"),
    "the delimiter named above": b"sep=;\r\n" + TABLE.replace(",", ";").encode(),
    "the delimiter named, in utf-16": ('"sep=,"\n' + TABLE).encode("utf-16"),
}


@pytest.mark.parametrize("name", SAVED)
def test_a_table_is_read_however_a_spreadsheet_saved_it(name: str, tmp_path: Path) -> None:
    [row], audit, _ = read(write(tmp_path, SAVED[name], "table.csv"))
    assert (row["input_uncached"], row["model"], audit) == (100, "gpt-4o", Audit(1, 1, {}))


def test_a_header_that_no_reader_can_tell_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="OPT-10"):
        read(write(tmp_path, b"a,b\rc,d\n1,2\n", "odd.csv"))


def test_numbers_are_read_as_their_country_writes_them(tmp_path: Path) -> None:
    text = (
        "timestamp;model;input_tokens;output_tokens;cost;latency_ms\n"
        '2026-11-20 10:00:00;m;1200;2;0,0012;1.234,5\n'
        '2026-11-20 10:00:00;m;12,0;2,0;"1,234.5";12,5\n'
        '2026-11-20 10:00:00;m;"1,200";2;$0.5;€1,5\n'
        '2026-11-20 10:00:00;m;"1,2,3";2;;\n'
    )  # fmt: skip
    rows, audit, _ = read(write(tmp_path, text, "table.csv"))
    assert audit == Audit(4, 3, {"bad_token_counts": 1})
    assert [(row["input_uncached"], row["cost_recorded"], row["latency_ms"]) for row in rows] == [
        (1200, 0.0012, 1234.5), (12, 1234.5, 12.5), (1200, 0.5, 1.5),
    ]  # fmt: skip


@pytest.mark.parametrize("nothing", ["null", "NaN", "-", "n/a"])
def test_what_tables_write_for_nothing_is_no_count_of_zero(nothing: str, tmp_path: Path) -> None:
    text = TABLE + f"2026-11-20T10:00:00Z,gpt-4o,{nothing},{nothing}\n"
    _, audit, _ = read(write(tmp_path, text, "table.csv"))
    assert audit == Audit(2, 1, {"no_token_counts": 1})


def test_a_line_with_a_number_that_json_does_not_have_is_read(tmp_path: Path) -> None:
    odd = json.dumps({**ROW, "latency_ms": float("nan"), "cost": float("inf")})
    none = json.dumps({**ROW, "input_tokens": float("nan"), "output_tokens": float("nan")})
    rows, audit, _ = read(write(tmp_path, f"{LINES[0]}\n{odd}\n{none}\n", "log.jsonl"))
    assert audit == Audit(3, 2, {"no_token_counts": 1})
    assert (rows[1]["latency_ms"], rows[1]["cost_recorded"]) == (None, None)


@pytest.mark.parametrize(
    "written",
    [
        "20.11.2026 10:00", "Nov 20, 2026 @ 10:00:00.000", "Nov 20, 2026 10:00:00 AM",
        "20 Nov 2026 10:00:00", "Fri Nov 20 10:00:00 2026", "Fri Nov 20 10:00:00 UTC 2026",
        {"_seconds": 1795168800, "_nanoseconds": 0}, {"seconds": "1795168800", "nanos": 1},
        {"$date": {"$numberLong": "1795168800000"}}, "2026-11-20 10:00:00 AM",
    ],
)  # fmt: skip
def test_a_time_is_read_as_databases_and_dashboards_write_it(
    written: object, tmp_path: Path
) -> None:
    [row], _, _ = read(write(tmp_path, json.dumps([{**ROW, "timestamp": written}])))
    assert row["start"] == datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize("written", [20261120, "20261120", "11/20/2026", "20.11.2026"])
def test_a_day_is_its_beginning(written: object, tmp_path: Path) -> None:
    [row], _, _ = read(write(tmp_path, json.dumps([{**ROW, "timestamp": written}])))
    assert row["start"] == datetime(2026, 11, 20, tzinfo=UTC)


def test_what_lies_in_a_folder_beside_usage_is_left_out_by_name(tmp_path: Path) -> None:
    inner = tmp_path / "2026" / "11"
    inner.mkdir(parents=True)
    write(inner, "\n".join(LINES), "calls.jsonl")
    write(inner, "", "empty.jsonl")
    write(tmp_path, "# Notes\nnothing to see\n", "README.md")
    write(tmp_path, "name,price\nlamp,3\n", "lamps.csv")
    write(tmp_path, b"\x89PNG" + bytes(90), "chart.png")
    rows, audit, _ = read(tmp_path)
    assert (len(rows), audit) == (3, Audit(7, 3, {"file_not_usage": 4}))
    with pytest.raises(InputError, match="README"):
        read_files([inner / "calls.jsonl", tmp_path / "README.md"])
    (inner / "calls.jsonl").unlink()
    with pytest.raises(InputError, match="OPT-10"):
        read_files(tmp_path)


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


LOG = "\n".join(LINES).encode()
PACKED = {
    "zstd": lambda: pa.compress(LOG, "zstd", asbytes=True),
    "bzip2": lambda: bz2.compress(LOG),
    "xz": lambda: lzma.compress(LOG),
    "zip": lambda: zipped({"in/log.jsonl": LOG}),
    "gzip in zip": lambda: zipped({"log.jsonl.gz": gzip.compress(LOG)}),
}


@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_is_read_whatever_packed_it(kind: str, tmp_path: Path) -> None:
    rows, audit, _ = read(write(tmp_path, PACKED[kind](), "log"))
    assert (len(rows), audit) == (3, Audit(3, 3, {}))


def test_an_archive_stands_for_the_files_in_it(tmp_path: Path) -> None:
    members = {"2026/a.jsonl": LINES[0].encode(), "2026/b.csv": TABLE.encode(), "notes.txt": b"hi",
               "__MACOSX/2026/._a.jsonl": b"\0", "empty.jsonl": b""}  # fmt: skip
    told: list[tuple[int, int]] = []
    path = write(tmp_path, zipped(members), "export.zip")
    imported = read_files(path, progress=lambda done, total: told.append((done, total)))
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert (len(rows), imported.audit) == (2, Audit(4, 2, {"file_not_usage": 2}))
    assert told[-1][0] == told[-1][1]
    assert all(done <= total for done, total in told)


def archive(folder: Path, names: list[str], *, comment: bytes = b"") -> Path:
    path = folder / "logs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            made.writestr(name, LINES[0])
            made.infolist()[-1].comment = comment
    return path


def test_an_archive_damaged_anywhere_is_an_error_that_says_so(tmp_path: Path) -> None:
    """Also where the damage lies in a name, or in what is looked at before anything is read."""
    path = archive(tmp_path, ["a.jsonl"])
    whole, kept = path.read_bytes(), list[int]()
    for begin in range(0, len(whole), 3):
        path.write_bytes(whole[:begin] + bytes([whole[begin] ^ 0xFF]) + whole[begin + 1 :])
        with suppress(InputError):  # anything else would be a surprise to whoever reads it
            kept.append(read(path)[1].rows_kept)
    assert set(kept) <= {0, 1}


def test_a_name_that_is_no_text_makes_no_archive_of_a_file(tmp_path: Path) -> None:
    path = archive(tmp_path, ["\u00e9.jsonl"])
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match="a zip or Excel file"):
        read(path)


@pytest.mark.parametrize(
    ("files", "comment"), [(MAX_MEMBERS + 1, b""), (65, b"x" * 65_535)], ids=["files", "directory"]
)
def test_an_archive_of_more_files_than_can_be_read_in_time_is_refused_at_once(
    files: int, comment: bytes, tmp_path: Path
) -> None:
    path = archive(tmp_path, [f"{n}.jsonl" for n in range(files)], comment=comment)
    with pytest.raises(InputError, match="holds more than 2,000 files"):
        read(path)


def test_a_packed_file_that_breaks_is_read_up_to_there_or_refused(tmp_path: Path) -> None:
    many = "\n".join(json.dumps({**ROW, "input_tokens": i * 7919 % 100_003}) for i in range(90_000))
    packed = pa.compress(many.encode(), "zstd", asbytes=True)
    rows, audit, _ = read(write(tmp_path, packed[: len(packed) // 2], "log.zst"))
    assert 1000 < len(rows) == audit.rows_kept < 90_000
    assert audit.dropped["file_cut_off"] == 1
    with pytest.raises(InputError, match="OPT-110"):
        read(write(tmp_path, packed[:8] + bytes(90), "bad.zst"))
    with pytest.raises(InputError, match="Excel"):
        read(write(tmp_path, zipped({"[Content_Types].xml": b"<x/>"}), "book.xlsx"))


def test_parquet_s_decimals_and_bytes_are_numbers_and_text(tmp_path: Path) -> None:
    decimals = pa.decimal128(20, 4)
    table = pa.table({
        "timestamp": pa.array([b"2026-11-20T10:00:00Z", b"1795168800"]),
        "model": pa.array([b"gpt-4o", b"gpt-4o"], pa.large_binary()),
        "input_tokens": pa.array([Decimal(100), None], decimals),
        "output_tokens": pa.array([Decimal(5), Decimal("5.5")], decimals),
        "cost": pa.array([Decimal("0.0012"), None], decimals),
        "blob": pa.array([b"\xff\xfe", None]),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "t.parquet")
    [row], audit, _ = read(tmp_path / "t.parquet")
    assert audit == Audit(2, 1, {"bad_token_counts": 1})
    assert (row["model"], row["input_uncached"], row["output_text"], row["cost_recorded"]) == (
        "gpt-4o", 100, 5, 0.0012)  # fmt: skip
    times = pa.table({
        "timestamp": pa.array([Decimal(1795168800)], decimals), "model": ["gpt-4o"],
        "input_tokens": [1], "output_tokens": [1],
    })  # fmt: skip
    pq.write_table(times, tmp_path / "t.parquet")
    [row], _, _ = read(tmp_path / "t.parquet")
    assert row["start"] == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_a_long_text_that_parquet_holds_once_is_not_in_memory_for_each_row(tmp_path: Path) -> None:
    count, text = 20_000, "x" * (64 << 10)
    rows = {name: [value] * count for name, value in ROW.items()} | {"id": list(range(count))}
    once = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([text]))
    path = tmp_path / "calls.parquet"
    pq.write_table(pa.table({**rows, "note": once}), path, store_schema=False)
    opened = open_rows(Source(path))
    before, found = pa.total_allocated_bytes(), 0
    for batch in opened.batches():
        assert batch.schema.field("note").type == pa.string()
        assert batch.column("note")[0].as_py() == text
        assert pa.total_allocated_bytes() - before < 8 * BATCH_BYTES
        found += batch.num_rows
    assert found == count


def test_a_file_appended_to_another_with_its_mark_is_read(tmp_path: Path) -> None:
    text = "\ufeff" + LINES[0] + "\n\ufeff" + LINES[1] + "\n"
    rows, audit, _ = read(write(tmp_path, text, "log.jsonl"))
    assert (len(rows), audit) == (2, Audit(2, 2, {}))


def test_a_parquet_file_that_describes_its_columns_wrongly_is_refused(tmp_path: Path) -> None:
    rows = [{"timestamp": 1795168800, "model": "m", "input_tokens": 5, "output_tokens": 1,
             "about": {"of": [{"a": [at]}]}} for at in range(4)]  # fmt: skip
    path = tmp_path / "calls.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    whole = path.read_bytes()
    lists = [found.start() for found in re.finditer(rb"\x29\x06\x19", whole)]
    assert lists
    for at in lists:  # how many values repeat, said in the place of how they are nested
        path.write_bytes(whole[:at] + b"\x1a" + whole[at + 1 :])
        with pytest.raises(InputError):
            read_files(path)


def test_a_parquet_file_of_something_else_is_refused_for_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"timestamp": [1795168800], "colour": ["red"]}), path)
    with pytest.raises(InputError, match="has no column for"):
        list(read_files(path, model="gpt-4o").batches())
