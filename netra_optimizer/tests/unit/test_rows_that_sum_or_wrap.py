"""Rows that sum many requests, lines a collector wrapped, spans and runs one a row."""

import csv
import io
import json
from pathlib import Path

import pytest

from netra_optimizer import InputError, read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS

AT = "2026-11-20T10:00:00Z"


def read(folder: Path, content: object, name: str = "log.jsonl") -> tuple[list[dict], Audit, str]:
    path = folder / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    imported = read_files(path)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit, imported.format


def buckets(row: dict) -> dict[str, int]:
    return {name: row[name] for name in TOKEN_BUCKETS if row[name]}


def table(row: dict) -> str:
    written = io.StringIO()
    writer = csv.DictWriter(written, list(row))
    writer.writeheader()
    writer.writerow({
        key: json.dumps(value) if isinstance(value, dict | list) else value
        for key, value in row.items()
    })  # fmt: skip
    return written.getvalue()


SUMMED = {"date": "2026-11-20", "model": "claude-sonnet-4-5", "prompt_tokens": 1_000_003,
          "completion_tokens": 1000, "cache_read_input_tokens": 500_000, "spend": 0.5,
          "api_requests": 100}  # fmt: skip


@pytest.mark.parametrize("name", ["daily.jsonl", "daily.csv"])
def test_a_row_that_counts_requests_is_as_many_records_and_one_row(
    name: str, tmp_path: Path
) -> None:
    plain = {**SUMMED, "api_requests": 1, "model": "gpt-4o"}
    rows_ = [SUMMED, plain, {**plain, "api_requests": None}]
    if name.endswith("csv"):
        lines = [table(row).splitlines() for row in rows_]
        content: object = "\n".join([lines[0][0], *(line[1] for line in lines)])
    else:
        content = rows_
    rows, audit, fmt = read(tmp_path, content, name)
    assert (fmt, audit) == ("generic", Audit(3, 3, {}))
    parts = [row for row in rows if row["model"] == "claude-sonnet-4-5"]
    assert (len(parts), len(rows), len({row["id"] for row in rows})) == (100, 102, 102)
    assert sum(row["input_uncached"] for row in parts) == 500_003
    assert sum(row["cache_read"] for row in parts) == 500_000
    assert sum(row["cost_recorded"] for row in parts) == pytest.approx(0.5)
    assert {row["start"].day for row in parts} == {20}
    assert max(row["input_uncached"] + row["cache_read"] for row in parts) < 200_000


def test_a_row_that_sums_and_comes_again_is_one_row_more_and_no_call(tmp_path: Path) -> None:
    row = {**SUMMED, "id": "d-1"}
    rows, audit, _ = read(tmp_path, [row, row, {**row, "id": "d-2", "api_requests": 1}])
    assert (len(rows), audit) == (101, Audit(3, 2, {"duplicate": 1}))


def test_the_end_of_what_a_row_sums_is_no_call_s_latency(tmp_path: Path) -> None:
    day = {**SUMMED, "date": None, "start_time": "2026-11-20", "end_time": "2026-11-21"}
    one = {**day, "api_requests": 1}
    call = {**one, "end_time": "2026-11-20T00:00:02"}
    back = {**day, "end_time": "2026-11-19"}
    rows, _, _ = read(tmp_path, [day, one, call, back])
    assert len(rows) == 202
    assert [row["latency_ms"] for row in rows if row["latency_ms"] is not None] == [2000.0]
    assert {row["start"].day for row in rows} == {20}


def test_a_row_of_no_requests_is_no_call(tmp_path: Path) -> None:
    none = {**SUMMED, "api_requests": 0, "prompt_tokens": 0, "completion_tokens": 0,
            "cache_read_input_tokens": 0}  # fmt: skip
    rows, audit, _ = read(tmp_path, [{**SUMMED, "api_requests": 2}, none])
    assert (len(rows), audit) == (2, Audit(2, 1, {"no_token_counts": 1}))


