"""Every importer against rows made of what breaks readers: no traceback, and the audit adds up."""

import csv
import gzip
import io
import json
import random
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netra_optimizer import InputError, read_files
from netra_optimizer.usage.importers import IMPORTERS, decode_traces

ODD = (
    None, True, False, 0, -1, 1, 3.5, -0.0, 1e308, 10**30, -(10**19), 2**63, float("nan"),
    float("inf"), "", " ", "0", "-5", "1e9", "NaN", "null", "[]", "{}", '{"a": [1', "\x00",
    "\ud800",
    "ß" * 300, "2026-11-20T10:00:00Z", "2026-13-45", "0001-01-01", "9999-12-31T23:59:59.999999",
    1795168800, 1795168800000, [], {}, [None], [[[]]], {"": None}, {"usage": 5}, [1, "x", {}],
    {"input": "many"}, [{"object": 3}], "assistant", "GENERATION", "gpt-4o", "True", "1e400",
    "1e309", "-1e9", 10**400, 2**31, -(2**63), 1e22, 0.1, "1969-12-31T23:59:59Z", -86_400,
    "2101-01-01T00:00:00+23:59", 4_133_980_800_000, "20/11/2026", "2026-02-30", "24:00", "+5",
    "١٢", "1_000", "1,000", "$5", "5%", "a" * 5000, "{}" * 40, [[1, 2], [3]], 
    {"a": {"b": {"c": 1}}},     "\ufeff", "\u2028", "x\ty", 'quo"te', "new\nline", "\r",
)  # fmt: skip
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
KEYS = {
    "mooncake": {"timestamp": 0, "input_length": 5, "output_length": 1, "hash_ids": [1]},
    "litellm": {
        "request_id": "a", "call_type": "acompletion", "startTime": "2026-11-20T10:00:00Z",
        "endTime": "2026-11-20T10:00:01Z", "spend": 0.1, "prompt_tokens": 5, "completion_tokens": 2,
        "total_tokens": 7, "model": "gpt-4o", "metadata": {"usage_object": USAGE}, "messages": {},
        "cache_hit": "None", "request_tags": ["a:b"], "status": "success", "response": {},
        "completionStartTime": "2026-11-20T10:00:01Z", "custom_llm_provider": "openai",
    },
    "langfuse": {
        "id": "a", "traceId": "t", "type": "GENERATION", "startTime": "2026-11-20T10:00:00Z",
        "model": "gpt-4o", "usageDetails": {"input": 5, "output": 2}, "level": "DEFAULT",
        "input": "x", "metadata": {}, "modelParameters": {}, "parentObservationId": None,
    },
    "helicone": {
        "request_id": "a", "request_created_at": "2026-11-20T10:00:00Z", "response_status": 200,
        "request_model": "gpt-4o", "prompt_tokens": 5, "completion_tokens": 2, "delay_ms": 5,
        "request_properties": {}, "response_body": {}, "request_body": {}, "cache_reference_id": "",
    },
    "openai_usage": {"start_time": 1795168800, "end_time": 1795172400, "results": [
        {"object": "organization.usage.completions.result", "input_tokens": 5, "output_tokens": 2,
         "num_model_requests": 2, "model": "gpt-4o"}]},
    "anthropic_usage": {"starting_at": "2026-11-20T10:00:00Z", "results": [
        {"uncached_input_tokens": 5, "output_tokens": 2, "model": "claude-sonnet-4-5",
         "cache_creation": {"ephemeral_5m_input_tokens": 1}}]},
    "spans": {
        "context": {"trace_id": "0x1", "span_id": "0x2"}, "parent_id": None,
        "start_time": "2026-11-20T10:00:00Z", "end_time": "2026-11-20T10:00:01Z",
        "status": {"status_code": "OK"}, "resource": {"attributes": {"service.name": "s"}},
        "attributes": {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 5,
                       "gen_ai.usage.output_tokens": 2},
    },
    "otlp_logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1795168800000000000", "attributes": [
            {"key": "event.name", "value": {"stringValue": "claude_code.api_request"}},
            {"key": "model", "value": {"stringValue": "claude-sonnet-4-5"}},
            {"key": "input_tokens", "value": {"intValue": "5"}}]}]}]}]},
    "codex": {"timestamp": "2026-11-20T10:00:00Z", "type": "event_msg", "payload": {
        "type": "token_count", "model": "gpt-5-codex", "info": {
            "last_token_usage": {"input_tokens": 5, "output_tokens": 2}}}},
    "langsmith": {
        "id": "a", "run_type": "llm", "start_time": "2026-11-20T10:00:00", "trace_id": "t",
        "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "outputs": {}, "inputs": {},
        "prompt_token_details": {"cache_read": 1}, "tags": [], "error": None, "total_cost": 0.1,
        "extra": {"metadata": {"ls_model_name": "gpt-4o", "ls_provider": "openai"}},
    },
    "claude_code": {
        "type": "assistant", "timestamp": "2026-11-20T10:00:00Z", "sessionId": "s", "uuid": "u",
        "requestId": "r", "cwd": "/x", "message": {"id": "m", "model": "claude-sonnet-4-5",
                                                   "content": [], "usage": {"input_tokens": 5}},
    },
    "otlp": {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [{
        "traceId": "aa", "spanId": "bb", "startTimeUnixNano": "1795168800000000000",
        "endTimeUnixNano": "1795168801000000000", "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "5"}}]}]}]}]},
    "requests": {
        "timestamp": "2026-11-20T10:00:00Z", "request": {"model": "gpt-4o", "messages": []},
        "response": {"id": "a", "model": "gpt-4o", "usage": USAGE, "choices": []}, "metadata": {},
    },
    "agents": {
        "id": "m", "sessionID": "s", "modelID": "claude-sonnet-4-5", "providerID": "anthropic",
        "time": {"created": 1795168800000, "completed": 1795168802000}, "error": None, "cost": 0.1,
        "tokens": {"input": 5, "output": 2, "reasoning": 1, "cache": {"read": 1, "write": 1}},
    },
    "posthog": {"uuid": "e", "event": "$ai_generation", "timestamp": "2026-11-20T10:00:00Z",
                "distinct_id": "u", "properties": {
                    "$ai_model": "gpt-4o", "$ai_input_tokens": 5, "$ai_output_tokens": 2,
                    "$ai_latency": 1.5, "$ai_cache_read_input_tokens": 1, "$ai_error": {}}},
    "tool_spans": {
        "span_kind": "llm", "span_id": "s", "trace_id": "t", "start_ns": 1795168800000000000,
        "duration": 5, "model_name": "gpt-4o", "tags": ["a:b"], "meta": {"error": {}},
        "metrics": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 1},
    },
    "sessions": {"timestamp": 1760995776640783, "input": "x", "output": "y", "session_id": "s"},
    "generic": {"timestamp": 1795168800, "model": "m", "input_tokens": 5, "output_tokens": 2,
                "cost": 1.0, "tags": "a,b", "latency": 2, "status": 200},
}  # fmt: skip
TABLES = {
    "azure": "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,3,4\n",
    "burstgpt": "Timestamp,Model,Request tokens,Response tokens\n5,GPT-4,3,4\n",
}


def mangled(rng: random.Random, value: object) -> object:
    """The value with something odd somewhere in it."""
    roll = rng.random()
    if isinstance(value, dict) and value and roll < 0.8:
        key = rng.choice(list(value))
        if roll < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: mangled(rng, value[key])}
    if isinstance(value, list) and value and roll < 0.8:
        return [mangled(rng, value[0]), *value[1:]]
    return rng.choice(ODD)


