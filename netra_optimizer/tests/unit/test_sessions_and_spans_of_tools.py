"""Sessions of coding agents, events of PostHog, spans of Datadog, Braintrust, Sentry and Jaeger."""

import json
from pathlib import Path

import pytest

from netra_optimizer import read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS

AT = "2026-11-20T10:00:00Z"
SECONDS = 1_795_168_800
HALF = dict(input_uncached=60, cache_read=40, output_text=15, reasoning=5)
COUNTS = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100, "gen_ai.usage.input_tokens.cached": 40,
    "gen_ai.usage.output_tokens": 20, "gen_ai.usage.output_tokens.reasoning": 5,
}  # fmt: skip
SENTRY = {"span_id": "s", "trace_id": "t", "parent_span_id": "p", "op": "gen_ai.chat",
          "start_timestamp": SECONDS, "timestamp": SECONDS + 2, "data": COUNTS}  # fmt: skip
OPENCODE = {
    "id": "m-1", "sessionID": "s-1", "role": "assistant", "modelID": "claude-sonnet-4-5",
    "providerID": "anthropic", "cost": 0.25, "finish": "tool-calls", "path": {"cwd": "/a/shop"},
    "time": {"created": SECONDS * 1000, "completed": SECONDS * 1000 + 2000},
    "tokens": {"input": 60, "output": 15, "reasoning": 5, "total": 127,
               "cache": {"read": 40, "write": 7}},
}  # fmt: skip
POSTHOG = {
    "$ai_model": "gpt-4o", "$ai_provider": "openai", "$ai_input_tokens": 100, "$ai_latency": 2.0,
    "$ai_output_tokens": 20, "$ai_cache_read_input_tokens": 40, "$ai_reasoning_tokens": 5,
    "$ai_trace_id": "t", "$ai_total_cost_usd": 0.25, "$ai_http_status": 200,
}  # fmt: skip
EVENT = {"uuid": "e", "event": "$ai_generation", "timestamp": "2026-11-20T10:00:02Z",
         "distinct_id": "u", "properties": POSTHOG}  # fmt: skip
APART = {**POSTHOG, "$ai_model": "claude-sonnet-4-5", "$ai_provider": "anthropic",
         "$ai_input_tokens": 60}  # fmt: skip