def test_what_cursor_counts_apart_is_counted_apart(tmp_path: Path) -> None:
    text = (
        "Date,Kind,Model,Max Mode,Input (w/ Cache Write),Input (w/o Cache Write),Cache Read,"
        "Output Tokens,Total Tokens,Cost\n"
        "2026-11-20T10:00:00.000Z,Included,claude-4.5-sonnet,No,500,100,1000,50,1650,$0.02\n"
    )
    [row], _, _ = read(tmp_path, text, "cursor.csv")
    assert buckets(row) == {
        "input_uncached": 100, "cache_read": 1000, "cache_write_5m": 500, "output_text": 50,
    }  # fmt: skip
    assert row["cost_recorded"] == 0.02


INVOCATION = {
    "schemaType": "ModelInvocationLog", "timestamp": AT, "requestId": "r-1",
    "modelId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "input": {"inputTokenCount": 10, "cacheReadInputTokenCount": 100},
    "output": {"outputTokenCount": 5},
}  # fmt: skip
CHAT = {"request": {"model": "gpt-4o", "messages": []}, "response": {
    "id": "chatcmpl-1", "usage": {"prompt_tokens": 10, "completion_tokens": 5}}}  # fmt: skip
WRAPPED = {
    "CloudWatch": {"timestamp": 1795168800000, "message": json.dumps(INVOCATION)},
    "CloudWatch's events in a document": {"events": [
        {"timestamp": 1795168800000, "message": json.dumps(INVOCATION)}]},
    "Cloud Logging": {"timestamp": AT, "severity": "INFO", "jsonPayload": CHAT},
    "Docker": {"time": AT, "stream": "stdout", "log": json.dumps(CHAT) + "\n"},
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPED)
def test_a_line_that_a_collector_wrapped_is_read(name: str, tmp_path: Path) -> None:
    [row], audit, fmt = read(tmp_path, [WRAPPED[name]])
    assert (fmt, audit) == ("requests", Audit(1, 1, {}))
    assert (row["input_uncached"], row["output_text"], row["start"].hour) == (10, 5, 10)


FLAT = {"model": "gpt-4o", "prompt_tokens": 10, "completion_tokens": 5}
AGENT = {"event.name": "api_request", "model": "claude-sonnet-4-5", "input_tokens": "10",
         "output_tokens": "5", "cache_read_tokens": "7", "duration_ms": "2000"}  # fmt: skip
