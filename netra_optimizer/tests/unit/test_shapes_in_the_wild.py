"""What tools write beside their usual exports: payloads, traces, older reports, logs of agents."""

import json
from pathlib import Path

import pytest

from netra_optimizer import InputError, PriceTable, read_bill, read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS

AT = "2026-11-20T10:00:00Z"


def read(folder: Path, content: object, name: str = "log.jsonl") -> tuple[list[dict], Audit, str]:
    path = folder / name
    if isinstance(content, str):
        path.write_text(content)
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    else:
        path.write_text(json.dumps(content))
    imported = read_files(path)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit, imported.format


def buckets(row: dict) -> dict[str, int]:
    return {name: row[name] for name in TOKEN_BUCKETS if row[name]}


USAGE = {"prompt_tokens": 1200, "completion_tokens": 100, "total_tokens": 1300,
         "prompt_tokens_details": {"cached_tokens": 1000}, "cache_read_input_tokens": 1000,
         "cache_creation_input_tokens": 100}  # fmt: skip


def payload(**fields) -> dict:
    """LiteLLM's standard logging payload."""
    return {
        "id": "chatcmpl-1", "trace_id": "t-1", "call_type": "acompletion", "stream": True,
        "response_cost": 0.0031, "status": "success", "custom_llm_provider": "anthropic",
        "total_tokens": 1300, "prompt_tokens": 1200, "completion_tokens": 100,
        "startTime": 1795168800.25, "endTime": 1795168802.25, "completionStartTime": 1795168800.75,
        "response_time": 0.5, "model": "claude-sonnet-4-5", "model_group": "sonnet",
        "metadata": {"user_api_key_team_alias": "web", "usage_object": USAGE},
        "messages": [{"role": "user", "content": "?"}], "model_parameters": {"temperature": 0.5},
        "response": {"id": "chatcmpl-1", "model": "claude-sonnet-4-5", "usage": USAGE},
        "cache_hit": None, "request_tags": ["a"], "end_user": "u-1", "error_str": None,
        "error_information": {"error_class": "", "error_code": ""}, **fields,
    }  # fmt: skip


@pytest.mark.parametrize("metadata", [{"usage_object": USAGE}, {"usage_object": None}, {}])
def test_litellm_s_payload_in_a_bucket_is_a_call(metadata: dict, tmp_path: Path) -> None:
    [row], audit, name = read(tmp_path, payload(metadata=metadata), "one.json")
    assert (name, audit) == ("litellm", Audit(1, 1, {}))
    assert buckets(row) == {
        "input_uncached": 100, "cache_read": 1000, "cache_write_5m": 100, "output_text": 100,
    }  # fmt: skip
    assert (row["id"], row["cost_recorded"], row["conversation"], row["user"], row["params"]) == (
        "chatcmpl-1", 0.0031, "t-1", "u-1", '{"temperature":0.5}')  # fmt: skip
    assert (row["latency_ms"], row["ttft_ms"]) == (2000.0, 500.0)


def test_litellm_s_payload_of_a_failure_says_its_kind(tmp_path: Path) -> None:
    failed = payload(
        id="f", status="failure", prompt_tokens=0, completion_tokens=0, total_tokens=0,
        response=None, metadata={}, error_information={"error_class": "RateLimitError"},
    )  # fmt: skip
    rows, audit, _ = read(tmp_path, [failed, payload(), payload()])
    assert audit == Audit(3, 2, {"duplicate": 1})
    assert (rows[0]["status"], rows[0]["error_kind"]) == ("error", "RateLimitError")


def observation(**fields) -> dict:
    return {"id": "o-1", "traceId": "t-1", "type": "GENERATION", "name": "answer",
            "startTime": AT, "endTime": "2026-11-20T10:00:02Z", "model": "gpt-4o",
            "level": "DEFAULT", "parentObservationId": None, "environment": "default",
            "usageDetails": {"input": 60, "input_cached_tokens": 40, "output": 20, "total": 120},
            **fields}  # fmt: skip


CACHED = {"input_uncached": 60, "cache_read": 40, "output_text": 20}