DATADOG = {
    "name": "chat", "span_kind": "llm", "trace_id": "t", "span_id": "s", "parent_id": "undefined",
    "start_ms": SECONDS * 1000, "duration": 2 * 10**9, "model_name": "gpt-4o", "status": "ok",
    "model_provider": "openai", "tags": ["env:prod", "team:web"],
    "metrics": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
                "cache_read_input_tokens": 40, "reasoning_output_tokens": 5},
}  # fmt: skip
BRAINTRUST = {
    "id": "row", "span_id": "s", "root_span_id": "t", "span_parents": ["p"],
    "created": "2026-11-20T10:00:07Z", "span_attributes": {"name": "Chat", "type": "llm"},
    "metadata": {"model": "gpt-4o", "provider": "openai", "service_tier": "flex"}, "error": None,
    "metrics": {"start": SECONDS, "end": SECONDS + 2, "prompt_tokens": 100, "tokens": 120,
                "completion_tokens": 20, "prompt_cached_tokens": 40, "time_to_first_token": 0.4,
                "completion_reasoning_tokens": 5},
}  # fmt: skip
JAEGER = {
    "traceID": "t",
    "processID": "p1",
    "spans": [
        {
            "traceID": "t",
            "spanID": "s",
            "operationName": "chat",
            "startTime": SECONDS * 10**6,
            "duration": 2 * 10**6,
            "references": [{"refType": "CHILD_OF", "spanID": "p"}],
            "tags": [{"key": key, "type": "x", "value": value} for key, value in COUNTS.items()],
        }
    ],
}
CASES = {
    "opencode": ("agents", OPENCODE, {
        **HALF, "cache_write_5m": 7, "latency_ms": 2000, "conversation": "s-1", "feature": "shop",
        "cost_recorded": 0.25, "finish_reason": "tool_calls"}),
    "opencode, exported": ("agents", {"info": OPENCODE, "parts": []}, {
        **HALF, "cache_write_5m": 7}),
    "opencode's database": ("agents", {
        "id": "m-1", "session_id": "s-1", "time_created": SECONDS * 1000, "data": json.dumps(
            {key: held for key, held in OPENCODE.items() if key not in ("id", "sessionID")})}, {
        **HALF, "cache_write_5m": 7, "id": "m-1", "conversation": "s-1"}),
    "gemini cli": ("agents", {
        "id": "g", "timestamp": AT, "type": "gemini", "model": "gemini-2.5-pro",
        "tokens": {"input": 100, "output": 15, "cached": 40, "thoughts": 5, "tool": 0,
                   "total": 120}}, {**HALF, "provider": "google"}),
    "gemini cli, cached beside": ("agents", {
        "id": "g", "timestamp": AT, "type": "gemini", "model": "gemini-2.5-pro",
        "tokens": {"input": 60, "output": 15, "cached": 40, "thoughts": 5, "tool": 0,
                   "total": 120}}, HALF),
    "qwen code": ("agents", {
        "uuid": "u", "sessionId": "s-1", "timestamp": AT, "type": "assistant", "cwd": "/a/shop",
        "model": "qwen3-coder-plus", "message": {"role": "model", "parts": []},
        "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 15,
                          "thoughtsTokenCount": 5, "totalTokenCount": 120,
                          "cachedContentTokenCount": 40}}, {**HALF, "conversation": "s-1"}),
    "a span with javascript's times": ("spans", {
        "traceId": "t", "spanId": "s", "startTime": [SECONDS, 0], "endTime": [SECONDS + 2, 0],
        "attributes": COUNTS}, {**HALF, "latency_ms": 2000}),
    "cline": ("agents", {
        "ts": SECONDS * 1000, "type": "say", "say": "api_req_started",
        "modelInfo": {"providerId": "anthropic", "modelId": "claude-sonnet-4-5"},
        "text": json.dumps({"tokensIn": 60, "tokensOut": 20, "cacheReads": 40, "cacheWrites": 7,
                            "cost": 0.25})}, {
        "input_uncached": 60, "cache_read": 40, "cache_write_5m": 7, "output_text": 20,
        "cost_recorded": 0.25}),
    "roo, by openai's protocol": ("agents", {
        "ts": SECONDS * 1000, "type": "say", "say": "api_req_started",
        "modelInfo": {"modelId": "gpt-4o"},
        "text": json.dumps({"apiProtocol": "openai", "tokensIn": 100, "tokensOut": 20,
                            "cacheReads": 40})}, {
        "input_uncached": 60, "cache_read": 40, "output_text": 20}),
    "aider": ("agents", {
        "event": "message_send", "user_id": "u", "time": SECONDS,
        "properties": {"main_model": "gpt-4o", "prompt_tokens": 100, "completion_tokens": 20,
                       "total_tokens": 120, "cost": 0.25}}, {
        "input_uncached": 100, "output_text": 20, "cost_recorded": 0.25, "user": "u"}),
    "posthog": ("posthog", EVENT, {
        **HALF, "latency_ms": 2000, "user": "u", "trace": "t", "cost_recorded": 0.25}),
    "posthog, anthropic": ("posthog", {**EVENT, "properties": APART}, HALF),
    "posthog, gemini": ("posthog", {**EVENT, "properties": {
        **POSTHOG, "$ai_model": "gemini-2.5-flash", "$ai_provider": "gemini",
        "$ai_output_tokens": 15}}, HALF),
    "posthog, said to be inside": ("posthog", {**EVENT, "properties": {
        **APART, "$ai_input_tokens": 100, "$ai_cache_reporting_exclusive": False}}, HALF),
    "posthog, a property a column": ("posthog", {
        "timestamp": "2026-11-20T10:00:02Z",
        **{f"properties.{name}": str(value) for name, value in POSTHOG.items()}}, HALF),
    "datadog": ("tool_spans", DATADOG, {
        **HALF, "latency_ms": 2000, "trace": "t", "parent": "", "team": "web"}),
    "datadog, as its API answers": ("tool_spans", {
        "id": "x", "type": "span", "attributes": DATADOG}, {**HALF, "span": "s"}),
    "datadog, as it is sent": ("tool_spans", {
        "span_id": "s", "trace_id": "t", "start_ns": SECONDS * 10**9, "duration": 2 * 10**9,
        "meta": {"span.kind": "llm", "model_name": "gpt-4o"}, "metrics": DATADOG["metrics"]}, {
        **HALF, "latency_ms": 2000}),
    "braintrust": ("tool_spans", BRAINTRUST, {
        **HALF, "latency_ms": 2000, "ttft_ms": 400, "trace": "t", "parent": "p",
        "service_tier": "flex", "feature": "Chat"}),
    "sentry": ("spans", SENTRY, {**HALF, "latency_ms": 2000, "parent": "p"}),
    "sentry's transaction": ("spans", {
        "event_id": "e", "timestamp": SECONDS + 3, "spans": [SENTRY]}, {
        **HALF, "latency_ms": 2000}),
    "jaeger": ("spans", JAEGER, {**HALF, "latency_ms": 2000, "parent": "p"}),
    "application insights": ("spans", {
        "timestamp": AT, "id": "s", "operation_Id": "t", "operation_ParentId": "p",
        "duration": 2000.0, "success": "True", "customDimensions": json.dumps(COUNTS)}, {
        **HALF, "latency_ms": 2000, "parent": "p", "status": "ok"}),
    "mlflow": ("spans", {"info": {"trace_id": "t"}, "data": {"spans": [
        {"trace_id": "t", "span_id": "s", "start_time_unix_nano": SECONDS * 10**9,
         "end_time_unix_nano": (SECONDS + 2) * 10**9, "status": {"code": "STATUS_CODE_OK"},
         "attributes": COUNTS}]}}, {**HALF, "latency_ms": 2000}),
}  # fmt: skip