WRAPPED_COUNTS = {
    "Cloud Logging": ("generic", {"timestamp": AT, "insertId": "i", "jsonPayload": FLAT}),
    "CloudWatch": ("generic", {"timestamp": 1795168800000, "message": json.dumps(FLAT)}),
    "Docker": ("generic", {"log": json.dumps({"ts": AT, **FLAT}) + "\n", "time": AT}),
    "a logger": ("generic", {"timestamp": AT, "message": "done", "extra": FLAT}),
    "Elasticsearch": ("generic", {"_id": "1", "_source": {"@timestamp": AT, **FLAT}}),
    "Datadog": ("generic", {"id": "x", "type": "log", "attributes": {
        "timestamp": AT, "service": "shop", "attributes": FLAT}}),
    "DynamoDB": ("generic", {"Item": {
        "ts": {"S": AT}, "model": {"S": "gpt-4o"}, "prompt_tokens": {"N": "10"},
        "completion_tokens": {"N": "5"}}}),
    "MongoDB": ("requests", {
        "_id": {"$oid": "65a"}, "createdAt": {"$date": AT}, "model": "gpt-4o",
        "usage": {"prompt_tokens": {"$numberInt": "10"},
                  "completion_tokens": {"$numberLong": "5"}}}),
    "ClickHouse's table of logs": ("otlp_logs", {
        "Timestamp": "2026-11-20 10:00:02.000000000", "ServiceName": "claude-code",
        "Body": "claude_code.api_request", "LogAttributes": AGENT}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPED_COUNTS)
def test_counts_that_a_collector_or_a_database_wrapped_are_read(name: str, tmp_path: Path) -> None:
    kind, wrapped = WRAPPED_COUNTS[name]
    [row], audit, fmt = read(tmp_path, [wrapped])
    assert (fmt, audit) == (kind, Audit(1, 1, {}))
    assert (row["input_uncached"], row["output_text"], row["start"].hour) == (10, 5, 10)
    assert (row["start"].minute, row["start"].second) == (0, 0)


def test_counts_in_a_table_of_log_lines_are_read(tmp_path: Path) -> None:
    line = json.dumps(FLAT).replace('"', '""')
    table = f'@timestamp,@message\n2026-11-20 10:00:00.000,"{line}"\n2026-11-20 10:00:01.000,up\n'
    [row], audit, fmt = read(tmp_path, table, "insights.csv")
    assert (fmt, audit) == ("generic", Audit(2, 1, {"no_model": 1}))
    assert (row["model"], row["input_uncached"], row["output_text"]) == ("gpt-4o", 10, 5)


CALL = {"gen_ai.request.model": "gpt-4o", "gen_ai.system": "openai",
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 40}  # fmt: skip
PRINTED = {
    "name": "chat", "context": {"trace_id": "0xAA", "span_id": "0xbb"}, "parent_id": "0xcc",
    "start_time": "2026-11-20T10:00:00.000000Z", "end_time": "2026-11-20T10:00:01.500000Z",
    "status": {"status_code": "UNSET"}, "attributes": CALL,
    "resource": {"attributes": {"service.name": "shop"}},
}  # fmt: skip
SPANS = {
    "a console exporter": PRINTED,
    "clickhouse": {
        "Timestamp": "2026-11-20 10:00:00.000000000", "TraceId": "aa", "SpanId": "bb",
        "ParentSpanId": "cc", "ServiceName": "shop", "Duration": 1_500_000_000,
        "SpanAttributes": {key: str(value) for key, value in CALL.items()}, "StatusCode": "Unset"},
    "phoenix, nested": {
        "context": {"trace_id": "aa", "span_id": "bb"}, "parent_id": "cc", "span_kind": "LLM",
        "start_time": AT, "end_time": "2026-11-20T10:00:01.5Z", "status_code": "OK",
        "resource": {"service.name": "shop"},
        "attributes": {"openinference": {"span": {"kind": "LLM"}}, "llm": {
            "model_name": "gpt-4o", "provider": "openai", "token_count": {
                "prompt": 100, "completion": 20, "prompt_details": {"cache_read": 40}}}}},
}  # fmt: skip


@pytest.mark.parametrize("name", SPANS)
def test_a_span_a_row_is_the_call_it_records(name: str, tmp_path: Path) -> None:
    [row], audit, fmt = read(tmp_path, [SPANS[name]])
    assert (fmt, audit) == ("spans", Audit(1, 1, {}))
    assert buckets(row) == {"input_uncached": 60, "cache_read": 40, "output_text": 20}
    assert (row["id"], row["parent"], row["latency_ms"], row["feature"], row["provider"]) == (
        "aa:bb", "cc", 1500.0, "shop", "openai")  # fmt: skip


def vercel(**attributes: object) -> dict:
    return {**PRINTED, "attributes": {
        "ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "claude-sonnet-4-5",
        "ai.model.provider": "anthropic.messages", "ai.usage.inputTokens": 18,
        "ai.usage.outputTokens": 20, "ai.usage.totalTokens": 38,
        "ai.usage.cachedInputTokens": 2284, **attributes}}  # fmt: skip


RAW = {"anthropic": {"cacheCreationInputTokens": 7, "usage": {
    "input_tokens": 18, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 2284,
    "output_tokens": 20, "cache_creation": {"ephemeral_1h_input_tokens": 7}}}}  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, {"input_uncached": 18, "cache_read": 2284, "output_text": 20}),
        ({"ai.usage.inputTokens": 3000, "ai.usage.totalTokens": 3020},
         {"input_uncached": 3000, "cache_read": 2284, "output_text": 20}),
        ({"ai.usage.inputTokens": 3000, "ai.usage.totalTokens": 3020,
          "ai.usage.inputTokenDetails.noCacheTokens": 716,
          "ai.usage.inputTokenDetails.cacheReadTokens": 2284},
         {"input_uncached": 716, "cache_read": 2284, "output_text": 20}),
        ({"ai.model.provider": "openai.responses", "ai.usage.inputTokens": 3000,
          "ai.usage.totalTokens": 3020},
         {"input_uncached": 716, "cache_read": 2284, "output_text": 20}),
        ({"ai.response.providerMetadata": json.dumps(RAW)},
         {"input_uncached": 18, "cache_read": 2284, "cache_write_1h": 7, "output_text": 20}),
    ],
    ids=["before v6", "before v6, more input", "v6", "openai", "the provider's own object"],
)  # fmt: skip
def test_vercel_s_sdk_counts_as_its_version_and_provider_do(
    attributes: dict, expected: dict, tmp_path: Path
) -> None:
    [row], _, _ = read(tmp_path, [vercel(**attributes)])
    assert buckets(row) == expected


