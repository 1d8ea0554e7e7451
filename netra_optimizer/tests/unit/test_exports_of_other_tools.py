"""Exports of other tools and reports of providers, each by its own convention."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netra_optimizer import read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS

START = datetime(2026, 11, 20, 10, tzinfo=UTC)


def write(folder: Path, rows: object, name: str = "export.jsonl") -> Path:
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif name.endswith(".csv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text(json.dumps(rows))
    return path


def read(path: Path, **options) -> tuple[list[dict], Audit, str]:
    imported = read_files(path, **options)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit, imported.format


def counts(row: dict) -> dict[str, int]:
    return {bucket: row[bucket] for bucket in TOKEN_BUCKETS if row[bucket]}


def observation(**fields) -> dict:
    return {
        "id": "obs-1", "traceId": "tr-1", "type": "GENERATION", "name": "answer",
        "startTime": "2026-11-20T10:00:00.000Z", "endTime": "2026-11-20T10:00:03.000Z",
        "completionStartTime": "2026-11-20T10:00:00.500Z", "parentObservationId": "obs-0",
        "model": "claude-sonnet-4-5", "modelParameters": {"temperature": 0.2}, "level": "DEFAULT",
        "statusMessage": None, "input": [{"role": "user", "content": "hi"}], "output": "ho",
        "usageDetails": {"input": 100, "cache_read_input_tokens": 900, "output": 30,
                         "cache_creation_input_tokens": 50, "output_reasoning_tokens": 20,
                         "total": 1100},
        "costDetails": {"input": 0.1, "total": 0.25}, "metadata": {"feature": "search"},
        "sessionId": "s-1", "userId": "u-1", **fields,
    }  # fmt: skip


def test_langfuse_keeps_every_kind_of_token_apart(tmp_path: Path) -> None:
    rows, audit, name = read(write(tmp_path, [observation(), observation(id="s", type="SPAN")]))
    assert (name, audit) == ("langfuse", Audit(2, 1, {"not_a_model_call": 1}))
    row = rows[0]
    assert counts(row) == {
        "input_uncached": 100, "cache_read": 900, "cache_write_5m": 50, "output_text": 30,
        "reasoning": 20,
    }  # fmt: skip
    assert (row["latency_ms"], row["ttft_ms"], row["cost_recorded"]) == (3000.0, 500.0, 0.25)
    assert (row["user"], row["conversation"], row["feature"]) == ("u-1", "s-1", "search")


def test_a_langfuse_total_that_says_inclusive_is_believed(tmp_path: Path) -> None:
    details = {"input": 1000, "input_cached_tokens": 900, "output": 50,
               "output_reasoning_tokens": 20, "total": 1050}  # fmt: skip
    rows, _, _ = read(write(tmp_path, [observation(usageDetails=details)]))
    assert counts(rows[0]) == {
        "input_uncached": 100, "cache_read": 900, "output_text": 30, "reasoning": 20,
    }  # fmt: skip


def test_langfuse_csv_and_snake_case_exports_are_the_same(tmp_path: Path) -> None:
    import re

    flat = {
        re.sub("([A-Z])", r"_\1", key).lower(): (
            json.dumps(value) if isinstance(value, dict | list) else value
        )
        for key, value in observation().items()
    }  # fmt: skip
    rows, _, name = read(write(tmp_path, [flat], "export.csv"))
    same, _, _ = read(write(tmp_path, [observation()]))
    assert (name, rows) == ("langfuse", same)


def test_an_old_langfuse_export_without_details_is_read_by_its_usage(tmp_path: Path) -> None:
    old = observation(usage={"input": 7, "output": 3, "total": 10, "unit": "TOKENS"})
    del old["usageDetails"]
    failed = observation(id="f", level="ERROR", statusMessage="overloaded", usageDetails={})
    rows, _, _ = read(write(tmp_path, [old, failed]))
    assert counts(rows[0]) == {"input_uncached": 7, "output_text": 3}
    assert (rows[1]["status"], rows[1]["error_kind"], counts(rows[1])) == (
        "error",
        "overloaded",
        {},
    )


def helicone(**fields) -> dict:
    return {
        "request_id": "h-1", "request_created_at": "2026-11-20T10:00:00.000Z",
        "response_status": 200, "request_model": "gpt-4o", "response_model": "gpt-4o-2024-08-06",
        "provider": "OPENAI", "prompt_tokens": 1000, "completion_tokens": 20,
        "prompt_cache_read_tokens": 600, "prompt_cache_write_tokens": 0, "delay_ms": 900,
        "time_to_first_token": 200, "costUSD": 0.01, "request_user_id": "u-1",
        "request_properties": {"Feature": "search", "Session-Id": "s-1"},
        "cache_reference_id": "00000000-0000-0000-0000-000000000000", **fields,
    }  # fmt: skip


def test_helicone_is_read_by_the_provider_s_convention(tmp_path: Path) -> None:
    claude = helicone(request_id="h-2", provider="ANTHROPIC", response_model="claude-sonnet-4-5",
                      prompt_tokens=400, prompt_cache_write_tokens=50)  # fmt: skip
    whole = helicone(request_id="h-3", response_body={"id": "chatcmpl-9", "usage": {
        "prompt_tokens": 10, "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4}}})  # fmt: skip
    cached = helicone(request_id="h-4", cache_reference_id="1b4e28ba-2fa1-11d2-883f-0016d3cca427")
    failed = helicone(
        request_id="h-5", response_status=429, prompt_tokens=None, completion_tokens=None
    )
    rows, audit, name = read(write(tmp_path, [helicone(), claude, whole, cached, failed]))
    assert (name, audit) == ("helicone", Audit(5, 4, {"answered_by_gateway_cache": 1}))
    assert [counts(row) for row in rows] == [
        {"input_uncached": 400, "cache_read": 600, "output_text": 20},
        {"input_uncached": 400, "cache_read": 600, "cache_write_5m": 50, "output_text": 20},
        {"input_uncached": 6, "cache_read": 4, "output_text": 5},
        {},
    ]
    assert [row["id"] for row in rows] == ["h-1", "h-2", "chatcmpl-9", "h-5"]
    assert (rows[0]["user"], rows[0]["feature"], rows[0]["conversation"]) == (
        "u-1",
        "search",
        "s-1",
    )
    assert (rows[3]["status"], rows[3]["error_kind"]) == ("error", "http_429")


def bucket(*results: dict, hours: int = 0) -> dict:
    begin = START + timedelta(hours=hours)
    return {"object": "bucket", "start_time": int(begin.timestamp()),
            "end_time": int((begin + timedelta(hours=1)).timestamp()),
            "results": list(results)}  # fmt: skip


OPENAI_RESULT = {
    "object": "organization.usage.completions.result", "input_tokens": 1003, "output_tokens": 40,
    "input_cached_tokens": 400, "input_audio_tokens": 0, "output_audio_tokens": 0,
    "num_model_requests": 4, "project_id": "proj_1", "user_id": None, "api_key_id": None,
    "model": "gpt-4o-2024-08-06", "batch": True,
}  # fmt: skip


@pytest.mark.parametrize("name", ["usage.json", "usage.jsonl", "buckets.jsonl"])
def test_openai_s_usage_becomes_requests_that_sum_to_it(tmp_path: Path, name: str) -> None:
    nameless = {**OPENAI_RESULT, "model": None}
    found = [
        bucket(OPENAI_RESULT, nameless),
        bucket(hours=1),
        bucket({**OPENAI_RESULT, "batch": False}, hours=2),
    ]
    page = {"object": "page", "data": found, "has_more": False, "next_page": None}
    rows, audit, fmt = read(
        write(
            tmp_path,
            {"usage.json": page, "usage.jsonl": [page], "buckets.jsonl": found}[name],
            name,
        )
    )
    assert (fmt, audit) == ("openai_usage", Audit(3, 2, {"no_model": 1}))
    assert len(rows) == 8
    assert sum(row["input_uncached"] + row["cache_read"] for row in rows) == 2006
    assert sum(row["cache_read"] for row in rows) == 800
    assert [row["service_tier"] for row in rows] == ["batch"] * 4 + ["standard"] * 4
    assert [row["start"] for row in rows[:4]] == [
        START + timedelta(minutes=15 * i) for i in range(4)
    ]
    assert {row["team"] for row in rows} == {"proj_1"}
    assert len({row["id"] for row in rows}) == 8


@pytest.mark.parametrize(
    "writes",
    [
        {"cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200}},
        {"cache_creation_5m_input_tokens": 300, "cache_creation_1h_input_tokens": 200},
        {"cache_creation.ephemeral_5m_input_tokens": 300,
         "cache_creation.ephemeral_1h_input_tokens": 200},
        {"cache_creation_input_tokens": 500, "cache_creation": {"ephemeral_1h_input_tokens": 200}},
    ],
)  # fmt: skip
def test_anthropic_s_usage_report_is_read_in_either_spelling_of_its_writes(
    tmp_path: Path, writes: dict
) -> None:
    result = {"uncached_input_tokens": 350_000, "cache_read_input_tokens": 100_000, **writes,
              "output_tokens": 1000, "model": "claude-sonnet-4-5", "workspace_id": "w-1",
              "service_tier": "standard", "context_window": "0-200k", "api_key_id": "k-1",
              "server_tool_use": {"web_search_requests": 0}}  # fmt: skip
    report = {"data": [{"starting_at": "2026-11-20T10:00:00Z", "ending_at": "2026-11-20T11:00:00Z",
                        "results": [result]}], "has_more": False}  # fmt: skip
    rows, audit, name = read(write(tmp_path, report, "report.json"))
    assert (name, audit) == ("anthropic_usage", Audit(1, 1, {}))
    total = {bucket: sum(row[bucket] for row in rows) for bucket in TOKEN_BUCKETS}
    assert {bucket: n for bucket, n in total.items() if n} == {
        "input_uncached": 350_000, "cache_read": 100_000, "cache_write_5m": 300,
        "cache_write_1h": 200, "output_text": 1000,
    }  # fmt: skip
    inputs = [sum(counts(row).values()) - row["output_text"] for row in rows]
    assert max(inputs) < 200_000  # so that each part is priced in the band the report names


def claude_code(**fields) -> dict:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-5",
               "stop_reason": "tool_use", "content": [{"type": "tool_use", "name": "Bash"}],
               "usage": {"input_tokens": 4, "cache_creation_input_tokens": 900,
                         "cache_read_input_tokens": 12_000, "output_tokens": 3,
                         "cache_creation": {"ephemeral_5m_input_tokens": 0,
                                            "ephemeral_1h_input_tokens": 900},
                         "service_tier": "standard"}}  # fmt: skip
    inner = fields.pop("message", {})
    return {"type": "assistant", "timestamp": "2026-11-20T10:00:00.000Z", "sessionId": "s-1",
            "uuid": "u-1", "parentUuid": "u-0", "requestId": "req_1", "cwd": "/home/ann/shop",
            "isSidechain": False, "message": {**message, **inner}, **fields}  # fmt: skip


def test_claude_code_answers_count_once_however_often_they_were_logged(tmp_path: Path) -> None:
    grown = {"usage": {"input_tokens": 4, "output_tokens": 250, "cache_read_input_tokens": 12_000,
                       "cache_creation": {"ephemeral_1h_input_tokens": 900}}}  # fmt: skip
    lines = [
        {"type": "summary", "summary": "x", "leafUuid": "u-1"},
        {"type": "user", "timestamp": "2026-11-20T10:00:00Z", "sessionId": "s-1", "uuid": "u-0",
         "message": {"role": "user", "content": "hi"}},
        claude_code(),
        claude_code(uuid="u-2", message=grown),
        claude_code(uuid="u-3", requestId="req_2"),
        claude_code(uuid="u-4", message={"id": "msg_2", "model": "<synthetic>"}),
    ]  # fmt: skip
    rows, audit, name = read(write(tmp_path, lines))
    assert (name, audit) == ("claude_code", Audit(6, 2, {"duplicate": 1, "not_a_model_call": 3}))
    assert [(row["id"], row["output_text"]) for row in rows] == [
        ("msg_1:req_1", 250), ("msg_1:req_2", 3),
    ]  # fmt: skip
    assert counts(rows[1]) == {
        "input_uncached": 4, "cache_read": 12_000, "cache_write_1h": 900, "output_text": 3,
    }  # fmt: skip
    assert (rows[1]["conversation"], rows[1]["feature"], rows[1]["tool_names"]) == (
        "s-1",
        "shop",
        ["Bash"],
    )
    resumed = tmp_path / "resumed.jsonl"
    resumed.write_text(json.dumps(claude_code(sessionId="s-2")) + "\n")
    _, audit, _ = read(tmp_path)
    assert (audit.rows_kept, audit.dropped["duplicate"]) == (2, 2)


BURST = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45.5,GPT-4,1087,230,1317,API log
118,ChatGPT,417,0,417,Conversation log
"""


def test_burstgpt_counts_seconds_and_marks_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "burst.csv"
    path.write_text(BURST)
    rows, audit, name = read(path, start="2026-11-20T10:00:00Z")
    assert (name, audit) == ("burstgpt", Audit(3, 3, {}))
    assert [row["start"] - START for row in rows] == [timedelta(seconds=s) for s in (5, 45.5, 118)]
    assert [row["model"] for row in rows] == ["gpt-3.5-turbo", "gpt-4", "gpt-3.5-turbo"]
    assert [row["status"] for row in rows] == ["ok", "ok", "error"]
    assert [counts(row) for row in rows] == [
        {"input_uncached": 472, "output_text": 18}, {"input_uncached": 1087, "output_text": 230},
        {"input_uncached": 417},
    ]  # fmt: skip
    asked, _, _ = read(path, model="claude-sonnet-4-5", now=START)
    assert {row["model"] for row in asked} == {"claude-sonnet-4-5"}
    assert asked[-1]["start"] == START
