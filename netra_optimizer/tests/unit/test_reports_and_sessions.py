"""Reports of providers, Helicone's exports and Claude Code's sessions, in all their spellings."""

import csv
import json
import random
from pathlib import Path

import pytest

from netra_optimizer import PriceTable, UsageFrame, read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.batch import schema
from netra_optimizer.usage.record import TOKEN_BUCKETS

BEGIN = 1795168800
"""2026-11-20 10:00 UTC."""


def read(path: Path, **options) -> tuple[list[dict], Audit, str]:
    imported = read_files(path, **options)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit, imported.format


def total(rows: list[dict]) -> dict[str, int]:
    found = {bucket: sum(row[bucket] for row in rows) for bucket in TOKEN_BUCKETS}
    return {bucket: count for bucket, count in found.items() if count}


def openai_page(folder: Path, *results: dict) -> Path:
    path = folder / "usage.json"
    bucket = {"object": "bucket", "start_time": BEGIN, "end_time": BEGIN + 3600,
              "results": list(results)}  # fmt: skip
    path.write_text(json.dumps({"object": "page", "data": [bucket], "has_more": False}))
    return path


COMPLETIONS = {
    "object": "organization.usage.completions.result", "num_model_requests": 5,
    "model": "gpt-realtime", "project_id": None, "api_key_id": None, "user_id": None,
    "batch": False, "service_tier": "default",
}  # fmt: skip


def test_openai_s_usage_told_apart_by_modality_has_every_token_once(tmp_path: Path) -> None:
    result = {
        **COMPLETIONS, "input_tokens": 1000, "output_tokens": 300, "input_cached_tokens": 400,
        "input_cached_text_tokens": 250, "input_cached_audio_tokens": 150,
        "input_cached_image_tokens": 0, "input_cache_write_tokens": 60,
        "input_uncached_tokens": 540, "input_text_tokens": 300, "input_audio_tokens": 200,
        "input_image_tokens": 40, "output_text_tokens": 100, "output_audio_tokens": 180,
        "output_image_tokens": 20,
    }  # fmt: skip
    rows, audit, name = read(openai_page(tmp_path, result))
    assert (name, audit, len(rows)) == ("openai_usage", Audit(1, 1, {}), 5)
    assert total(rows) == {
        "input_uncached": 300, "cache_read": 400, "cache_write_5m": 60, "audio_in": 200,
        "image_in": 40, "output_text": 100, "audio_out": 180, "image_out": 20,
    }  # fmt: skip


def test_openai_s_older_usage_counts_audio_beside_the_text(tmp_path: Path) -> None:
    result = {**COMPLETIONS, "input_tokens": 1000, "output_tokens": 300, "input_cached_tokens": 400,
              "input_audio_tokens": 200, "output_audio_tokens": 50}  # fmt: skip
    rows, _, _ = read(openai_page(tmp_path, result))
    assert total(rows) == {"input_uncached": 600, "cache_read": 400, "audio_in": 200,
                           "output_text": 300, "audio_out": 50}  # fmt: skip


def test_openai_s_usage_without_tokens_is_left_out_by_name(tmp_path: Path) -> None:
    def result(kind: str, **fields) -> dict:
        return {"object": f"organization.usage.{kind}.result", "num_model_requests": 3, **fields}

    rows, audit, name = read(
        openai_page(
            tmp_path,
            result("embeddings", model="text-embedding-3-small", input_tokens=90),
            result("moderations", model="omni-moderation-latest", input_tokens=10),
            result("images", model="gpt-image-1", images=2, size="1024x1024"),
            result("audio_speeches", model="tts-1", characters=900),
            result("audio_transcriptions", model="whisper-1", seconds=70),
            result("vector_stores", usage_bytes=1),
            result("code_interpreter_sessions", num_sessions=4),
            result("web_searches", num_requests=3, model="gpt-4o"),
        )
    )
    assert (name, audit) == ("openai_usage", Audit(8, 2, {"no_token_counts": 6}))
    assert [(row["model"], row["operation"], row["input_uncached"]) for row in rows] == [
        *[("text-embedding-3-small", "embeddings", 30)] * 3,
        ("omni-moderation-latest", "moderation", 4), ("omni-moderation-latest", "moderation", 3),
        ("omni-moderation-latest", "moderation", 3),
    ]  # fmt: skip