@pytest.mark.parametrize("name", ["trace.json", "traces.jsonl"])
def test_a_langfuse_trace_gives_its_observations_user_and_session(
    name: str, tmp_path: Path
) -> None:
    trace = {"id": "t-1", "timestamp": AT, "name": "ask", "userId": "u-1", "sessionId": "s-1",
             "tags": ["beta"], "observations": [
                 observation(), observation(id="o-2", type="SPAN"), 7]}  # fmt: skip
    [row], audit, fmt = read(tmp_path, [trace] if name.endswith("jsonl") else trace, name)
    assert (fmt, audit) == ("langfuse", Audit(3, 1, {"not_a_model_call": 2}))
    assert buckets(row) == CACHED
    assert (row["user"], row["conversation"], row["trace"], row["tags"], row["feature"]) == (
        "u-1", "s-1", "t-1", ["beta"], "ask")  # fmt: skip


def test_a_page_of_langfuse_observations_a_line_is_read(tmp_path: Path) -> None:
    pages = [{"data": [observation(id=f"{page}-{i}") for i in range(2)], "meta": {"page": page}}
             for page in range(3)]  # fmt: skip
    rows, audit, name = read(tmp_path, pages)
    assert (name, audit, len(rows)) == ("langfuse", Audit(6, 6, {}), 6)


@pytest.mark.parametrize(
    "details",
    [
        {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
         "prompt_tokens_details": {"cached_tokens": 40}},
        str({"input": 60, "input_cached_tokens": 40, "output": 20, "total": 120}),
    ],
    ids=["a usage object as the provider sent it", "a dictionary as Python writes it"],
)  # fmt: skip
def test_langfuse_usage_in_other_spellings_is_the_same(details: object, tmp_path: Path) -> None:
    [row], _, _ = read(tmp_path, [observation(usageDetails=details)])
    assert buckets(row) == CACHED


def test_helicone_s_session_and_its_own_states_are_told(tmp_path: Path) -> None:
    request = {
        "request_id": "h-1", "request_created_at": AT, "response_status": 200, "provider": "OPENAI",
        "request_model": "gpt-4o", "prompt_tokens": 100, "completion_tokens": 20, "delay_ms": 900,
        "request_properties": {"Helicone-Session-Id": "s-1", "Helicone-Session-Name": "x"},
    }  # fmt: skip
    rows, _, _ = read(tmp_path, [request, {**request, "request_id": "2", "response_status": -3}])
    assert [row["conversation"] for row in rows] == ["s-1", "s-1"]
    assert [row["error_kind"] for row in rows] == ["", "cancelled"]


HELICONE = {
    "request_id": "h-1", "request_created_at": AT, "response_status": 200, "delay_ms": 900,
    "provider": "ANTHROPIC", "request_model": "claude-sonnet-4-5", "prompt_tokens": 100,
    "completion_tokens": 20, "prompt_cache_read_tokens": 40,
}  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "fresh"), [("ANTHROPIC", 100), ("BEDROCK", 100), ("OPENROUTER", 60)]
)
def test_helicone_counts_as_who_sold_the_answer_does(
    provider: str, fresh: int, tmp_path: Path
) -> None:
    [row], _, _ = read(tmp_path, [{**HELICONE, "provider": provider}])
    assert (row["input_uncached"], row["cache_read"]) == (fresh, 40)


def test_helicone_s_bodies_tell_the_tier_and_the_advisor(tmp_path: Path) -> None:
    go = {"input_tokens": 10, "output_tokens": 5}
    usage = {
        **go,
        "speed": "fast",
        "iterations": [
            {"type": "message", **go},
            {"type": "advisor_message", "model": "claude-opus-4-6", **go},
        ],
    }
    body = {"id": "msg_1", "type": "message", "model": "claude-sonnet-4-5", "usage": usage}
    rows, audit, _ = read(tmp_path, [{**HELICONE, "response_body": body}])
    assert [(row["model"], row["service_tier"], row["input_uncached"]) for row in rows] == [
        ("claude-sonnet-4-5", "fast", 10), ("claude-opus-4-6", "standard", 10),
    ]  # fmt: skip
    assert audit == Audit(1, 1, {})