def hostile_text(rng: random.Random, rows: list[object]) -> bytes:
    text = "\n".join(map(as_json, rows)).encode("utf-8", "surrogatepass")
    if rng.random() < 0.3:
        at = rng.randrange(len(text))
        text = text[:at] + bytes(rng.randrange(256) for _ in range(rng.randrange(4))) + text[at:]
    if rng.random() < 0.2:
        text = text.replace(b"\n", rng.choice([b"\r\n", b"\n\n", b"\r", b"\n \n"]))
    return text[: rng.randrange(len(text) // 2, len(text) + 1)]


def as_json(row: object) -> str:
    """As json writes it, NaN and lone surrogates included; numbers beyond its range as they are."""
    return json.dumps(row)


def as_cell(value: object) -> str:
    if isinstance(value, dict | list):
        return as_json(value)
    return "" if value is None else str(value)


def as_csv(rng: random.Random, rows: list[dict]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.writer(file, delimiter=rng.choice(",;\t|"))
    writer.writerow(names)
    for row in rows:
        writer.writerow([as_cell(row.get(name)) for name in names])
    return file.getvalue().encode("utf-8", "surrogatepass")


def as_parquet(rng: random.Random, rows: list[dict]) -> bytes:
    """Columns in their own types where all values have one, else as text."""
    columns: dict[str, pa.Array] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        try:
            columns[name or "_"] = pa.array(values)
        except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError):
            texts = [as_cell(value).encode("utf-8", "replace").decode() for value in values]
            columns[name or "_"] = pa.array(texts)
    file = io.BytesIO()
    try:
        pq.write_table(pa.table(columns), file)
    except pa.ArrowException:  # a struct without fields has no place in Parquet
        return as_csv(rng, rows)
    return file.getvalue()


def contained(rng: random.Random, rows: list[Any]) -> bytes:
    """The rows in one of the containers and encodings files come in, sometimes damaged."""
    tables = [row for row in rows if isinstance(row, dict)]
    kind = rng.choice(["jsonl", "jsonl", "array", "wrapped", "twice", "csv", "parquet"])
    if kind == "jsonl":
        data = hostile_text(rng, rows)
    elif kind == "array":
        data = as_json(rows).encode("utf-8", "surrogatepass")
    elif kind == "wrapped":
        data = as_json({"data": rows, "meta": None}).encode("utf-8", "surrogatepass")
    elif kind == "twice":  # every key twice in a row
        data = "\n".join(
            as_json(row)[:-1] + "," + as_json(row)[1:] for row in tables if row
        ).encode("utf-8", "surrogatepass")
    elif kind == "csv":
        data = as_csv(rng, tables)
    else:
        data = as_parquet(rng, tables)
    if kind != "parquet" and rng.random() < 0.3:
        encoding = rng.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
        data = data.decode("utf-8", "replace").encode(encoding, "replace")
    if rng.random() < 0.2:
        data = gzip.compress(data)
    if rng.random() < 0.1 and data:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.05 else data


def assert_survives(path: Path, fmt: str | None) -> None:
    imported = read_files(path, fmt=fmt, model="gpt-4o")
    try:
        kept = sum(batch.num_rows for batch in imported.batches())
    except InputError as refused:
        assert refused.hint, path.read_bytes()
        return
    audit = imported.audit
    assert audit.rows_read == audit.rows_kept + sum(audit.dropped.values())
    assert all(count > 0 for count in audit.dropped.values())
    if "_usage" not in imported.format:
        assert kept == audit.rows_kept


@pytest.mark.parametrize("fmt", [*KEYS, *TABLES])
def test_an_importer_never_breaks_on_a_row(fmt: str, tmp_path: Path, full_counts: bool) -> None:
    assert {importer.name for importer in IMPORTERS} == {*KEYS, *TABLES}
    rng = random.Random(fmt)
    ends = time.monotonic() + 45
    rounds = 0
    while rounds < 40 or (full_counts and time.monotonic() < ends):
        rounds += 1
        path = tmp_path / "fuzz.data"
        if fmt in TABLES:
            head, row, _ = TABLES[fmt].split("\n")
            cells = row.split(",")
            lines = [
                ",".join(rng.choice([cell, str(rng.choice(ODD)), '"', "a,b"]) for cell in cells)
                for _ in range(30)
            ]
            content = "\n".join([head, row, *lines]).encode("utf-8", "replace").replace(b"\0", b"")
        else:
            good = KEYS[fmt]
            content = contained(rng, [good, *(mangled(rng, good) for _ in range(30))])
        path.write_bytes(content)
        try:
            assert_survives(path, rng.choice([fmt, None]))
        except InputError as refused:
            assert refused.hint, content


def test_the_decoder_of_spans_never_breaks_on_a_body(full_counts: bool) -> None:
    rng = random.Random(11)
    for _ in range(20_000 if full_counts else 300):
        body = hostile_text(rng, [mangled(rng, KEYS["otlp"])])
        for kind in ("application/json", "application/x-protobuf"):
            try:
                found = decode_traces(body, content_type=kind)
            except InputError:
                continue
            assert found.spans == len(found.records) + sum(found.dropped.values())
