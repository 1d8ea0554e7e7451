"""Logs of request and response bodies, of LiteLLM, and of agents' sessions."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netra_optimizer import read_files
from netra_optimizer.results import Audit

AT = "2026-11-20T10:00:00Z"
START = datetime(2026, 11, 20, 10, tzinfo=UTC)
SYSTEM = {"role": "system", "content": "You answer questions about cheese. " * 40}
TOOLS = [{"type": "function", "function": {"name": "lookup", "parameters": {}}}]


def read(folder: Path, rows: list, **options) -> tuple[list[dict], Audit, str]:
    path = folder / "log.jsonl"
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    )
    imported = read_files(path, **options)
    found = [row for batch in imported.batches() for row in batch.to_pylist()]
    return found, imported.audit, imported.format


def openai_line(question: str, **more) -> dict:
    return {
        "timestamp": AT,
        "request": {
            "model": "gpt-4o", "temperature": 0, "max_tokens": 50, "tools": TOOLS, "user": "u-7",
            "messages": [SYSTEM, {"role": "user", "content": question}],
            "metadata": {"feature": "search", "team": "web", "session_id": "s-1"},
        },
        "response": {
            "id": "chatcmpl-" + question, "object": "chat.completion", "created": 1795168800,
            "model": "gpt-4o-2024-08-06", "service_tier": "default",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": None,
                "tool_calls": [{"id": "1", "type": "function",
                                "function": {"name": "lookup", "arguments": "{}"}}]}}],
            "usage": {"prompt_tokens": 400, "completion_tokens": 20, "total_tokens": 420,
                      "prompt_tokens_details": {"cached_tokens": 256},
                      "completion_tokens_details": {"reasoning_tokens": 0}},
        },
        "latency_ms": 840,
        **more,
    }  # fmt: skip


def anthropic_line(**more) -> dict:
    return {
        "timestamp": AT,
        "request": {
            "model": "claude-sonnet-4-5", "max_tokens": 100, "system": SYSTEM["content"],
            "messages": [{"role": "user", "content": "Brie?"}], "metadata": {"user_id": "u-9"},
        },
        "response": {
            "id": "msg_1", "type": "message", "role": "assistant",
            "model": "claude-sonnet-4-5-20250929", "stop_reason": "max_tokens",
            "content": [{"type": "text", "text": "Yes."}, {"type": "tool_use", "name": "buy"}],
            "usage": {"input_tokens": 30, "cache_read_input_tokens": 2000,
                      "cache_creation_input_tokens": 500,
                      "cache_creation": {"ephemeral_5m_input_tokens": 0,
                                         "ephemeral_1h_input_tokens": 500},
                      "output_tokens": 100, "service_tier": "priority"},
        },
        **more,
    }  # fmt: skip


def test_an_openai_call_is_read_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    rows, audit, name = read(tmp_path, [openai_line("a")])
    assert (name, audit) == ("requests", Audit(1, 1, {}))
    row = rows[0]
    known = {key: row[key] for key in (
        "id", "start", "model", "provider", "service_tier", "latency_ms", "input_uncached",
        "cache_read", "output_text", "user", "team", "feature", "conversation", "status", "params",
        "finish_reason", "tool_names",
    )}  # fmt: skip
    assert known == {
        "id": "chatcmpl-a", "start": START, "model": "gpt-4o-2024-08-06", "provider": "openai",
        "service_tier": "standard", "latency_ms": 840.0, "input_uncached": 144, "cache_read": 256,
        "output_text": 20, "user": "u-7", "team": "web", "feature": "search",
        "conversation": "s-1", "status": "ok", "params": '{"max_tokens":50,"temperature":0}',
        "finish_reason": "tool_calls", "tool_names": ["lookup"],
    }  # fmt: skip


def test_an_anthropic_call_is_read_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    rows, _, _ = read(tmp_path, [anthropic_line()])
    row = rows[0]
    known = {key: row[key] for key in (
        "id", "model", "provider", "service_tier", "input_uncached", "cache_read",
        "cache_write_5m", "cache_write_1h", "output_text", "user", "finish_reason", "tool_names",
    )}  # fmt: skip
    assert known == {
        "id": "msg_1", "model": "claude-sonnet-4-5-20250929", "provider": "anthropic",
        "service_tier": "priority", "input_uncached": 30, "cache_read": 2000, "cache_write_5m": 0,
        "cache_write_1h": 500, "output_text": 100, "user": "u-9", "finish_reason": "length",
        "tool_names": ["buy"],
    }  # fmt: skip


def test_equal_requests_have_one_hash_and_equal_prefixes_equal_blocks(tmp_path: Path) -> None:
    first, repeat, other = openai_line("a"), openai_line("a"), openai_line("b")
    repeat["request"] = {**repeat["request"], "model": "gpt-4o-mini", "user": "else"}
    repeat["response"] = {**repeat["response"], "id": "chatcmpl-a2"}
    rows, _, _ = read(tmp_path, [first, repeat, other])
    a, again, b = rows
    assert a["prompt_hash"] == again["prompt_hash"] != b["prompt_hash"]
    assert a["block_hashes"] == again["block_hashes"]
    shared = [x == y for x, y in zip(a["block_hashes"], b["block_hashes"], strict=True)]
    assert shared == [True] * (len(shared) - 1) + [False]
    assert a["block_tokens"] * len(shared) == pytest.approx(400, rel=0.2)


def test_a_request_with_another_temperature_is_another_request(tmp_path: Path) -> None:
    warm = openai_line("b")
    warm["request"] = {**openai_line("a")["request"], "temperature": 1}
    rows, _, _ = read(tmp_path, [openai_line("a"), warm])
    assert rows[0]["prompt_hash"] != rows[1]["prompt_hash"]


def test_a_failed_call_without_usage_is_an_error_with_no_tokens(tmp_path: Path) -> None:
    failed = [
        openai_line("a", response={"error": {"type": "rate_limit_error", "message": "slow down"}}),
        openai_line("b", response=None, error="timeout"),
        openai_line("c", response=None, status_code=529, id="c"),
        anthropic_line(response={"type": "error", "error": {"type": "overloaded_error"}}),
    ]
    rows, audit, _ = read(tmp_path, failed)
    assert audit == Audit(4, 4, {})
    assert {row["status"] for row in rows} == {"error"}
    assert [row["error_kind"] for row in rows] == [
        "rate_limit_error", "timeout", "http_529", "overloaded_error",
    ]  # fmt: skip
    assert {row["input_uncached"] for row in rows} == {0}


def test_an_answer_without_usage_is_left_out_by_name(tmp_path: Path) -> None:
    silent = openai_line("a", response={"id": "x", "choices": []})
    _, audit, _ = read(tmp_path, [silent, openai_line("b")])
    assert audit == Audit(2, 1, {"no_token_counts": 1})


def test_streamed_answers_are_put_together(tmp_path: Path) -> None:
    chunks = [
        {"id": "c-1", "model": "gpt-4o", "choices": [{"delta": {"content": "a"}}], "usage": None},
        {"id": "c-1", "model": "gpt-4o", "choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"id": "c-1", "model": "gpt-4o", "choices": [],
         "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
    ]  # fmt: skip
    events = [
        {"type": "message_start", "message": {"id": "m-1", "type": "message",
         "model": "claude-sonnet-4-5", "usage": {"input_tokens": 7, "output_tokens": 1,
                                                 "cache_read_input_tokens": 50}}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hm"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
         "usage": {"output_tokens": 33}},
        {"type": "message_stop"},
    ]  # fmt: skip
    text = (
        "".join(f"event: x\ndata: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n"
    )
    finished = {"type": "response.completed", "response": {
        "id": "r-1", "object": "response", "model": "gpt-5", "status": "completed",
        "usage": {"input_tokens": 5, "output_tokens": 6}}}  # fmt: skip
    rows, audit, _ = read(
        tmp_path,
        [
            openai_line("a", response=chunks),
            anthropic_line(response=text),
            openai_line(
                "b", response={"stream": True, "chunks": [{"type": "response.created"}, finished]}
            ),
        ],
    )  # fmt: skip
    assert audit == Audit(3, 3, {})
    counts = [(r["id"], r["input_uncached"], r["cache_read"], r["output_text"]) for r in rows]
    assert counts == [("c-1", 9, 0, 4), ("m-1", 7, 50, 33), ("r-1", 5, 0, 6)]
    assert [row["finish_reason"] for row in rows] == ["stop", "stop", "stop"]


def test_a_responses_call_is_read_like_a_chat(tmp_path: Path) -> None:
    line = {
        "time": 1795168800.25, "request": {"model": "gpt-5", "input": "hi", "instructions": "x"},
        "response": {
            "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5-2025-08-07",
            "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
            "output": [{"type": "reasoning"}, {"type": "function_call", "name": "f"}],
            "usage": {"input_tokens": 75, "input_tokens_details": {"cached_tokens": 0},
                      "output_tokens": 1186, "output_tokens_details": {"reasoning_tokens": 1024},
                      "total_tokens": 1261}, "service_tier": "flex",
        },
    }  # fmt: skip
    rows, _, _ = read(tmp_path, [line])
    row = rows[0]
    assert (row["output_text"], row["reasoning"], row["finish_reason"]) == (162, 1024, "length")
    assert (row["service_tier"], row["tool_names"]) == ("flex", ["f"])
    assert row["start"] == START + timedelta(seconds=0.25)


def spend(**fields) -> dict:
    return {
        "request_id": "r-1", "call_type": "acompletion", "api_key": "88dc28", "spend": 0.0042,
        "total_tokens": 2120, "prompt_tokens": 2100, "completion_tokens": 20,
        "startTime": "2026-11-20T10:00:00+00:00", "endTime": "2026-11-20T10:00:02.500000+00:00",
        "completionStartTime": "2026-11-20T10:00:00.400000+00:00",
        "model": "claude-sonnet-4-5-20250929", "model_id": "abc", "model_group": "sonnet",
        "custom_llm_provider": "anthropic", "user": "", "end_user": "u-1", "team_id": "t-1",
        "cache_hit": "None", "request_tags": ["feature:search", "prod"], "session_id": "s-1",
        "metadata": {"status": "success", "user_api_key_team_alias": "web", "usage_object": {
            "prompt_tokens": 2100, "completion_tokens": 20, "total_tokens": 2120,
            "prompt_tokens_details": {"cached_tokens": 1500},
            "cache_read_input_tokens": 1500, "cache_creation_input_tokens": 500}},
        "messages": {}, "response": {}, "status": "success", **fields,
    }  # fmt: skip


def test_litellm_s_prompt_tokens_include_anthropic_s_cache_tokens(tmp_path: Path) -> None:
    rows, audit, name = read(tmp_path, [spend()])
    assert (name, audit) == ("litellm", Audit(1, 1, {}))
    row = rows[0]
    known = {key: row[key] for key in (
        "id", "start", "model", "provider", "latency_ms", "ttft_ms", "input_uncached", "cache_read",
        "cache_write_5m", "output_text", "user", "team", "feature", "tags", "conversation",
        "cost_recorded",
    )}  # fmt: skip
    assert known == {
        "id": "r-1", "start": START, "model": "claude-sonnet-4-5-20250929",
        "provider": "anthropic", "latency_ms": 2500.0, "ttft_ms": 400.0, "input_uncached": 100,
        "cache_read": 1500, "cache_write_5m": 500, "output_text": 20, "user": "u-1", "team": "web",
        "feature": "search", "tags": ["feature:search", "prod"], "conversation": "s-1",
        "cost_recorded": 0.0042,
    }  # fmt: skip


def test_litellm_rows_are_the_same_from_lines_an_array_csv_and_parquet(tmp_path: Path) -> None:
    import csv

    import pyarrow as pa
    import pyarrow.parquet as pq

    many = [spend(request_id=f"r-{i}", prompt_tokens=2100 + i) for i in range(5)]
    flat = [
        {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
        for row in many
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, many)))
    (tmp_path / "b.json").write_text(json.dumps(many))
    with (tmp_path / "c.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, flat[0])
        writer.writeheader()
        writer.writerows(flat)
    pq.write_table(pa.Table.from_pylist(flat), tmp_path / "d.parquet")
    found = []
    for name in ("a.jsonl", "b.json", "c.csv", "d.parquet"):
        imported = read_files(tmp_path / name)
        found.append([row for batch in imported.batches() for row in batch.to_pylist()])
        assert (imported.format, imported.audit) == ("litellm", Audit(5, 5, {}))
    assert found[0] == found[1] == found[2] == found[3]


def test_a_litellm_call_answered_by_the_gateway_s_cache_was_no_call(tmp_path: Path) -> None:
    _, audit, _ = read(tmp_path, [spend(), spend(request_id="r-2", cache_hit="True", spend=0.0)])
    assert audit == Audit(2, 1, {"answered_by_gateway_cache": 1})


def test_a_failed_litellm_call_is_kept_as_an_error(tmp_path: Path) -> None:
    failed = spend(
        request_id="r-2", prompt_tokens=0, completion_tokens=0, total_tokens=0, spend=0.0,
        metadata={"status": "failure", "error_information": {"error_class": "RateLimitError"}},
    )  # fmt: skip
    rows, audit, _ = read(tmp_path, [failed])
    assert (rows[0]["status"], rows[0]["error_kind"]) == ("error", "RateLimitError")
    assert audit == Audit(1, 1, {})


def test_litellm_messages_make_prompts_comparable(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "hello " * 400}]
    rows, _, _ = read(
        tmp_path,
        [
            spend(messages=messages),
            spend(request_id="r-2", messages=json.dumps(messages)),
            spend(request_id="r-3"),
        ],
    )  # fmt: skip
    rows.sort(key=lambda row: row["id"])
    assert rows[0]["prompt_hash"] == rows[1]["prompt_hash"] != ""
    assert rows[0]["block_hashes"] == rows[1]["block_hashes"] != []
    assert (rows[2]["prompt_hash"], rows[2]["block_hashes"]) == ("", [])


def test_sessions_in_full_text_are_measured_and_their_prefixes_named(tmp_path: Path) -> None:
    lines = [
        {"timestamp": 1760995776640783, "input": "x" * 1000, "output": "yes", "session_id": "s"},
        {"timestamp": 1760995776650783, "input": "x" * 1000 + "yes" + "z" * 99, "output": "",
         "session_id": "s"},
    ]  # fmt: skip
    rows, audit, name = read(tmp_path, lines, model="gpt-4o")
    assert (name, audit) == ("sessions", Audit(2, 2, {}))
    assert [(r["input_uncached"], r["output_text"], r["conversation"]) for r in rows] == [
        (250, 1, "s"), (276, 0, "s"),
    ]  # fmt: skip
    assert rows[0]["start"] == datetime(2025, 10, 20, 21, 29, 36, 640783, tzinfo=UTC)
    first, second = (row["block_hashes"] for row in rows)
    assert first[:3] == second[:3]
    assert first[3] != second[3]
