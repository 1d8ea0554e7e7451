"""Files in which batches and gateways hand answers back: their times, tiers, costs and names."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.csv import write_csv
from pyarrow.parquet import write_table

from netra_optimizer import InputError, read_files
from netra_optimizer.results import Audit

AT = "2026-11-20T10:00:00Z"
USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn",
    "usage": {"input_tokens": 30, "output_tokens": 12, "service_tier": "batch"},
}  # fmt: skip
CHAT = {"id": "chatcmpl-abc", "object": "chat.completion", "created": 1795168800,
        "model": "gpt-4o-2024-08-06", "choices": [], "usage": USAGE}  # fmt: skip


def read(folder: Path, rows: list, **options) -> tuple[list[dict], Audit, str]:
    path = folder / "log.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    imported = read_files(path, **options)
    found = [row for batch in imported.batches() for row in batch.to_pylist()]
    return found, imported.audit, imported.format


def shown(row: dict) -> tuple:
    return (row["model"], row["provider"], row["service_tier"], row["input_uncached"],
            row["output_text"], row["status"])  # fmt: skip


def test_openai_s_batch_output_is_dated_by_its_answers_and_priced_as_batch(tmp_path: Path) -> None:
    rows = [
        {"id": "batch_req_1", "custom_id": "a", "error": None, "response": {
            "status_code": 200, "request_id": "r1", "body": CHAT}},
        {"id": "batch_req_2", "custom_id": "b", "error": None, "response": {
            "status_code": 400, "request_id": "r2", "body": {
                "created": 1795168800, "model": "gpt-4o-2024-08-06",
                "error": {"message": "bad", "type": "invalid_request_error"}}}},
    ]  # fmt: skip
    found, audit, name = read(tmp_path, rows)
    assert (name, audit) == ("requests", Audit(2, 2, {}))
    assert [shown(row) for row in found] == [
        ("gpt-4o-2024-08-06", "openai", "batch", 30, 12, "ok"),
        ("gpt-4o-2024-08-06", "openai", "batch", 0, 0, "error"),
    ]
    assert found[0]["start"].isoformat() == "2026-11-20T10:00:00+00:00"


def test_anthropic_s_batch_results_take_their_time_from_start(tmp_path: Path) -> None:
    rows = [
        {"custom_id": "a", "result": {"type": "succeeded", "message": CLAUDE}},
        {"custom_id": "b", "result": {"type": "errored", "error": {
            "type": "error", "error": {"type": "invalid_request_error"}}}},
        {"custom_id": "c", "result": {"type": "expired"}},
    ]  # fmt: skip
    found, audit, name = read(tmp_path, rows, start=AT, model="claude-sonnet-4-5")
    assert (name, audit) == ("requests", Audit(3, 3, {}))
    assert shown(found[0]) == (
        "claude-sonnet-4-5-20250929", "anthropic", "batch", 30, 12, "ok")  # fmt: skip
    assert [row["status"] for row in found] == ["ok", "error", "error"]
    assert found[2]["error_kind"] == "expired"
    with pytest.raises(InputError, match="no_time: 3") as refused:
        read(tmp_path, rows)
    assert "--start" in refused.value.hint


def test_gemini_s_and_bedrock_s_batches_are_batches(tmp_path: Path) -> None:
    vertex = {
        "status": "", "processed_time": "2026-11-20T10:00:00.826+00:00",
        "request": {"contents": [{"role": "user", "parts": [{"text": "?"}]}]},
        "response": {"candidates": [], "modelVersion": "gemini-2.5-flash", "usageMetadata": {
            "promptTokenCount": 30, "candidatesTokenCount": 12, "totalTokenCount": 42}},
    }  # fmt: skip
    bedrock = {
        "recordId": "1", "modelInput": {"anthropic_version": "bedrock-2023-05-31", "messages": []},
        "modelOutput": CLAUDE,
    }  # fmt: skip
    [first], _, _ = read(tmp_path, [vertex])
    assert shown(first) == ("gemini-2.5-flash", "google", "batch", 30, 12, "ok")
    [second], _, _ = read(tmp_path, [bedrock], start=AT)
    assert shown(second)[2:] == ("batch", 30, 12, "ok")


def test_bedrock_s_invocation_log_is_read_with_and_without_bodies(tmp_path: Path) -> None:
    def line(output: dict, **more) -> dict:
        return {
            "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": AT,
            "accountId": "1", "region": "us-east-1", "requestId": f"r-{len(output)}",
            "operation": "InvokeModel", "modelId": "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "input": {"inputContentType": "application/json", "inputTokenCount": 30,
                      "cacheReadInputTokenCount": 64, "cacheWriteInputTokenCount": 6,
                      "inputBodyJson": {"anthropic_version": "bedrock-2023-05-31",
                                        "messages": [{"role": "user", "content": "?"}]}},
            "output": output, **more,
        }  # fmt: skip

    body = {**CLAUDE, "usage": {"input_tokens": 30, "cache_read_input_tokens": 64,
                                "cache_creation_input_tokens": 6, "output_tokens": 12}}  # fmt: skip
    failed = line({}, errorCode="ThrottlingException")
    del failed["input"]["inputTokenCount"], failed["input"]["cacheReadInputTokenCount"]
    del failed["input"]["cacheWriteInputTokenCount"]
    lines = [line({"outputTokenCount": 12}), line({"outputTokenCount": 12, "outputBodyJson": body}),
             failed]  # fmt: skip
    found, audit, name = read(tmp_path, lines)
    assert (name, audit) == ("requests", Audit(3, 3, {}))
    for row in found[:2]:
        assert (row["input_uncached"], row["cache_read"], row["cache_write_5m"],
                row["output_text"], row["provider"]) == (30, 64, 6, 12, "aws")  # fmt: skip
    assert (found[2]["status"], found[2]["error_kind"]) == ("error", "ThrottlingException")


def test_vertex_s_logged_requests_are_read(tmp_path: Path) -> None:
    line = {
        "endpoint": "projects/p/locations/l/publishers/google/models/gemini-2.5-flash",
        "logging_time": "2026-11-20 10:00:00.826 UTC", "request_id": 7,
        "full_request": json.dumps({"contents": [{"role": "user", "parts": [{"text": "?"}]}]}),
        "full_response": json.dumps({"modelVersion": "gemini-2.5-flash", "candidates": [],
                                     "usageMetadata": {"promptTokenCount": 30,
                                                       "candidatesTokenCount": 12}}),
    }  # fmt: skip
    [row], _, name = read(tmp_path, [line])
    assert (name, *shown(row)) == ("requests", "gemini-2.5-flash", "google", "standard", 30, 12,
                                   "ok")  # fmt: skip


def test_bare_answers_one_a_line_are_a_log(tmp_path: Path) -> None:
    responses = {"id": "resp_1", "object": "response", "created_at": 1795168800.0, "model": "gpt-5",
                 "status": "completed", "service_tier": "flex", "output": [], "usage": {
                     "input_tokens": 30, "output_tokens": 12, "total_tokens": 42}}  # fmt: skip
    embedding = {"object": "list", "created": 1795168800, "data": [],
                 "model": "text-embedding-3-small",
                 "usage": {"prompt_tokens": 8, "total_tokens": 8}}  # fmt: skip
    found, audit, name = read(tmp_path, [CHAT, responses, embedding])
    assert (name, audit) == ("requests", Audit(3, 3, {}))
    assert [shown(row) for row in found] == [
        ("gpt-4o-2024-08-06", "openai", "standard", 30, 12, "ok"),
        ("gpt-5", "openai", "flex", 30, 12, "ok"),
        ("text-embedding-3-small", "openai", "standard", 8, 0, "ok"),
    ]
    assert [row["operation"] for row in found] == ["chat", "chat", "embeddings"]


def test_answers_of_a_server_that_numbers_them_by_chance_are_different_calls(
    tmp_path: Path,
) -> None:
    rows = [{**CHAT, "id": "chatcmpl-123", "created": 1795168800 + i} for i in range(3)]
    found, audit, _ = read(tmp_path, rows)
    assert audit == Audit(3, 3, {})
    assert len({row["id"] for row in found}) == 3


@pytest.mark.parametrize(
    ("answer", "cost"),
    [
        ({"id": "gen-1", "provider": "Groq", "usage": {**USAGE, "cost": 0.0014}}, 0.0014),
        ({"usage": {**USAGE, "cost": {"request_cost": 0.005, "total_cost": 0.0053}}}, 0.0053),
        ({"usage": {**USAGE, "cost_in_usd_ticks": 37_756_000}}, 0.0037756),
        ({"total_cost_usd": 0.02, "usage": USAGE}, 0.02),
        ({"usage": USAGE}, None),
    ],
)
def test_what_an_answer_says_it_cost_is_recorded(
    answer: dict, cost: float | None, tmp_path: Path
) -> None:
    [row], _, _ = read(tmp_path, [{"timestamp": AT, "model": "m", "response": answer}])
    assert row["cost_recorded"] == (None if cost is None else pytest.approx(cost))
    [row], _, _ = read(tmp_path, [{"timestamp": AT, "model": "m", "cost": 7.5, "response": answer}])
    assert row["cost_recorded"] == 7.5


@pytest.mark.parametrize(
    ("line", "provider"),
    [
        ({"provider": "azure"}, "azure"),
        ({"url": "https://api.groq.com/openai/v1/chat/completions"}, "groq"),
        ({"request": {"url": "https://openrouter.ai/api/v1/chat/completions", "body": {
            "model": "openai/gpt-oss-120b", "messages": []}}}, "openrouter"),
        ({"base_url": "https://acme.openai.azure.com/openai"}, "azure"),
        ({"base_url": "https://gateway.internal/v1"}, "openai"),  # by the name alone
        ({"response": {"usage": {**USAGE, "queue_time": 0.1, "prompt_time": 0.1}}}, "groq"),
        ({"response": {"id": "gen-2", "provider": "DeepInfra", "usage": USAGE}}, "openrouter"),
        ({"response": {"prompt_eval_count": 3, "eval_count": 2, "eval_duration": 9,
                       "load_duration": 1}}, "ollama"),
    ],
)  # fmt: skip
def test_who_answered_is_told_by_the_address_or_by_the_provider_s_marks(
    line: dict, provider: str, tmp_path: Path
) -> None:
    row = {"timestamp": AT, "model": "openai/gpt-oss-120b", "response": {"usage": USAGE}, **line}
    [found], _, _ = read(tmp_path, [row])
    assert found["provider"] == provider


@pytest.mark.parametrize(
    ("answer", "tier"),
    [
        ({"service_tier": "default", "usage": USAGE}, "standard"),
        ({"service_tier": "priority", "usage": USAGE}, "priority"),
        ({"service_tier": "on_demand", "usage": USAGE}, "standard"),
        ({"serviceTier": {"type": "flex"}, "usage": USAGE}, "flex"),
        ({"usageMetadata": {"promptTokenCount": 3, "trafficType": "ON_DEMAND_PRIORITY"}},
         "priority"),
        ({"usageMetadata": {"promptTokenCount": 3, "trafficType": "PROVISIONED_THROUGHPUT"}},
         "standard"),
        ({"usageMetadata": {"promptTokenCount": 3, "serviceTier": "flex"}}, "flex"),
        ({"usage": {"input_tokens": 3, "output_tokens": 1, "speed": "fast"}}, "fast"),
    ],
)  # fmt: skip
def test_the_tier_that_served_a_call_is_the_answer_s(
    answer: dict, tier: str, tmp_path: Path
) -> None:
    row = {"timestamp": AT, "model": "m", "request": {"service_tier": "auto"}, "response": answer}
    [found], _, _ = read(tmp_path, [row])
    assert found["service_tier"] == tier


def test_an_answer_without_counts_is_left_out_never_counted_as_nothing(tmp_path: Path) -> None:
    rows = [
        {"timestamp": AT, "model": "m", "request": {"messages": []}, "response": answer}
        for answer in (
            {"generated_text": "x", "details": {"generated_tokens": 12}},
            {"text": "x", "usage": {"type": "duration", "seconds": 27}},
            {"results": [{"relevance_score": 1}], "meta": {"billed_units": {"search_units": 1}}},
            {"choices": [], "usage": None},
            {"pages": [], "usage_info": {"pages_processed": 3, "doc_size_bytes": 9}},
            {"choices": [], "usage": USAGE},
        )
    ]
    found, audit, _ = read(tmp_path, rows)
    assert len(found) == 1
    assert audit == Audit(6, 1, {"no_token_counts": 5})


@pytest.mark.parametrize(
    ("answer", "took", "waited"),
    [
        ({"output": {}, "metrics": {"latencyMs": 900}, "usage": {"inputTokens": 3}}, 900, None),
        ([{"messageStop": {"stopReason": "end_turn"}},
          {"metadata": {"usage": {"inputTokens": 3}, "metrics": {"latencyMs": 900}}}], 900, None),
        ([{"type": "message_stop", "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": 3, "outputTokenCount": 2, "invocationLatency": 900,
            "firstByteLatency": 300}}], 900, 300),
        ({"prompt_eval_count": 3, "eval_count": 2, "total_duration": 900_000_000}, 900, None),
    ],
)  # fmt: skip
def test_how_long_an_answer_says_it_took_is_its_latency(
    answer: object, took: float, waited: float | None, tmp_path: Path
) -> None:
    row = {"timestamp": AT, "request": {"model": "m", "messages": []}, "response": answer}
    [found], _, _ = read(tmp_path, [row])
    assert (found["latency_ms"], found["ttft_ms"]) == (took, waited)
    [found], _, _ = read(tmp_path, [{**row, "latency_ms": 1000}])
    assert found["latency_ms"] == 1000


@pytest.mark.parametrize(
    ("said", "in_ms"),
    [(1.25, 1250), (42, 42_000), ("1.25", 1250), (640, 640), (1234.5, 1234.5), (99.5, 99_500),
     (2_500_000_000, 2500)],
)  # fmt: skip
def test_a_duration_without_a_unit_is_told_by_its_size(
    said: object, in_ms: float, tmp_path: Path
) -> None:
    log = {"timestamp": AT, "request": {}, "response": CHAT}
    table = {"timestamp": AT, "model": "m", "input_tokens": 3, "output_tokens": 1}
    for row in ({**log, "response_time": said}, {**table, "duration": said}):
        [found], _, _ = read(tmp_path, [row])
        assert found["latency_ms"] == pytest.approx(in_ms)
    path = tmp_path / "table.csv"
    path.write_text(f"timestamp,model,input_tokens,output_tokens,latency\n{AT},m,3,1,{said}\n")
    [batch] = read_files(path).batches()
    assert batch.column("latency_ms").to_pylist() == pytest.approx([in_ms])


@pytest.mark.parametrize(
    ("said", "outputs", "in_ms"),
    [(120, 4000, 120_000), (120, 80, 120), (300.5, 9000, 300_500), (523.7, 50, 523.7),
     (640, 0, 640), (600.5, 0, 600_500), (60, 5, 60_000)],
)  # fmt: skip
def test_between_a_hundred_and_a_thousand_the_output_tells_the_unit(
    said: float, outputs: int, in_ms: float, tmp_path: Path
) -> None:
    answer = {"model": "gpt-4o", "usage": {"prompt_tokens": 3, "completion_tokens": outputs}}
    [found], _, _ = read(tmp_path, [{"timestamp": AT, "response": answer, "latency": said}])
    assert found["latency_ms"] == pytest.approx(in_ms)
    path = tmp_path / "table.csv"
    path.write_text(
        "timestamp,model,input_tokens,output_tokens,latency,ttft\n"
        f"{AT},m,3,{outputs},{said},345.6\n"
    )
    [batch] = read_files(path).batches()
    assert batch.column("latency_ms").to_pylist() == pytest.approx([in_ms])
    assert batch.column("ttft_ms").to_pylist() == [345.6]


def test_a_column_that_says_seconds_is_believed(tmp_path: Path) -> None:
    table = {"timestamp": AT, "model": "m", "input_tokens": 3, "output_tokens": 1}
    [found], _, _ = read(tmp_path, [{**table, "latency_seconds": 1200}])
    assert found["latency_ms"] == 1_200_000


def test_portkey_s_log_counts_cents_and_milliseconds(tmp_path: Path) -> None:
    row = {
        "id": "p-1", "created_at": AT, "ai_org": "azure-openai", "cost": 0.5, "response_time": 900,
        "cost_currency": "cents", "request": {"body": {"model": "gpt-4o", "messages": []}},
        "response": {"status": 200, "body": CHAT},
    }  # fmt: skip
    [found], _, _ = read(tmp_path, [row])
    assert (found["provider"], found["latency_ms"]) == ("azure-openai", 900)
    assert found["cost_recorded"] == pytest.approx(0.005)


def test_what_a_gateway_s_cache_answered_is_no_call(tmp_path: Path) -> None:
    row = {"created_at": AT, "provider": "openai", "model": "gpt-4o", "tokens_in": 30,
           "tokens_out": 12, "duration": 900}  # fmt: skip
    rows = [
        {**row, "id": "1", "cached": False, "cost": 0.01},
        {**row, "id": "2", "cached": True, "cost": 0},
        {**row, "id": "3", "cached": True, "cost": 0.01},  # a prompt cache: paid
        {**row, "id": "4", "cache_status": "HIT"},
    ]
    found, audit, _ = read(tmp_path, rows)
    assert [call["id"] for call in found] == ["1", "3"]
    assert audit == Audit(4, 2, {"answered_by_gateway_cache": 2})


@pytest.mark.parametrize("name", ["table.csv", "table.jsonl", "table.parquet"])
def test_a_hit_that_was_paid_or_counts_cached_tokens_is_the_provider_s_cache(
    name: str, tmp_path: Path
) -> None:
    rows = [
        {"time": AT, "model": "gpt-4o", "input_tokens": 90, "output_tokens": at,
         "cached_tokens": cached, "cache_status": said, "cost": cost}
        for at, (cached, said, cost) in enumerate([
            (0, "HIT", 0.5), (40, "HIT", None), (40, "HIT", 0.0), (0, "HIT", None),
            (0, "MISS", 0.5), (0, "SEMANTIC HIT", None), (0, None, None)])
    ]  # fmt: skip
    path = tmp_path / name
    table = pa.Table.from_pylist(rows)
    if name.endswith("csv"):
        write_csv(table, path)
    elif name.endswith("parquet"):
        write_table(table, path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    imported = read_files(path)
    found = [row["output_text"] for batch in imported.batches() for row in batch.to_pylist()]
    assert found == [0, 1, 4, 6]
    assert imported.audit == Audit(7, 4, {"answered_by_gateway_cache": 3})


def test_a_bare_answer_of_openrouter_is_billed_by_openrouter(tmp_path: Path) -> None:
    answer = {**CHAT, "id": "gen-7", "provider": "DeepInfra", "model": "openai/gpt-oss-120b"}
    [found], _, _ = read(tmp_path, [answer])
    assert found["provider"] == "openrouter"


def test_openrouter_s_record_of_a_call_is_read_and_billed_by_openrouter(tmp_path: Path) -> None:
    data = {
        "id": "gen-1", "created_at": AT, "model": "anthropic/claude-sonnet-4.5", "latency": 800,
        "provider_name": "Anthropic", "generation_time": 2500, "total_cost": 0.25,
        "tokens_prompt": 90, "tokens_completion": 30, "native_tokens_prompt": 100,
        "native_tokens_completion": 35, "native_tokens_reasoning": 10, "native_tokens_cached": 40,
    }  # fmt: skip
    [found], _, _ = read(tmp_path, [{"data": data}])
    assert (found["provider"], found["latency_ms"], found["cost_recorded"]) == (
        "openrouter", 2500, 0.25,
    )  # fmt: skip
    assert (found["input_uncached"], found["cache_read"]) == (60, 40)
    assert (found["output_text"], found["reasoning"]) == (25, 10)


def test_zeros_that_a_gateway_writes_at_a_stream_s_end_erase_no_counts(tmp_path: Path) -> None:
    start = {**CLAUDE, "usage": {"input_tokens": 30, "cache_read_input_tokens": 50,
                                 "output_tokens": 1}}  # fmt: skip
    zeros = {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 12}
    stream = [{"type": "message_start", "message": start},
              {"type": "message_delta", "delta": {}, "usage": zeros}]  # fmt: skip
    [found], _, _ = read(tmp_path, [{"timestamp": AT, "request": {}, "response": stream}])
    assert (found["input_uncached"], found["cache_read"], found["output_text"]) == (30, 50, 12)


@pytest.mark.parametrize(
    ("url", "model", "provider"),
    [
        ("https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
         "gemini-2.5-flash", "google"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-pro-v1%3A0/converse",
         "us.amazon.nova-pro-v1:0", "aws"),
        ("https://acme.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=1",
         "gpt-4o", "azure"),
    ],
)  # fmt: skip
def test_a_model_that_only_the_address_names_is_known(
    url: str, model: str, provider: str, tmp_path: Path
) -> None:
    row = {"timestamp": AT, "url": url, "request": {"messages": []}, "response": {"usage": USAGE}}
    [found], _, _ = read(tmp_path, [row])
    assert (found["model"], found["provider"]) == (model, provider)


def test_what_a_browser_recorded_is_a_log(tmp_path: Path) -> None:
    asked = {"method": "POST", "url": "https://api.openai.com/v1/chat/completions",
             "postData": {"text": json.dumps({"model": "gpt-4o", "messages": []})}}  # fmt: skip
    said = {"status": 200, "content": {"mimeType": "application/json", "text": json.dumps(CHAT)}}
    page = {"status": 200, "content": {"text": "<html>"}}
    entries = [
        {"startedDateTime": AT, "time": 40.5, "request": {"url": "https://x"}, "response": page},
        {"startedDateTime": AT, "time": 900.5, "request": asked, "response": said},
    ]
    path = tmp_path / "calls.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "creator": {}, "entries": entries}}))
    imported = read_files(path)
    [row] = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert (row["id"], row["provider"], row["latency_ms"]) == ("chatcmpl-abc", "openai", 900.5)
    assert (row["input_uncached"], row["output_text"]) == (30, 12)
    assert imported.audit.rows_read == 2


@pytest.mark.parametrize("line", ["data: {}", "{}"])
def test_a_stream_kept_as_a_list_of_lines_is_put_together(line: str, tmp_path: Path) -> None:
    parts = [{**CHAT, "usage": None}, {**CHAT, "usage": USAGE}]
    stream = [line.replace("{}", json.dumps(part)) for part in parts]
    row = {"timestamp": AT, "request": {"model": "m", "messages": []}, "response": stream}
    [found], _, _ = read(tmp_path, [row])
    assert (found["input_uncached"], found["output_text"]) == (30, 12)


def test_a_stream_that_counts_beside_its_last_words_is_counted(tmp_path: Path) -> None:
    words = [{**CHAT, "usage": None, "choices": [{"delta": {}, "usage": counts}]}
             for counts in (None, {**USAGE, "cached_tokens": 10})]  # fmt: skip
    row = {"timestamp": AT, "request": {"model": "kimi-k2", "messages": []}, "response": words}
    [found], _, _ = read(tmp_path, [row])
    assert (found["input_uncached"], found["cache_read"], found["output_text"]) == (20, 10, 12)


def test_a_stream_s_last_word_and_zeros_within_take_nothing_away(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 80, "completion_tokens": 12, "total_tokens": 92,
             "prompt_tokens_details": {"cached_tokens": 50}}  # fmt: skip
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0,
               "prompt_tokens_details": {"cached_tokens": 0}}  # fmt: skip
    part = {"id": "chatcmpl-stream", "model": "gpt-4o", "choices": []}
    for parts in ([{**part, "usage": usage}, "[DONE]"],
                  [{**part, "usage": usage}, {**part, "usage": nothing}]):  # fmt: skip
        [found], _, _ = read(tmp_path, [{"timestamp": AT, "response": parts}])
        assert (found["input_uncached"], found["cache_read"], found["output_text"]) == (30, 50, 12)
