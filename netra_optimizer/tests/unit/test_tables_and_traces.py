"""Tables of one's own and published traces: which columns say what, and how they count."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netra_optimizer import read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
CALL = {"timestamp": "2026-11-20T10:00:00Z", "model": "claude-sonnet-4-5"}


def as_csv(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()} for row in rows
        )
    return path


def read(path: Path, **options) -> tuple[list[dict], Audit, str]:
    imported = read_files(path, **options)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit, imported.format


def counts(row: dict) -> dict[str, int]:
    return {bucket: row[bucket] for bucket in TOKEN_BUCKETS if row[bucket]}


TABLES = {
    "openai's names: cached inside": (
        {"prompt_tokens": 1000, "completion_tokens": 50, "cached_tokens": 900},
        {"input_uncached": 100, "cache_read": 900, "output_text": 50},
    ),
    "anthropic's own names: cached beside": (
        {"input_tokens": 5000, "output_tokens": 50, "cache_read_input_tokens": 900,
         "cache_creation_input_tokens": 100},
        {"input_uncached": 5000, "cache_read": 900, "cache_write_5m": 100, "output_text": 50},
    ),
    "anthropic's usage object made flat": (
        {"usage.input_tokens": 21, "usage.output_tokens": 50,
         "usage.cache_read_input_tokens": 900, "usage.cache_creation_input_tokens": 188,
         "usage.cache_creation.ephemeral_5m_input_tokens": 88,
         "usage.cache_creation.ephemeral_1h_input_tokens": 100},
        {"input_uncached": 21, "cache_read": 900, "cache_write_5m": 88, "cache_write_1h": 100,
         "output_text": 50},
    ),
    "openai's usage object made flat": (
        {"usage.prompt_tokens": 1000, "usage.completion_tokens": 50,
         "usage.prompt_tokens_details.cached_tokens": 900,
         "usage.completion_tokens_details.reasoning_tokens": 20},
        {"input_uncached": 100, "cache_read": 900, "output_text": 30, "reasoning": 20},
    ),
    "parts that do not fit lie beside": (
        {"tokens_in": 21, "tokens_out": 50, "cache_read": 900},
        {"input_uncached": 21, "cache_read": 900, "output_text": 50},
    ),
    "a total that counts them on top says beside": (
        {"tokens_in": 1000, "tokens_out": 50, "cache_read": 900, "reasoning": 20,
         "total_tokens": 1970},
        {"input_uncached": 1000, "cache_read": 900, "output_text": 50, "reasoning": 20},
    ),
    "a total that does not says inside": (
        {"tokens_in": 1000, "tokens_out": 50, "cache_read": 900, "reasoning": 20,
         "total_tokens": 1050},
        {"input_uncached": 100, "cache_read": 900, "output_text": 30, "reasoning": 20},
    ),
    "a column that says uncached": (
        {"uncached_input_tokens": 100, "cached_input_tokens": 900, "output_tokens": 50},
        {"input_uncached": 100, "cache_read": 900, "output_text": 50},
    ),
    "a nested usage object": (
        {"usage": {"input_tokens": 21, "cache_read_input_tokens": 900, "output_tokens": 50}},
        {"input_uncached": 21, "cache_read": 900, "output_text": 50},
    ),
    "openrouter's activity": (
        {"model_permaslug": "anthropic/claude-sonnet-4.5", "tokens_prompt": 1000,
         "tokens_completion": 50, "tokens_reasoning": 20, "tokens_cached": 900,
         "cost_total": 0.01, "generation_time_ms": 900, "time_to_first_token_ms": 200},
        {"input_uncached": 100, "cache_read": 900, "output_text": 30, "reasoning": 20},
    ),
    "openrouter's generations: the model's own counts are what is billed": (
        {"tokens_prompt": 990, "tokens_completion": 44, "native_tokens_prompt": 1000,
         "native_tokens_completion": 50, "native_tokens_reasoning": 20,
         "native_tokens_cached": 900, "usage": 0.01},
        {"input_uncached": 100, "cache_read": 900, "output_text": 30, "reasoning": 20},
    ),
    "counts with separators and decimals": (
        {"Input Tokens": "1,000", "Output Tokens": "50.0"},
        {"input_uncached": 1000, "output_text": 50},
    ),
}  # fmt: skip


@pytest.mark.parametrize("container", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_s_columns_say_how_they_count(name: str, container: str, tmp_path: Path) -> None:
    columns, expected = TABLES[name]
    rows = [{**CALL, **columns}, {**CALL, "timestamp": "2026-11-20T10:00:01Z", **columns}]
    path = tmp_path / f"t.{container}"
    if container == "csv":
        as_csv(path, rows)
    elif container == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    found, audit, fmt = read(path, fmt="generic")
    assert (fmt, audit) == ("generic", Audit(2, 2, {}))
    assert [counts(row) for row in found] == [expected] * 2


@pytest.mark.parametrize("container", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "stamp",
    [
        "Fri, 20 Nov 2026 10:00:00 GMT", "20/Nov/2026:10:00:00 +0000",
        "Nov 20, 2026, 10:00:00 AM", "11/20/2026 10:00:00 AM", "11/20/2026, 10:00:00",
        "2026/11/20 10:00", "2026-11-20T10:00:00.000+00:00[UTC]", "20.11.2026 10:00:00",
        "2026-11-20 10:00:00.000000 +0000 UTC", "2026-11-20 02:00:00 -0800", "20261120T100000Z",
    ],
)  # fmt: skip
def test_times_are_read_as_programs_and_people_write_them(
    stamp: str, container: str, tmp_path: Path
) -> None:
    row = {**CALL, "timestamp": stamp, "input_tokens": 1, "output_tokens": 1}
    path = tmp_path / f"t.{container}"
    if container == "csv":
        as_csv(path, [row])
    else:
        path.write_text(json.dumps(row))
    [found], _, _ = read(path)
    assert found["start"] == START


@pytest.mark.parametrize("tags", ['["a", "b:c"]', "a, b:c", '{a,"b:c"}', "{a,b:c}"])
def test_tags_in_a_cell_are_read_in_every_spelling(tags: str, tmp_path: Path) -> None:
    row = {**CALL, "input_tokens": 1, "output_tokens": 1, "tags": tags}
    [found], _, _ = read(as_csv(tmp_path / "t.csv", [row]))
    assert found["tags"] == ["a", "b:c"]


def test_a_failed_call_with_an_empty_usage_object_is_kept(tmp_path: Path) -> None:
    rows = [{**CALL, "usage": {}, "status": 500}, {**CALL, "usage": {"prompt_tokens": None}},
            {**CALL, "usage": {"prompt_tokens": 3, "completion_tokens": 1}}]  # fmt: skip
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found, audit, _ = read(path)
    assert audit == Audit(3, 2, {"no_token_counts": 1})
    assert [(row["status"], row["input_uncached"]) for row in found] == [("error", 0), ("ok", 3)]


AZURE = {
    "2023": ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n",
             datetime(2023, 11, 16, 18, 15, 46, 680590, UTC)),
    "2024, a week": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,374,44\n",
        datetime(2024, 5, 10, 0, 0, 0, 9930, UTC)),
    "with images": (
        "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2024-10-15 00:00:12.117,2,374,44\n",
        datetime(2024, 10, 15, 0, 0, 12, 117000, UTC)),
}  # fmt: skip


@pytest.mark.parametrize("name", AZURE)
def test_azure_s_traces_of_every_year_are_read(name: str, tmp_path: Path) -> None:
    content, start = AZURE[name]
    (tmp_path / "t.csv").write_text(content)
    [row], audit, fmt = read(tmp_path / "t.csv", model="gpt-4o")
    assert (fmt, audit, row["start"]) == ("azure", Audit(1, 1, {}), start)
    assert counts(row) == {"input_uncached": 374, "output_text": 44}


def test_burstgpt_s_sessions_and_failures_are_told(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,"
        "Log Type\n0.0,s1,2.5,ChatGPT,472,18,490,Conversation log\n"
        "7.25,,,GPT-4,1087,0,1087,API log\n"
    )
    rows, audit, fmt = read(tmp_path / "b.csv", start=START)
    assert (fmt, audit) == ("burstgpt", Audit(2, 2, {}))
    assert [(row["start"] - START, row["model"], row["status"], row["conversation"],
             row["latency_ms"], row["feature"]) for row in rows] == [
        (timedelta(0), "gpt-3.5-turbo", "ok", "s1", 2500.0, "Conversation log"),
        (timedelta(seconds=7.25), "gpt-4", "error", "", None, "API log"),
    ]  # fmt: skip


TRACES = {
    "mooncake": ([{"timestamp": 0, "input_length": 6758, "output_length": 500,
                   "hash_ids": list(range(14))},
                  {"timestamp": 3052, "input_length": 7322, "output_length": 490,
                   "hash_ids": [*range(13), *range(14, 16)]}], 3052, 512),
    "bailian: seconds, small blocks, conversations": (
        [{"chat_id": 159, "parent_chat_id": -1, "timestamp": 61.114, "input_length": 40,
          "output_length": 132, "type": "text", "turn": 1, "hash_ids": [1, 2, 3]},
         {"chat_id": 160, "parent_chat_id": 159, "timestamp": 62.5, "input_length": 52,
          "output_length": 3, "type": "text", "turn": 2, "hash_ids": [1, 2, 3, 4]}], 1386, 16),
    "lengths alone": ([{"timestamp": 0, "input_length": 40, "output_length": 1},
                       {"timestamp": 1000, "input_length": 52, "output_length": 1}], 1000, 512),
}  # fmt: skip


@pytest.mark.parametrize("container", ["jsonl", "json", "parquet", "csv"])
@pytest.mark.parametrize("name", TRACES)
def test_traces_of_serving_clusters_are_read(name: str, container: str, tmp_path: Path) -> None:
    lines, apart_ms, block = TRACES[name]
    path = tmp_path / f"t.{container}"
    if container == "jsonl":
        path.write_text("\n".join(map(json.dumps, lines)))
    elif container == "json":
        path.write_text(json.dumps(lines))
    elif container == "csv":
        as_csv(path, [{k: str(v) for k, v in line.items()} for line in lines])
    else:
        pq.write_table(pa.Table.from_pylist(lines), path)
    rows, audit, fmt = read(path, model="claude-sonnet-4-5", start=START)
    assert (fmt, audit) == ("mooncake", Audit(2, 2, {}))
    assert rows[1]["start"] - rows[0]["start"] == timedelta(milliseconds=apart_ms)
    assert [row["input_uncached"] for row in rows] == [line["input_length"] for line in lines]
    assert [row["block_hashes"] for row in rows] == [line.get("hash_ids", []) for line in lines]
    if "hash_ids" in lines[0]:
        assert {row["block_tokens"] for row in rows} == {block}