def test_litellm_s_usage_object_tells_a_fast_answer(tmp_path: Path) -> None:
    usage = {**USAGE, "speed": "fast"}
    [row], _, _ = read(tmp_path, [payload(metadata={"usage_object": usage})])
    assert row["service_tier"] == "fast"


def test_openai_s_older_usage_is_a_report_too(tmp_path: Path) -> None:
    result = {"aggregation_timestamp": 1795168800, "n_requests": 3, "operation": "completion",
              "snapshot_id": "gpt-4o-2024-08-06", "n_context_tokens_total": 900,
              "n_generated_tokens_total": 90, "n_cached_context_tokens_total": 300,
              "project_id": "p"}  # fmt: skip
    rows, audit, name = read(
        tmp_path, {"object": "list", "data": [result], "ft_data": [], "tts_api_data": []}, "u.json"
    )
    assert (name, audit) == ("openai_usage", Audit(1, 1, {}))
    assert [buckets(row) for row in rows] == [
        {"input_uncached": 200, "cache_read": 100, "output_text": 30}
    ] * 3
    table = (
        "timestamp,usage_type,model,n_context_tokens_total,n_generated_tokens_total,n_requests\n"
        "1795168800,text,gpt-4o,900,90,3\n"
    )
    rows, audit, name = read(tmp_path, table, "activity.csv")
    assert (name, audit, len(rows)) == ("openai_usage", Audit(1, 1, {}), 3)


def test_a_report_is_known_though_nothing_was_used_for_days(tmp_path: Path) -> None:
    def bucket(day: int, *results: dict) -> dict:
        return {"starting_at": f"2026-08-{day:02d}T00:00:00Z", "results": list(results)}

    used = {"uncached_input_tokens": 5, "output_tokens": 1, "model": "claude-sonnet-4-5"}
    empty = [bucket(1 + i % 28) for i in range(100)]
    rows, audit, name = read(tmp_path, {"data": [*empty, bucket(30, used)]}, "r.json")
    assert (name, audit, len(rows)) == ("anthropic_usage", Audit(1, 1, {}), 1)


def said(number: int, **fields) -> dict:
    usage = {"input_tokens": 4, "cache_read_input_tokens": 900, "output_tokens": 8}
    return {"type": "assistant", "timestamp": AT, "sessionId": "s-1", "uuid": f"u-{number}",
            "requestId": f"req_{number}", "cwd": "/home/ann/shop", "message": {
                "id": f"msg_{number}", "model": "claude-haiku-4-5", "usage": usage},
            **fields}  # fmt: skip


def test_a_session_is_known_by_what_stands_before_its_messages(tmp_path: Path) -> None:
    ahead = [{"type": "summary", "summary": "x", "leafUuid": str(i)} for i in range(80)]
    _, audit, name = read(tmp_path, [*ahead, said(1)])
    assert (name, audit) == ("claude_code", Audit(81, 1, {"not_a_model_call": 80}))


def test_an_agent_s_answers_count_once_wherever_they_are_logged(tmp_path: Path) -> None:
    inner = {key: value for key, value in said(2).items() if key not in ("sessionId", "cwd")}
    told = {"type": "progress", "timestamp": AT, "sessionId": "s-1", "uuid": "p", "cwd": "/x/shop",
            "data": {"type": "agent_progress", "agentId": "a", "message": inner}}  # fmt: skip
    rows, audit, _ = read(tmp_path, [said(1), told, told, said(2, isSidechain=True)])
    assert audit == Audit(4, 2, {"duplicate": 2})
    assert [(row["id"], row["conversation"], row["tags"]) for row in rows] == [
        ("msg_1:req_1", "s-1", []), ("msg_2:req_2", "s-1", ["sidechain"]),
    ]  # fmt: skip


CLAUDE = {"type": "message", "model": "claude-sonnet-4-5-20250929", "content": [],
          "usage": {"input_tokens": 30, "output_tokens": 12}}  # fmt: skip
