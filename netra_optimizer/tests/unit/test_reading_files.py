"""Files into records: detection, the audit to the row, and what is wrong with bad ones."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_optimizer import InputError, UsageFrame, read_files
from netra_optimizer.results import Audit

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TRACE = [
    {"timestamp": 0, "input_length": 1500, "output_length": 10, "hash_ids": [0, 1, 2]},
    {"timestamp": 3000, "input_length": 900, "output_length": 20, "hash_ids": [0, 3]},
    {"timestamp": 3000, "input_length": 900, "output_length": 20, "hash_ids": [0, 3]},
]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def jsonl(rows: list) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(path: Path, **options) -> tuple[list[dict], Audit]:
    options.setdefault("now", NOW)
    imported = read_files([path], **options)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit


def test_a_trace_ends_now_and_keeps_its_blocks(tmp_path: Path) -> None:
    rows, audit = read(write(tmp_path, "t.jsonl", jsonl(TRACE)), model="claude-sonnet-4-5")
    assert audit == Audit(3, 3, {})
    assert [row["start"] for row in rows] == [NOW - timedelta(seconds=3), NOW, NOW]
    assert rows[0]["block_hashes"] == [0, 1, 2]
    assert {row["block_tokens"] for row in rows} == {512}
    assert {(row["model"], row["provider"]) for row in rows} == {("claude-sonnet-4-5", "anthropic")}
    assert [row["input_uncached"] for row in rows] == [1500, 900, 900]
    assert len({row["id"] for row in rows}) == 3


def test_a_trace_begins_at_the_given_start(tmp_path: Path) -> None:
    path = write(tmp_path, "t.jsonl", jsonl(TRACE))
    rows, _ = read(path, model="m", start="2026-01-01T00:00:00Z", now=NOW)
    assert rows[0]["start"] == datetime(2026, 1, 1, tzinfo=UTC)
    again, _ = read(path, model="m", now=NOW + timedelta(days=1))
    assert [row["id"] for row in again] == [row["id"] for row in rows]


@pytest.mark.parametrize("size", [16, 64, 512])
def test_the_block_size_of_a_trace_follows_from_its_lengths(tmp_path: Path, size: int) -> None:
    trace = [
        {"timestamp": i / 8, "input_length": n, "output_length": 1,
         "hash_ids": list(range(-(-n // size)))}
        for i, n in enumerate((1000, 700, 3333, 129, 2048))
    ]  # fmt: skip
    rows, _ = read(write(tmp_path, "t.jsonl", jsonl(trace)), model="m")
    assert {row["block_tokens"] for row in rows} == {size}
    assert rows[-1]["start"] - rows[0]["start"] == timedelta(seconds=0.5)


def test_pristine_and_mended_lines_make_the_same_records(tmp_path: Path) -> None:
    broken = jsonl(TRACE) + '{"timestamp": 4000, "input_length":\n'
    mended, audit = read(write(tmp_path, "b.jsonl", broken), model="m")
    pristine, _ = read(write(tmp_path, "t.jsonl", jsonl(TRACE)), model="m")
    assert mended == pristine
    assert audit == Audit(4, 3, {"broken_json": 1})


def test_an_azure_trace_is_read_with_its_seventh_digit(tmp_path: Path) -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n"
        "2023-11-16 18:15:46.6805900,374,44\n"
        "2024-05-10 00:00:00.009930+00:00,12,1"
    )
    rows, audit = read(write(tmp_path, "a.csv", text), model="gpt-4o")
    assert audit == Audit(3, 3, {})
    assert rows[0]["start"] == datetime(2023, 11, 16, 18, 15, 46, 680590, tzinfo=UTC)
    assert rows[2]["start"] == datetime(2024, 5, 10, 0, 0, 0, 9930, tzinfo=UTC)
    assert [(r["input_uncached"], r["output_text"]) for r in rows] == [
        (374, 44),
        (374, 44),
        (12, 1),
    ]
    assert len({row["id"] for row in rows}) == 3


GENERIC = "time;model;prompt_tokens;completion_tokens;cached_tokens;user id;feature;latency_ms\n"
GENERIC_ROW = "2026-11-20T10:00:00Z;gpt-4o;100;20;60;u-1;search;812.5\n"


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("plain.csv", lambda text: text.encode()),
        ("crlf.csv", lambda text: text.replace("\n", "\r\n").encode()),
        ("bom.csv", lambda text: b"\xef\xbb\xbf" + text.encode()),
        ("utf16.csv", lambda text: text.encode("utf-16")),
        ("packed.csv.gz", lambda text: gzip.compress(text.encode())),
        ("comma.csv", lambda text: text.replace(";", ",").encode()),
        ("tab.tsv", lambda text: text.replace(";", "\t").encode()),
        ("no-end.csv", lambda text: text.rstrip("\n").encode()),
        ("blank-lines.csv", lambda text: ("\n" + text.replace("\n", "\n\n")).encode()),
    ],
)
def test_a_table_is_read_however_it_was_saved(tmp_path: Path, name: str, encode) -> None:
    rows, audit = read(write(tmp_path, name, encode(GENERIC + GENERIC_ROW)))
    assert audit == Audit(1, 1, {})
    kept = {
        key: rows[0][key]
        for key in ("start", "model", "provider", "input_uncached", "cache_read", "output_text",
                    "user", "feature", "latency_ms")
    }  # fmt: skip
    assert kept == {
        "start": datetime(2026, 11, 20, 10, tzinfo=UTC), "model": "gpt-4o", "provider": "openai",
        "input_uncached": 40, "cache_read": 60, "output_text": 20, "user": "u-1",
        "feature": "search", "latency_ms": 812.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-20T10:00:00Z", "2026-11-20 10:00:00", "2026-11-20 10:00:00 UTC",
        "2026-11-20T12:00:00+02:00", "2026-11-20 12:00:00 +0200", "2026-11-20T10:00:00.000000000Z",
        1795168800, 1795168800.0, 1795168800000, 1795168800000000, 1795168800000000000,
        "1795168800",        "1795168800.000", "11/20/2026 10:00:00",
    ],
)  # fmt: skip
def test_a_time_is_read_however_it_is_written(tmp_path: Path, written: object) -> None:
    row = {"timestamp": written, "model": "gpt-4o", "input_tokens": 1, "output_tokens": 1}
    rows, _ = read(write(tmp_path, "g.jsonl", jsonl([row])))
    assert rows[0]["start"] == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_a_time_without_a_zone_is_of_the_zone_named(tmp_path: Path) -> None:
    row = {"timestamp": "2026-07-01T10:00:00", "model": "m", "input_tokens": 1, "output_tokens": 1}
    rows, _ = read(write(tmp_path, "g.jsonl", jsonl([row])), timezone="Europe/Berlin")
    assert rows[0]["start"] == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_a_mapping_names_columns_that_do_not_say_what_they_are(tmp_path: Path) -> None:
    text = "when,llm used,tin,tout\n2026-11-20T10:00:00Z,gpt-4o,5,6\n"
    mapping = {"start": "when", "model": "llm used", "input": "tin", "output_tokens": "tout"}
    rows, _ = read(write(tmp_path, "g.csv", text), mapping=mapping)
    assert (rows[0]["input_uncached"], rows[0]["output_text"], rows[0]["model"]) == (5, 6, "gpt-4o")


def test_the_good_half_of_a_bad_file_is_kept_and_the_rest_is_named(tmp_path: Path) -> None:
    good = {
        "timestamp": "2026-11-20T10:00:00Z",
        "model": "m",
        "input_tokens": 5,
        "output_tokens": 6,
    }
    lines = [
        json.dumps(good),
        json.dumps({**good, "input_tokens": -3}),
        json.dumps({**good, "timestamp": "yesterday"}),
        json.dumps({**good, "timestamp": None}),
        json.dumps({**good, "model": ""}),
        json.dumps({"timestamp": "2026-11-20T10:00:00Z", "model": "m"}),
        "[1, 2]",
        json.dumps(good)[:-9],
        "",
        json.dumps({**good, "output_tokens": "x"}),
        json.dumps(good),
    ]
    rows, audit = read(write(tmp_path, "half.jsonl", "\n".join(lines)))
    assert audit == Audit(
        rows_read=10,
        rows_kept=2,
        dropped={
            "bad_time": 1, "bad_token_counts": 1, "broken_json": 1, "negative_token_counts": 1,
            "no_model": 1, "no_time": 1, "no_token_counts": 1, "not_an_object": 1,
        },
    )  # fmt: skip
    assert len(rows) == 2


def test_a_row_with_the_id_of_an_earlier_one_is_the_same_call(tmp_path: Path) -> None:
    row = {"id": "a", "timestamp": 1795168800, "model": "m", "input_tokens": 5, "output_tokens": 6}
    rows, audit = read(write(tmp_path, "g.jsonl", jsonl([row, {**row, "id": "b"}, row])))
    assert [found["id"] for found in rows] == ["a", "b"]
    assert audit == Audit(3, 2, {"duplicate": 1})


def test_rows_of_a_json_array_and_of_a_wrapped_one_are_the_same(tmp_path: Path) -> None:
    row = {"id": "a", "timestamp": 1795168800, "model": "m", "input_tokens": 5, "output_tokens": 6}
    many = [{**row, "id": str(i), "note": '}{ [\\" ,'} for i in range(50)]
    expected, _ = read(write(tmp_path, "lines.jsonl", jsonl(many)))
    for name, text in (
        ("array.json", json.dumps(many)),
        ("pretty.json", json.dumps(many, indent=2)),
        ("wrapped.json", json.dumps({"object": "list", "data": many, "next": None})),
        ("pretty-wrapped.json", json.dumps({"data": many}, indent=4)),
    ):
        rows, audit = read(write(tmp_path, name, text))
        assert (rows, audit) == (expected, Audit(50, 50, {})), name


def test_a_json_array_cut_off_keeps_what_came_before(tmp_path: Path) -> None:
    row = {"id": "a", "timestamp": 1795168800, "model": "m", "input_tokens": 5, "output_tokens": 6}
    text = json.dumps([{**row, "id": str(i)} for i in range(50)])
    rows, audit = read(write(tmp_path, "cut.json", text[:-30]))
    assert (len(rows), audit) == (49, Audit(50, 49, {"broken_json": 1}))


def test_a_broken_element_of_a_json_array_costs_itself_alone(tmp_path: Path) -> None:
    row = {"id": "a", "timestamp": 1795168800, "model": "m", "input_tokens": 5, "output_tokens": 6}
    text = json.dumps([{**row, "id": str(i)} for i in range(50)]).replace('"id": "7"', '"id": 7x')
    rows, audit = read(write(tmp_path, "broken.json", text))
    assert (len(rows), audit) == (49, Audit(50, 49, {"broken_json": 1}))


def test_an_open_quote_costs_its_own_line_alone(tmp_path: Path) -> None:
    text = GENERIC + GENERIC_ROW + '2026-11-20T10:00:00Z;"gpt-4o;1;2;;;;\n' + GENERIC_ROW * 3
    rows, audit = read(write(tmp_path, "quote.csv", text))
    assert (len(rows), audit) == (4, Audit(5, 4, {"wrong_number_of_columns": 1}))


def test_a_parquet_file_is_read_as_the_same_table_would_be(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "timestamp": pa.array([NOW, NOW, None], pa.timestamp("ms", tz="UTC")),
            "model": ["gpt-4o", "gpt-4o-mini", "gpt-4o"],
            "input_tokens": pa.array([5, 6, 7], pa.int32()),
            "output_tokens": pa.array([1, None, 3], pa.int64()),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    rows, audit = read(tmp_path / "t.parquet")
    assert audit == Audit(3, 2, {"no_time": 1})
    assert [(row["start"], row["output_text"]) for row in rows] == [(NOW, 1), (NOW, 0)]


BAD = {
    "empty.jsonl": (b"", "OPT-102", "empty"),
    "blank.jsonl": (b"\n  \n", "OPT-102", "blanks"),
    "header.csv": (b"timestamp,model,input_tokens,output_tokens\n", "OPT-102", "no rows"),
    "binary.bin": (bytes(range(256)) * 40, "OPT-103", "binary"),
    "sheet.xlsx": (b"PK\x03\x04" + b"x" * 500, "OPT-103", "Excel"),
    "words.txt": (b"dear diary\nnothing here\n", "OPT-104", "neither JSON"),
    "no-output.csv": (b"timestamp,model,input_tokens\n2026-01-01,m,3\n", "OPT-105", "output"),
    "no-time.csv": (b"model,input_tokens,output_tokens\nm,3,4\n", "OPT-105", "start"),
    "no-model.csv": (b"timestamp,input_tokens,output_tokens\n2026-01-01,3,4\n", "OPT-107", "model"),
    "all-bad.jsonl": (
        b'{"timestamp": 1795168800, "model": "m", "input_tokens": -1, "output_tokens": 2}\n' * 3,
        "OPT-106",
        "negative_token_counts: 3",
    ),
    "azure.csv": (
        b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,3,4\n", "OPT-107", "--model",
    ),
    "damaged.parquet": (b"PAR1" + b"\0" * 100, "OPT-110", "damaged"),
    "damaged.jsonl.gz": (gzip.compress(b"{}")[:10] + b"\xff" * 90, "OPT-110", "damaged"),
    "one-word.jsonl": (b"{", "OPT-104", "no row"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_file_without_one_usable_row_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    content, code, words = BAD[name]
    with pytest.raises(InputError) as raised:
        read(write(tmp_path, name, content))
    assert raised.value.code == code
    assert words in str(raised.value)
    assert raised.value.hint


def test_a_packed_file_cut_off_keeps_what_came_before_and_says_so(tmp_path: Path) -> None:
    trace = [{**TRACE[0], "timestamp": i, "hash_ids": [i * 7919 % 1013]} for i in range(4000)]
    packed = gzip.compress(jsonl(trace).encode())
    rows, audit = read(write(tmp_path, "cut.jsonl.gz", packed[: len(packed) // 2]), model="m")
    assert 1000 < len(rows) == audit.rows_kept
    assert audit.dropped == {"broken_json": 1, "file_cut_off": 1}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"OPT-101.*nowhere\.jsonl"):
        read_files([tmp_path / "nowhere.jsonl"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"start": "soon"}, "soon"),
        ({"fmt": "excel"}, "excel"),
        ({"mapping": {"colour": "x"}}, "colour"),
    ],
)
def test_an_option_that_means_nothing_is_refused(tmp_path: Path, options: dict, words: str) -> None:
    path = write(tmp_path, "g.csv", GENERIC + GENERIC_ROW)
    with pytest.raises(InputError, match=words):
        read(path, **options)


def test_a_decompression_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    row = b'{"timestamp": 1, "input_length": 1, "output_length": 1, "hash_ids": [1]}\n'
    bomb = gzip.compress(row * 1_000_000, 9)
    with pytest.raises(InputError, match=r"OPT-108.*unpacks"):
        read(write(tmp_path, "bomb.jsonl.gz", bomb), model="m")


def test_a_line_without_end_is_one_row_left_out(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    good = json.dumps(TRACE[0]).encode() + b"\n"
    with path.open("wb") as file:
        file.write(good + b'{"timestamp": 5, "text": "')
        for _ in range(40):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n' + good)
    rows, audit = read(path, model="m")
    assert (len(rows), audit) == (2, Audit(3, 2, {"too_long": 1}))


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = write(tmp_path, "t.jsonl.gz", gzip.compress(jsonl(TRACE).encode()))
    read(path, model="m", progress=lambda done, total: told.append((done, total)))
    size = path.stat().st_size
    assert told[-1] == (size, size)
    assert all(done <= total for done, total in told)


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path, "a.jsonl", jsonl(TRACE))
    write(tmp_path / "in", "b.jsonl", jsonl(TRACE[:1]))
    write(tmp_path, ".hidden", "not to be read")
    rows, audit = read(tmp_path, model="m")
    assert (len(rows), audit.rows_read) == (4, 4)


rows_of_a_table = st.lists(
    st.tuples(
        st.integers(1_700_000_000, 1_795_000_000),
        st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "acme-1"]),
        st.integers(-5, 5000),
        st.one_of(st.none(), st.integers(-2, 5000)),
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=40)
@given(rows=rows_of_a_table, data=st.data())
def test_the_order_of_rows_changes_nothing(rows: list, data, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("order")
    written = [
        {"timestamp": at, "model": model, "input_tokens": size, "output_tokens": said}
        for at, model, size, said in [*rows, (1_795_000_000, "gpt-4o", 1, 1)]
    ]
    shuffled = data.draw(st.permutations(written))
    found = []
    for name, order in (("a.jsonl", written), ("b.jsonl", shuffled)):
        imported = read_files([write(folder, name, jsonl(order))], now=NOW)
        import pyarrow as pa

        frame = UsageFrame.from_arrow(pa.Table.from_batches(list(imported.batches())))
        audit = imported.audit
        assert audit.rows_read == len(written) == audit.rows_kept + sum(audit.dropped.values())
        found.append((audit, frame.id.to_list(), frame.calls.input_tokens.tolist()))
    assert found[0] == found[1]