def test_openai_s_usage_as_a_table_counts_its_requests_too(tmp_path: Path) -> None:
    row = {"start_time": BEGIN, "end_time": BEGIN + 3600, "start_time_iso": "2026-11-20T10:00:00Z",
           "input_tokens": 1000, "output_tokens": 300, "input_cached_tokens": 400,
           "input_audio_tokens": 0, "output_audio_tokens": 0, "num_model_requests": 4,
           "project_id": "p", "model": "gpt-4o", "batch": "True"}  # fmt: skip
    with (tmp_path / "u.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    rows, audit, name = read(tmp_path / "u.csv")
    assert (name, audit, len(rows)) == ("openai_usage", Audit(1, 1, {}), 4)
    assert total(rows) == {"input_uncached": 600, "cache_read": 400, "output_text": 300}
    assert {(row["service_tier"], row["team"]) for row in rows} == {("batch", "p")}


def test_a_price_that_depends_on_a_request_s_size_is_not_decided_by_a_day_s_sum(
    tmp_path: Path,
) -> None:
    result = {**COMPLETIONS, "model": "gpt-5.4", "input_tokens": 900_000, "output_tokens": 10_000,
              "num_model_requests": 30}  # fmt: skip
    imported = read_files(openai_page(tmp_path, result))
    import pyarrow as pa

    frame = UsageFrame.from_arrow(
        pa.Table.from_batches(list(imported.batches()), schema()), PriceTable.load()
    )
    assert frame.cost_usd.sum() == pytest.approx(0.9 * 2.5 + 0.01 * 15)


CONSOLE = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,\
usage_output_tokens,web_search_count,inference_geo,speed
2026-11-20,claude-sonnet-4-5-20250929,search,Default,standard,≤ 200k,46981,15969,300,4000,16932,\
0,global,
2026-11-20,claude-sonnet-4-5-20250929,search,Default,batch,> 200k,900000,0,0,0,200,0,global,
2026-11-20 13:05,claude-opus-4-6,agents,Team,standard,≤ 200k,10,0,0,0,5,0,global,fast
"""


def test_the_console_s_usage_csv_is_anthropic_s_report(tmp_path: Path) -> None:
    path = tmp_path / "console.csv"
    path.write_text(CONSOLE, encoding="utf-8-sig")
    rows, audit, name = read(path)
    assert (name, audit) == ("anthropic_usage", Audit(3, 3, {}))
    assert total([row for row in rows if row["service_tier"] == "standard"]) == {
        "input_uncached": 46981, "cache_read": 4000, "cache_write_5m": 15969, "cache_write_1h": 300,
        "output_text": 16932,
    }  # fmt: skip
    long = [row for row in rows if row["service_tier"] == "batch"]
    assert total(long) == {"input_uncached": 900_000, "output_text": 200}
    assert min(row["input_uncached"] for row in long) > 200_000
    assert {(row["model"], row["service_tier"], row["team"], row["feature"], row["provider"])
            for row in rows} == {
        ("claude-sonnet-4-5-20250929", "standard", "Default", "search", "anthropic"),
        ("claude-sonnet-4-5-20250929", "batch", "Default", "search", "anthropic"),
        ("claude-opus-4-6", "fast", "Team", "agents", "anthropic"),
    }  # fmt: skip
    assert rows[-1]["start"].isoformat() == "2026-11-20T13:05:00+00:00"


def test_anthropic_s_report_tells_its_fast_mode(tmp_path: Path) -> None:
    report = {
        "data": [
            {
                "starting_at": "2026-11-20T00:00:00Z",
                "ending_at": "2026-11-21T00:00:00Z",
                "results": [
                    {
                        "uncached_input_tokens": 5,
                        "output_tokens": 1,
                        "model": "claude-opus-4-6",
                        "speed": "fast",
                        "context_window": None,
                        "service_tier": "standard",
                    }
                ],
            }
        ]
    }
    (tmp_path / "r.json").write_text(json.dumps(report))
    [row], _, _ = read(tmp_path / "r.json")
    assert row["service_tier"] == "fast"


def helicone(**fields) -> dict:
    return {
        "request_id": "h-1", "request_created_at": "2026-11-20T10:00:00.000Z",
        "response_status": 200, "request_model": "o4-mini", "provider": "OPENAI",
        "prompt_tokens": 1000, "completion_tokens": 20, "delay_ms": 900,
        "request_path": "https://api.openai.com/v1/chat/completions", **fields,
    }  # fmt: skip


def test_helicone_s_totals_tell_where_reasoning_lies(tmp_path: Path) -> None:
    rows = [
        helicone(reasoning_tokens=300, total_tokens=1320),
        helicone(request_id="h-2", reasoning_tokens=15, total_tokens=1020),
        helicone(request_id="h-3", prompt_tokens=None, completion_tokens=None, total_tokens=None,
                 response_body={"helicone_message": "fetching body from signed_url..."}),
    ]  # fmt: skip
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found, audit, _ = read(path)
    assert audit == Audit(3, 2, {"no_token_counts": 1})
    assert [(row["output_text"], row["reasoning"]) for row in found] == [(20, 300), (5, 15)]


def test_helicone_s_own_csv_is_recognized(tmp_path: Path) -> None:
    row = {
        "response_id": "r-1", "response_created_at": "2026-11-20T10:00:02Z",
        "response_status": "200", "request_created_at": "2026-11-20T10:00:00Z",
        "request_body": json.dumps({"model": "gpt-4o", "messages": [
            {"role": "user", "content": "a, \"b\"\nc"}]}),
        "request_properties": json.dumps({"Team": "web"}), "request_user_id": "u-1",
        "model": "gpt-4o-2024-08-06", "prompt_tokens": "30", "completion_tokens": "12",
        "latency": "2000", "cost": "0.0002",
    }  # fmt: skip
    with (tmp_path / "h.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    [found], audit, name = read(tmp_path / "h.csv")
    assert (name, audit) == ("helicone", Audit(1, 1, {}))
    assert (
        found["input_uncached"],
        found["output_text"],
        found["latency_ms"],
        found["team"],
        found["user"],
        found["cost_recorded"],
    ) == (30, 12, 2000.0, "web", "u-1", 0.0002)
    assert found["prompt_hash"]


def session(number: int, output: int, **fields) -> dict:
    return {
        "type": "assistant", "timestamp": f"2026-11-20T10:00:{number:02d}.000Z",
        "sessionId": "s-1", "uuid": f"u-{number}", "requestId": "req_1", "cwd": "C:\\work\\shop",
        "message": {"id": "msg_1", "role": "assistant", "model": "claude-opus-4-6", "usage": {
            "input_tokens": 4, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 0},
            "output_tokens": output, "service_tier": "standard", "speed": "standard",
            "inference_geo": "not_available", "server_tool_use": {"web_search_requests": 0}},
            "content": [], "stop_reason": None},
        **fields,
    }  # fmt: skip


def test_a_streamed_answer_s_last_counts_stand_whatever_the_order_of_lines(tmp_path: Path) -> None:
    lines = [session(i, output) for i, output in enumerate((1, 1, 8, 414))]
    lines.append(session(9, 414, isSidechain=True))
    seen = []
    for seed in range(6):
        random.Random(seed).shuffle(lines)
        (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, lines)))
        rows, audit, _ = read(tmp_path / "s.jsonl")
        assert audit == Audit(5, 1, {"duplicate": 4})
        seen.append(rows)
    assert seen[1:] == seen[:1] * 5
    assert total(seen[0]) == {
        "input_uncached": 4, "cache_read": 900, "cache_write_5m": 50, "output_text": 414,
    }  # fmt: skip
    assert seen[0][0]["feature"] == "shop"


def test_a_bucket_in_a_file_of_its_own_is_a_report(tmp_path: Path) -> None:
    bucket = {"object": "bucket", "start_time": 1795132800, "end_time": 1795219200, "results": [
        {"object": "organization.usage.completions.result", "model": "gpt-6-sol",
         "num_model_requests": 1, "input_tokens": 10_000, "output_tokens": 500,
         "input_cached_tokens": 4000, "input_cache_write_tokens": 3000,
         "input_cache_write_30m_tokens": 2000, "input_cache_write_12h_tokens": 1000,
         "input_uncached_tokens": 3000, "input_text_tokens": 3000, "output_text_tokens": 500},
    ]}  # fmt: skip
    path = tmp_path / "bucket.json"
    path.write_text(json.dumps(bucket))
    imported = read_files(path)
    [row] = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert imported.format == "openai_usage"
    assert {name: row[name] for name in TOKEN_BUCKETS if row[name]} == {
        "input_uncached": 3000, "cache_read": 4000, "cache_write_5m": 2000,
        "cache_write_1h": 1000, "output_text": 500,
    }  # fmt: skip