BEDROCK = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("request_", "answer_id", "sold"),
    [
        ({"anthropic_version": "bedrock-2023-05-31", "messages": []}, "msg_1", "aws"),
        ({"model": BEDROCK, "messages": []}, "msg_bdrk_1", "aws"),
        ({"anthropic_version": "vertex-2023-10-16", "messages": []}, "msg_1", "google"),
        ({"model": "claude-sonnet-4-5@20250929", "messages": []}, "msg_vrtx_1", "google"),
        ({"model": "claude-sonnet-4-5", "messages": []}, "msg_1", "anthropic"),
    ],
)  # fmt: skip
def test_who_sold_claude_s_answer_is_told_by_its_marks(
    request_: dict, answer_id: str, sold: str, tmp_path: Path
) -> None:
    row = {"timestamp": AT, "request": request_, "response": {**CLAUDE, "id": answer_id}}
    [found], _, _ = read(tmp_path, [row])
    assert found["provider"] == sold
    asked = request_.get("model")
    assert found["model"] == (asked if asked == BEDROCK else CLAUDE["model"])


@pytest.mark.parametrize(
    ("model", "answer_id", "sold"),
    [
        ("claude-sonnet-4-5-20250929", "msg_1", "anthropic"),
        ("claude-sonnet-4-5-20250929", "msg_bdrk_1", "aws"),
        (BEDROCK, "msg_1", "aws"),
        ("claude-sonnet-4-5@20250929", "msg_1", "google"),
        ("claude-sonnet-4-5-20250929", "msg_vrtx_1", "google"),
        ("glm-4.6", "msg_1", "zai"),  # by the name alone
    ],
)
def test_who_sold_an_agent_s_answer_is_told_by_its_marks(
    model: str, answer_id: str, sold: str, tmp_path: Path
) -> None:
    message = {"id": answer_id, "model": model, "content": [], "usage": CLAUDE["usage"]}
    line = {"type": "assistant", "timestamp": AT, "sessionId": "s", "uuid": "u", "cwd": "/x",
            "message": message}  # fmt: skip
    [found], _, _ = read(tmp_path, [line])
    assert (found["model"], found["provider"]) == (model, sold)
    assert PriceTable.load().is_priced(found["model"], found["provider"])


def answer(model: str, **usage) -> dict:
    return {"timestamp": AT, "request": {"model": model, "messages": []},
            "response": {"id": "x", "model": model, "usage": usage}}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (answer("gemini-2.5-flash", prompt_tokens=20, completion_tokens=198, total_tokens=623),
         {"input_uncached": 20, "output_text": 198, "reasoning": 405}),
        (answer("gemini-2.5-flash", prompt_tokens=20, completion_tokens=198, total_tokens=218),
         {"input_uncached": 20, "output_text": 198}),
        (answer("acme-1", prompt_tokens=20, completion_tokens=198, total_tokens=623),
         {"input_uncached": 20, "output_text": 198}),
        (answer("grok-4", input_tokens=100, output_tokens=60, num_sources_used=0,
                output_tokens_details={"reasoning_tokens": 50}),
         {"input_uncached": 100, "output_text": 10, "reasoning": 50}),
    ],
    ids=["gemini's silent thoughts", "gemini without thoughts", "a total nobody explains",
         "xai's responses count reasoning inside"],
)  # fmt: skip
def test_thoughts_are_found_where_a_provider_puts_them(
    line: dict, expected: dict, tmp_path: Path
) -> None:
    [row], _, _ = read(tmp_path, [line])
    assert buckets(row) == expected


@pytest.mark.parametrize(
    "embedded",
    [
        {"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": n}}}
                         for n in (6, 7)]},
        {"embeddings": [{"values": [0.5], "statistics": {"tokenCount": n}} for n in (6, 7)]},
    ],
)  # fmt: skip
def test_google_s_embeddings_count_each_of_their_texts(embedded: dict, tmp_path: Path) -> None:
    line = {"timestamp": AT, "request": {"model": "gemini-embedding-001"}, "response": embedded}
    [row], _, _ = read(tmp_path, [line])
    assert (buckets(row), row["operation"]) == ({"input_uncached": 13}, "embeddings")