def test_cached_tokens_beyond_a_span_s_input_lie_beside_it(tmp_path: Path) -> None:
    row = {**PRINTED, "attributes": {
        **CALL, "gen_ai.system": "aws.bedrock", "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.total_tokens": 30}}  # fmt: skip
    [found], _, _ = read(tmp_path, [row])
    assert buckets(found) == {"input_uncached": 10, "cache_read": 40, "output_text": 20}


def test_logfire_s_records_are_spans_once_they_ended(tmp_path: Path) -> None:
    record = {"kind": "span", "trace_id": "aa", "span_id": "bb", "parent_span_id": "cc",
              "start_timestamp": AT, "end_timestamp": "2026-11-20T10:00:01.5Z",
              "otel_status_code": "ERROR", "exception_type": "RateLimitError",
              "attributes": json.dumps(CALL)}  # fmt: skip
    [row], audit, _ = read(tmp_path, [{**record, "kind": "pending_span"}, record])
    assert audit == Audit(2, 1, {"not_a_model_call": 1})
    assert (row["id"], row["latency_ms"], row["error_kind"]) == ("aa:bb", 1500.0, "RateLimitError")


def test_spans_printed_over_many_lines_are_read_and_their_failures_told(tmp_path: Path) -> None:
    failed = {**PRINTED, "context": {"trace_id": "0x1", "span_id": "0x2"},
              "status": {"status_code": "ERROR", "description": "overloaded"}}  # fmt: skip
    other = {**PRINTED, "context": {"trace_id": "0x1", "span_id": "0x3"},
             "attributes": {"http.method": "GET"}}  # fmt: skip
    text = "\n".join(json.dumps(span, indent=4) for span in (PRINTED, failed, other))
    rows, audit, _ = read(tmp_path, text, "spans.txt")
    assert audit == Audit(3, 2, {"not_a_model_call": 1})
    assert [row["error_kind"] for row in rows] == ["", "overloaded"]


def test_a_table_of_spans_tells_calls_from_agents(tmp_path: Path) -> None:
    row = {"name": "chat", "span_kind": "LLM", "parent_id": "", "status_code": "OK",
           "start_time": "2026-11-20 10:00:00+00:00", "end_time": "2026-11-20 10:00:01+00:00",
           "attributes.llm.model_name": "gpt-4o", "attributes.llm.token_count.prompt": 100.0,
           "attributes.llm.token_count.completion": 20.0,
           "attributes.llm.token_count.prompt_details.cache_read": 40.0,
           "context.span_id": "s", "context.trace_id": "t"}  # fmt: skip
    agent = {**row, "span_kind": "AGENT", "context.span_id": "a"}
    text = table(row) + table(agent).splitlines()[1]
    [found], audit, fmt = read(tmp_path, text, "spans.csv")
    assert (fmt, audit) == ("spans", Audit(2, 1, {"not_a_model_call": 1}))
    assert buckets(found) == {"input_uncached": 60, "cache_read": 40, "output_text": 20}