def read(folder: Path, rows: list[dict]) -> tuple[list[dict], Audit, str]:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported = read_files(path)
    found = [row for batch in imported.batches() for row in batch.to_pylist()]
    return found, imported.audit, imported.format


@pytest.mark.parametrize("name", CASES)
def test_a_tool_s_row_is_the_call_it_records(name: str, tmp_path: Path) -> None:
    kind, given, expected = CASES[name]
    [row], audit, found = read(tmp_path, [given])
    assert (found, audit) == (kind, Audit(1, 1, {}))
    assert row["start"].timestamp() == SECONDS
    counts = {bucket: row[bucket] for bucket in TOKEN_BUCKETS if row[bucket]}
    assert counts == {key: value for key, value in expected.items() if key in TOKEN_BUCKETS}
    assert {key: row[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("call", "other"),
    [
        (EVENT, {**EVENT, "uuid": "f", "event": "$ai_trace"}),
        (OPENCODE, {"id": "m-0", "sessionID": "s-1", "role": "user", "time": {}}),
        (BRAINTRUST, {**BRAINTRUST, "span_id": "r", "span_attributes": {"type": "task"}}),
        (DATADOG, {**DATADOG, "span_id": "r", "span_kind": "workflow"}),
    ],
)
def test_what_repeats_the_tokens_of_calls_is_left_out_by_name(
    call: dict, other: dict, tmp_path: Path
) -> None:
    rows, audit, _ = read(tmp_path, [other, call])
    assert len(rows) == 1
    assert audit == Audit(2, 1, {"not_a_model_call": 1})


@pytest.mark.parametrize(
    ("failed", "kind"),
    [
        ({**EVENT, "properties": {"$ai_model": "gpt-4o", "$ai_http_status": 429}}, "http_429"),
        ({**DATADOG, "metrics": {}, "status": "error", "meta": {"error": {"type": "Timeout"}}},
         "Timeout"),
        ({**BRAINTRUST, "metrics": {"start": SECONDS}, "error": "RateLimit: slow down"},
         "RateLimit: slow down"),
    ],
)  # fmt: skip
def test_a_call_that_failed_is_kept_as_an_error(failed: dict, kind: str, tmp_path: Path) -> None:
    [row], _, _ = read(tmp_path, [failed])
    assert (row["status"], row["error_kind"]) == ("error", kind)


def test_a_message_that_was_logged_while_it_was_written_counts_as_it_ended(tmp_path: Path) -> None:
    _, whole, _ = CASES["gemini cli"]
    begun = {**whole, "tokens": {**whole["tokens"], "output": 1, "thoughts": 0, "total": 101}}
    [row], audit, _ = read(tmp_path, [begun, whole, begun])
    assert (row["output_text"], row["reasoning"]) == (15, 5)
    assert audit == Audit(3, 1, {"duplicate": 2})


def test_turns_that_codex_printed_are_dated_and_named_by_who_reads_them(tmp_path: Path) -> None:
    turn = {"type": "turn.completed", "usage": {
        "input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 20,
        "reasoning_output_tokens": 5}}  # fmt: skip
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, [{"type": "turn.started"}, turn])))
    imported = read_files(path, model="gpt-5", start=AT)
    [row] = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert {name: row[name] for name in HALF} == HALF
    assert imported.audit == Audit(2, 1, {"not_a_model_call": 1})


def test_turns_without_names_that_count_alike_are_calls_of_their_own(tmp_path: Path) -> None:
    turn = {"type": "turn.completed", "usage": {"input_tokens": 100, "output_tokens": 20}}
    path = tmp_path / "printed.jsonl"
    path.write_text("\n".join([json.dumps(turn)] * 3))
    imported = read_files(path, model="gpt-5", start=AT)
    assert sum(batch.num_rows for batch in imported.batches()) == 3
    assert imported.audit == Audit(3, 3, {})


@pytest.mark.parametrize(
    ("model", "total", "spoken"),
    [("gpt-5", {"total": 127}, 15), ("gpt-5", {"total": 122}, 10), ("gpt-5", {}, 10),
     ("gemini-2.5-pro", {}, 15)],
)  # fmt: skip
def test_opencode_s_total_tells_whether_reasoning_lies_beside_the_output(
    model: str, total: dict, spoken: int, tmp_path: Path
) -> None:
    tokens = {**OPENCODE["tokens"], "total": None, **total}
    [row], _, _ = read(tmp_path, [{**OPENCODE, "modelID": model, "tokens": tokens}])
    assert {name: row[name] for name in TOKEN_BUCKETS if row[name]} == {
        "input_uncached": 60, "cache_read": 40, "cache_write_5m": 7, "output_text": spoken,
        "reasoning": 5,
    }  # fmt: skip