@pytest.mark.parametrize(
    "attributes",
    [
        {"langsmith.span.kind": "llm", "gen_ai.request.model": "gpt-4o",
         "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
         "gen_ai.usage.input_token_details": '{"cache_read": 40}'},
        {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": '"gpt-4o"',
         "mlflow.chat.tokenUsage": json.dumps({
             "input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
             "cache_read_input_tokens": 40})},
    ],
    ids=["langsmith", "mlflow"],
)  # fmt: skip
def test_spans_that_count_in_an_object_are_read(attributes: dict, tmp_path: Path) -> None:
    listed = [{"key": key, "value": {"stringValue": value} if isinstance(value, str)
               else {"intValue": str(value)}} for key, value in attributes.items()]  # fmt: skip
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "startTimeUnixNano": "1795168800000000000",
            "endTimeUnixNano": "1795168801000000000", "attributes": listed}  # fmt: skip
    [row], audit, name = read(tmp_path, [{"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}])
    assert (name, audit, row["model"]) == ("otlp", Audit(1, 1, {}), "gpt-4o")
    assert buckets(row) == CACHED


def costs(day: int, **result) -> dict:
    begin = 1795132800 + 86400 * day
    found = {"object": "organization.costs.result", "amount": {"value": "1.5", "currency": "usd"},
             "line_item": "gpt-4o-2024-08-06, input", **result}  # fmt: skip
    return {"object": "page", "data": [{"start_time": begin, "end_time": begin + 86400,
                                        "results": [found]}]}  # fmt: skip


def test_a_bill_of_many_pages_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    text = "".join(json.dumps(costs(day), indent=2) for day in range(3))
    path.write_text(text)
    assert [(line.day.day, line.amount_usd) for line in read_bill(path)] == [
        (20, 1.5), (21, 1.5), (22, 1.5),
    ]  # fmt: skip
    path.write_text(text[:-40])
    with pytest.raises(InputError, match="to its end"):
        read_bill(path)


@pytest.mark.parametrize(
    ("item", "model"),
    [("dall-e-3", "dall-e-3"), ("gpt-4o, output", "gpt-4o"), ("Image models", ""),
     ("web search tool calls | gpt-4o", ""), ("code-interpreter", ""), (None, "")],
)  # fmt: skip
def test_a_line_item_that_is_a_model_s_name_is_of_that_model(
    item: str | None, model: str, tmp_path: Path
) -> None:
    (tmp_path / "costs.json").write_text(json.dumps(costs(0, line_item=item)))
    [line] = read_bill(tmp_path / "costs.json")
    assert line.model == model


def test_litellm_s_versions_that_left_cache_writes_out_of_the_prompt_are_told(
    tmp_path: Path,
) -> None:
    usage = {"prompt_tokens": 1010, "completion_tokens": 20, "total_tokens": 1030,
             "prompt_tokens_details": {"cached_tokens": 1000}, "cache_read_input_tokens": 1000,
             "cache_creation_input_tokens": 500}  # fmt: skip
    row = {"request_id": "r", "call_type": "acompletion", "spend": 0.1, "startTime": AT,
           "endTime": AT, "model": "claude-sonnet-4-5", "custom_llm_provider": "anthropic",
           "prompt_tokens": 1010, "completion_tokens": 20, "total_tokens": 1030,
           "metadata": {"usage_object": usage}}  # fmt: skip
    [found], _, _ = read(tmp_path, [row])
    assert buckets(found) == {
        "input_uncached": 10, "cache_read": 1000, "cache_write_5m": 500, "output_text": 20,
    }  # fmt: skip


@pytest.mark.parametrize(
    "result",
    [
        {"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"}},
        {"currency": "USD", "amount": "123.4", "token_type": "output_tokens"},
    ],
)
def test_a_bill_is_no_usage_and_the_error_says_what_to_do_with_it(
    result: dict, tmp_path: Path
) -> None:
    for bucket in ({"start_time": 1795132800}, {"starting_at": "2026-11-20T00:00:00Z"}):
        with pytest.raises(InputError, match=r"is a provider's bill.*read_bill"):
            read(tmp_path, {"data": [{**bucket, "results": [result]}]}, "costs.json")


def test_a_warehouse_that_writes_names_in_one_case_keeps_litellm_s_cached_tokens(
    tmp_path: Path,
) -> None:
    row = {"request_id": "r", "call_type": "acompletion", "startTime": AT, "endTime": AT,
           "spend": 0.1, "prompt_tokens": 1200, "completion_tokens": 100, "total_tokens": 1300,
           "model": "claude-sonnet-4-5", "metadata": {"usage_object": USAGE}}  # fmt: skip
    for spelled in (str.lower, str.upper):
        [found], _, name = read(tmp_path, [{spelled(key): value for key, value in row.items()}])
        assert (name, found["latency_ms"], found["cost_recorded"]) == ("litellm", 0.0, 0.1)
        assert buckets(found) == {
            "input_uncached": 100, "cache_read": 1000, "cache_write_5m": 100, "output_text": 100,
        }  # fmt: skip


def test_helicone_s_database_counts_billionths_of_a_dollar(tmp_path: Path) -> None:
    row = {"request_id": "r", "request_created_at": "2026-11-20 10:00:00", "latency": 900,
           "status": 200, "model": "gpt-4o", "prompt_tokens": 10, "completion_tokens": 5,
           "prompt_cache_read_tokens": 4, "time_to_first_token": 10, "response_id": "q",
           "cost": 1_234_567}  # fmt: skip
    rows, _, name = read(tmp_path, [row, {**row, "request_id": "2", "cost": 0.5}])
    assert (name, [found["cost_recorded"] for found in rows]) == (
        "helicone", [pytest.approx(0.001234567), 0.5])  # fmt: skip


def test_an_agent_s_stream_in_json_counts_its_answers_and_not_their_sum(tmp_path: Path) -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 5}
    message = {"id": "msg_1", "model": "claude-sonnet-4-5", "content": [], "usage": usage}
    lines = [
        {"type": "system", "subtype": "init", "session_id": "s-1", "model": "claude-sonnet-4-5"},
        {"type": "assistant", "message": message, "session_id": "s-1", "uuid": "u-1"},
        {"type": "result", "session_id": "s-1", "total_cost_usd": 0.1, "usage": usage},
    ]
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    imported = read_files(path, start=AT, model="claude-sonnet-4-5")
    [row] = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert (imported.format, row["conversation"]) == ("claude_code", "s-1")
    assert imported.audit == Audit(3, 1, {"not_a_model_call": 2})


CHUNKS = [{"id": "gen-1", "model": "m", "choices": []},
          {"id": "gen-1", "model": "m", "choices": [], "usage": {
              "prompt_tokens": 30, "completion_tokens": 12}}]  # fmt: skip


@pytest.mark.parametrize(
    "stream",
    [
        ": PROCESSING\n\n: PROCESSING\n\n" + "".join(f"data: {json.dumps(c)}\n\n" for c in CHUNKS),
        "id: 1\r\nevent: x\r\n" + "\r\n".join(f"data: {json.dumps(c)}\r\n" for c in CHUNKS),
        "\n".join(map(json.dumps, CHUNKS)),
    ],
    ids=["comments first", "ids and names first", "a part a line"],
)
def test_a_stream_kept_as_text_is_put_together(stream: str, tmp_path: Path) -> None:
    line = {"timestamp": AT, "request": {"model": "m", "messages": []}, "response": stream}
    [row], _, _ = read(tmp_path, [line])
    assert buckets(row) == {"input_uncached": 30, "output_text": 12}


def test_a_text_that_only_looks_like_a_stream_is_given_up_at_once(tmp_path: Path) -> None:
    line = {"timestamp": AT, "request": {"model": "m", "messages": []}, "response": ": " * 50_000}
    _, audit, _ = read(tmp_path, [line, {**line, "response": CHUNKS[1]}])
    assert audit == Audit(2, 1, {"no_token_counts": 1})


@pytest.mark.parametrize(
    "counted",
    [{"input_tokens": 2095}, {"totalTokens": 31, "promptTokensDetails": [{"tokenCount": 31}]}],
)
def test_a_prompt_that_was_only_measured_is_no_call(counted: dict, tmp_path: Path) -> None:
    line = {"timestamp": AT, "request": {"model": "m", "messages": []}, "response": counted}
    _, audit, _ = read(tmp_path, [line, {**line, "response": CHUNKS[1]}])
    assert audit == Audit(2, 1, {"no_token_counts": 1})