def run(**fields) -> dict:
    return {
        "id": "r-1", "name": "ChatModel", "run_type": "llm", "status": "success", "error": None,
        "start_time": "2026-11-20T10:00:00.000000", "end_time": "2026-11-20T10:00:02.000000",
        "first_token_time": "2026-11-20T10:00:00.500000", "trace_id": "t-1", "session_id": "proj",
        "parent_run_id": "p-1", "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_token_details": {"cache_read": 40}, "completion_token_details": {"reasoning": 5},
        "total_cost": 0.1, "tags": ["beta"], "inputs": {"messages": ["?"]}, "outputs": {},
        "extra": {"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o",
                               "thread_id": "th-1", "user_id": "u-1"},
                  "invocation_params": {"temperature": 0}}, **fields,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["runs.jsonl", "runs.csv"])
def test_a_langsmith_run_of_a_model_is_a_call(name: str, tmp_path: Path) -> None:
    content = table(run()) if name.endswith("csv") else [run()]
    [row], audit, fmt = read(tmp_path, content, name)
    assert (fmt, audit) == ("langsmith", Audit(1, 1, {}))
    assert buckets(row) == {
        "input_uncached": 60, "cache_read": 40, "output_text": 15, "reasoning": 5,
    }  # fmt: skip
    known = ("model", "provider", "user", "conversation", "trace", "parent", "latency_ms",
             "ttft_ms", "cost_recorded", "params")  # fmt: skip
    assert tuple(row[key] for key in known) == (
        "gpt-4o", "openai", "u-1", "th-1", "t-1", "p-1", 2000.0, 500.0, 0.1, '{"temperature":0}',
    )  # fmt: skip


def test_a_tier_that_langsmith_names_in_its_details_is_the_call_s(tmp_path: Path) -> None:
    flex = run(prompt_token_details={"flex_cache_read": 40, "flex": 60},
               completion_token_details={"flex_reasoning": 5, "flex": 15})  # fmt: skip
    [row], _, _ = read(tmp_path, [flex])
    assert row["service_tier"] == "flex"
    assert buckets(row) == {
        "input_uncached": 60, "cache_read": 40, "output_text": 15, "reasoning": 5,
    }  # fmt: skip


def test_a_langsmith_run_counts_by_the_message_its_tracer_kept(tmp_path: Path) -> None:
    usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
             "input_token_details": {"cache_read": 40}}  # fmt: skip
    kept = {"generations": [[{"message": {"kwargs": {"usage_metadata": usage}}}]]}
    silent = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}
    [row], _, _ = read(tmp_path, [run(**silent, outputs=kept)])
    assert buckets(row) == {"input_uncached": 60, "cache_read": 40, "output_text": 20}


def test_langsmith_s_runs_of_chains_repeat_tokens_and_are_left_out(tmp_path: Path) -> None:
    hour = {"cache_read": 40, "ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
    silent = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}
    told = {"usage_metadata": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}}
    rows, audit, _ = read(tmp_path, [
        run(run_type="chain"), run(id="2", prompt_token_details=hour),
        run(id="3", **silent, outputs=told), run(id="4", **silent),
        run(id="5", **silent, status="error", error="RateLimitError('slow down')"),
    ])  # fmt: skip
    assert audit == Audit(5, 3, {"no_token_counts": 1, "not_a_model_call": 1})
    assert buckets(rows[0]) == {
        "input_uncached": 30, "cache_read": 40, "cache_write_5m": 10, "cache_write_1h": 20,
        "output_text": 15, "reasoning": 5,
    }  # fmt: skip
    assert buckets(rows[1]) == {"input_uncached": 7, "output_text": 3}
    assert (rows[2]["status"], rows[2]["error_kind"]) == ("error", "RateLimitError('slow down')")


def test_a_table_by_gemini_s_names_counts_thoughts_beside_the_candidates(tmp_path: Path) -> None:
    text = (
        "timestamp,model,promptTokenCount,candidatesTokenCount,thoughtsTokenCount,"
        f"cachedContentTokenCount,totalTokenCount\n{AT},gemini-2.5-pro,100,60,50,40,210\n"
    )
    nested = {"timestamp": AT, "model": "gemini-2.5-pro", "usageMetadata.promptTokenCount": 100,
              "usageMetadata.candidatesTokenCount": 60, "usageMetadata.thoughtsTokenCount": 50,
              "usageMetadata.cachedContentTokenCount": 40}  # fmt: skip
    for content, name in ((text, "g.csv"), ([nested], "g.jsonl")):
        [row], _, _ = read(tmp_path, content, name)
        assert buckets(row) == {
            "input_uncached": 60, "cache_read": 40, "output_text": 60, "reasoning": 50,
        }  # fmt: skip


def test_a_table_says_which_calls_were_batched(tmp_path: Path) -> None:
    text = (
        f"timestamp,model,input_tokens,output_tokens,is_batch\n{AT},m,1,1,true\n{AT},m,1,1,False\n"
        f"{AT},m,1,1,\n"
    )
    rows, _, _ = read(tmp_path, text, "t.csv")
    assert [row["service_tier"] for row in rows] == ["batch", "standard", "standard"]


def test_a_table_with_a_column_of_row_numbers_is_read(tmp_path: Path) -> None:
    text = f",timestamp,model,input_tokens,output_tokens\n0,{AT},gpt-4o,10,5\n"
    [row], _, fmt = read(tmp_path, text, "t.csv")
    assert (fmt, row["input_uncached"]) == ("generic", 10)


def test_gemini_s_batch_answers_are_batched(tmp_path: Path) -> None:
    answer = {"modelVersion": "gemini-2.5-flash", "usageMetadata": {
        "promptTokenCount": 10, "candidatesTokenCount": 5}}  # fmt: skip
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps({"key": "1", "response": answer}) + "\n")
    [row] = [row for batch in read_files(path, start=AT).batches() for row in batch.to_pylist()]
    assert (row["service_tier"], row["provider"]) == ("batch", "google")


ANSWER = {"id": "chatcmpl-abc", "model": "gpt-4o-2024-08-06", "choices": [], "usage": {
    "prompt_tokens": 100, "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 40}}}  # fmt: skip


@pytest.mark.parametrize("key", ["payload", "api_response", "raw", "llm_output_json", "record"])
def test_an_answer_is_found_under_whatever_name_a_log_keeps_it(key: str, tmp_path: Path) -> None:
    asked = {"model": "gpt-4o", "messages": []}
    for value in (ANSWER, json.dumps(ANSWER), [{**ANSWER, "usage": None}, ANSWER]):
        for line in ({"timestamp": AT, key: value}, {"ts": AT, "request": asked, key: value}):
            [row], audit, fmt = read(tmp_path, [line])
            assert (fmt, audit) == ("requests", Audit(1, 1, {}))
            assert buckets(row) == {"input_uncached": 60, "cache_read": 40, "output_text": 20}
            assert (row["id"], row["model"]) == ("chatcmpl-abc", "gpt-4o-2024-08-06")


@pytest.mark.parametrize("key", ["raw_usage", "token_counts", "provider_usage", "metrics"])
def test_usage_is_found_under_whatever_name_a_log_keeps_it(key: str, tmp_path: Path) -> None:
    line = {"timestamp": AT, "vendor": "openai", "model_name": "gpt-4o", key: ANSWER["usage"]}
    for more in ({}, {"response": "a text", "request": {"messages": []}}):
        [row], _, fmt = read(tmp_path, [{**line, **more}])
        assert fmt == "requests"
        assert buckets(row) == {"input_uncached": 60, "cache_read": 40, "output_text": 20}
        assert (row["provider"], row["model"]) == ("openai", "gpt-4o")


def test_a_log_is_known_though_other_lines_come_first(tmp_path: Path) -> None:
    other = [{"level": "info", "event": "started", "n": i} for i in range(300)]
    [row], audit, fmt = read(tmp_path, [*other, {"timestamp": AT, **CHAT}, *other])
    assert fmt == "requests"
    assert (audit.rows_read, audit.rows_kept, row["input_uncached"]) == (601, 1, 10)


def test_a_callback_s_and_a_trace_s_counts_are_read_by_their_names(tmp_path: Path) -> None:
    callback = {"timestamp": AT, "llm_output": {"model_name": "gpt-4o", "token_usage": {
        "prompt_tokens": 100, "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 40}}}}  # fmt: skip
    logged = {
        "created": AT,
        "metadata": {"model": "gpt-4o"},
        "metrics": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "tokens": 120,
            "prompt_cached_tokens": 40,
        },
    }
    for line in (callback, logged):
        [row], _, _ = read(tmp_path, [line])
        assert buckets(row) == {"input_uncached": 60, "cache_read": 40, "output_text": 20}
        assert row["model"] == "gpt-4o"


def test_azure_s_table_of_gateway_logs_is_read(tmp_path: Path) -> None:
    text = (
        "TimeGenerated [UTC],CorrelationId,DeploymentName,ModelName,PromptTokens,CompletionTokens\n"
        '"11/20/2026, 10:00:00.000 AM",c-1,prod,gpt-4o-2024-08-06,100,20\n'
    )
    [row], _, _ = read(tmp_path, text, "logs.csv")
    assert (row["id"], row["model"], row["input_uncached"], row["start"].hour) == (
        "c-1", "gpt-4o-2024-08-06", 100, 10)  # fmt: skip


def test_a_batch_told_as_one_is_its_requests_and_one_row(tmp_path: Path) -> None:
    batch = {"id": "batch_1", "object": "batch", "model": "gpt-5", "created_at": 1795168800,
             "completed_at": 1795172400, "request_counts": {"total": 4, "completed": 3},
             "usage": {"input_tokens": 301, "output_tokens": 30, "total_tokens": 331,
                       "input_tokens_details": {"cached_tokens": 90}}}  # fmt: skip
    rows, audit, _ = read(tmp_path, [batch])
    assert (len(rows), audit) == (3, Audit(1, 1, {}))
    assert sum(row["input_uncached"] for row in rows) == 211
    assert {(row["service_tier"], row["start"].hour) for row in rows} == {("batch", 10)}


@pytest.mark.parametrize("name", ["calls.jsonl", "calls.csv"])
def test_a_table_of_embeddings_needs_no_output(name: str, tmp_path: Path) -> None:
    row = {"timestamp": AT, "model": "text-embedding-3-small", "prompt_tokens": 100}
    content = table(row) if name.endswith("csv") else [row]
    [found], audit, fmt = read(tmp_path, content, name)
    assert (fmt, audit, buckets(found)) == ("generic", Audit(1, 1, {}), {"input_uncached": 100})


def test_a_table_whose_output_nobody_can_find_is_an_error(tmp_path: Path) -> None:
    row = {"timestamp": AT, "model": "gpt-4o", "prompt_tokens": 100, "said": 20}
    with pytest.raises(InputError, match="output"):
        read(tmp_path, [row])


@pytest.mark.parametrize(
    ("said", "status"),
    [(False, "error"), (True, "ok"), (0, "error"), (1, "ok"), ("no", "error"), ("yes", "ok")],
)
@pytest.mark.parametrize("name", ["success", "is_success"])
def test_a_column_that_says_success_tells_failures(
    said: object, status: str, name: str, tmp_path: Path
) -> None:
    row = {"timestamp": AT, "model": "gpt-4o", "input_tokens": 5, "output_tokens": 1, name: said}
    [found], _, _ = read(tmp_path, [row])
    assert found["status"] == status
    path = tmp_path / "table.csv"
    path.write_text("\n".join(",".join(map(str, line)) for line in (row, row.values())))
    [batch] = read_files(path).batches()
    assert batch.column("status").to_pylist() == [status]
