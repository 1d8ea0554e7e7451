"""Spans as instrumentations write them: which are calls, and how many tokens each had."""

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from netra_optimizer import read_files
from netra_optimizer.usage.importers import decode_traces
from netra_optimizer.usage.record import TOKEN_BUCKETS, UsageRecord

START_NS = 1795168800 * 10**9
NOT_A_CALL = {"not_a_model_call": 1}


def value(given: Any) -> dict:
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, int):
        return {"intValue": str(given)}
    if isinstance(given, float):
        return {"doubleValue": given}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(item) for item in given]}}
    return {"stringValue": given}


def request(*spans: dict, **resource: Any) -> dict:
    return {"resourceSpans": [{
        "resource": {"attributes": [{"key": k, "value": value(v)} for k, v in resource.items()]},
        "scopeSpans": [{"scope": {"name": "s"}, "spans": [{
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": f"eee19b7ec3c1b17{i}",
            "name": "span", "kind": 3, "startTimeUnixNano": str(START_NS),
            "endTimeUnixNano": str(START_NS + 2 * 10**9), "status": {},
            "attributes": [{"key": k, "value": value(v)} for k, v in span.items()],
        } for i, span in enumerate(spans)]}]}]}  # fmt: skip


def decoded(*spans: dict) -> list[UsageRecord]:
    body = json.dumps(request(*spans)).encode()
    return decode_traces(body, content_type="application/json").records


def counts(record: UsageRecord) -> dict[str, int]:
    return {name: getattr(record, name) for name in TOKEN_BUCKETS if getattr(record, name)}


CLAUDE = {"input_uncached": 21, "cache_read": 4000, "cache_write_5m": 188, "output_text": 393}
O4 = {"input_uncached": 30, "cache_read": 64, "output_text": 12, "reasoning": 100}
SPANS = {
    "gen_ai, new names": (
        {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
         "gen_ai.request.model": "o4-mini", "gen_ai.response.model": "o4-mini-2025-04-16",
         "gen_ai.usage.input_tokens": 94, "gen_ai.usage.cache_read.input_tokens": 64,
         "gen_ai.usage.output_tokens": 112, "gen_ai.usage.reasoning.output_tokens": 100},
        O4,
    ),
    "gen_ai, old names, counts as text": (
        {"gen_ai.system": "openai", "gen_ai.request.model": "o4-mini",
         "gen_ai.operation.name": "chat", "gen_ai.usage.prompt_tokens": "94",
         "gen_ai.usage.completion_tokens": "112"},
        {"input_uncached": 94, "output_text": 112},
    ),
    "gen_ai, an operation of one's own": (
        {"gen_ai.operation.name": "summarize", "gen_ai.request.model": "o4-mini",
         "gen_ai.usage.input_tokens": 30.0, "gen_ai.usage.output_tokens": 12},
        {"input_uncached": 30, "output_text": 12},
    ),
    "openllmetry, anthropic": (
        {"gen_ai.system": "Anthropic", "llm.request.type": "chat",
         "gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.usage.prompt_tokens": 4209,
         "gen_ai.usage.completion_tokens": 393, "llm.usage.total_tokens": 4602,
         "gen_ai.usage.cache_read_input_tokens": 4000,
         "gen_ai.usage.cache_creation_input_tokens": 188},
        CLAUDE,
    ),
    "anthropic's own counts, caches beside": (
        {"gen_ai.system": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5",
         "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 21,
         "gen_ai.usage.output_tokens": 393, "gen_ai.usage.cache_read_input_tokens": 4000,
         "gen_ai.usage.cache_creation_input_tokens": 188},
        CLAUDE,
    ),
    "openinference": (
        {"openinference.span.kind": "LLM", "llm.model_name": "claude-sonnet-4-5",
         "llm.provider": "anthropic", "llm.token_count.prompt": 4209,
         "llm.token_count.completion": 393, "llm.token_count.total": 4602,
         "llm.token_count.prompt_details.cache_read": 4000,
         "llm.token_count.prompt_details.cache_write": 188},
        CLAUDE,
    ),
    "openinference, cached under its other name": (
        {"openinference.span.kind": "LLM", "llm.model_name": "o4-mini",
         "llm.token_count.prompt": 94, "llm.token_count.completion": 112,
         "llm.token_count.prompt_details.cache_input": 64,
         "llm.token_count.completion_details.reasoning": 100},
        O4,
    ),
    "openinference embeddings": (
        {"openinference.span.kind": "EMBEDDING", "embedding.model_name": "text-embedding-3-small",
         "llm.token_count.prompt": 30, "llm.token_count.total": 30},
        {"input_uncached": 30},
    ),
    "openinference decisions": (
        {"openinference.span.kind": "DECISION", "decision.model_name": "jev-1.14.0",
         "decision.token_count.input": 30, "decision.token_count.output": 12},
        {"input_uncached": 30, "output_text": 12},
    ),
    "vercel ai sdk": (
        {"operation.name": "ai.generateText.doGenerate", "ai.operationId":
         "ai.generateText.doGenerate", "ai.model.id": "o4-mini", "ai.model.provider": "openai.chat",
         "ai.usage.promptTokens": 30, "ai.usage.completionTokens": 12,
         "gen_ai.system": "openai.chat", "gen_ai.request.model": "o4-mini",
         "gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 12},
        {"input_uncached": 30, "output_text": 12},
    ),
    "vercel ai sdk, streamed, newer": (
        {"ai.operationId": "ai.streamText.doStream", "ai.model.id": "o4-mini",
         "ai.model.provider": "openai.responses", "ai.usage.inputTokens": 94,
         "ai.usage.outputTokens": 112, "ai.usage.totalTokens": 206,
         "ai.usage.cachedInputTokens": 64, "ai.usage.reasoningTokens": 100,
         "ai.response.msToFirstChunk": 350.5},
        O4,
    ),
    "vercel ai sdk, newest": (
        {"ai.operationId": "ai.streamText.doStream", "ai.model.id": "claude-sonnet-4-5",
         "ai.model.provider": "anthropic.messages", "ai.usage.inputTokens": 4209,
         "ai.usage.outputTokens": 393, "ai.usage.inputTokenDetails.noCacheTokens": 21,
         "ai.usage.inputTokenDetails.cacheReadTokens": 4000,
         "ai.usage.inputTokenDetails.cacheWriteTokens": 188},
        CLAUDE,
    ),
    "vercel ai sdk, embeddings": (
        {"ai.operationId": "ai.embedMany.doEmbed", "ai.model.id": "text-embedding-3-small",
         "ai.model.provider": "openai.embedding", "ai.usage.tokens": 30},
        {"input_uncached": 30},
    ),
    "langfuse": (
        {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "o4-mini",
         "langfuse.observation.usage_details": json.dumps(
             {"input": 30, "input_cached_tokens": 64, "output": 12,
              "output_reasoning_tokens": 100, "total": 206})},
        O4,
    ),
    "pydantic ai's model request": (
        {"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic",
         "gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.usage.input_tokens": 4209,
         "gen_ai.usage.output_tokens": 393,
         "gen_ai.usage.details.cache_read_input_tokens": 4000,
         "gen_ai.usage.details.cache_creation_input_tokens": 188,
         "gen_ai.usage.details.input_tokens": 21},
        CLAUDE,
    ),
    "langsmith": (
        {"langsmith.span.kind": "llm", "gen_ai.request.model": "o4-mini",
         "gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 12},
        {"input_uncached": 30, "output_text": 12},
    ),
    "decorations of another kind beside a call": (
        {"llm.request.type": "completion", "traceloop.span.kind": "task",
         "gen_ai.request.model": "davinci-002", "gen_ai.usage.input_tokens": 30,
         "gen_ai.usage.output_tokens": 12},
        {"input_uncached": 30, "output_text": 12},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPANS)
def test_a_call_s_span_is_read_by_its_convention(name: str) -> None:
    attributes, expected = SPANS[name]
    [record] = decoded(attributes)
    assert counts(record) == expected


NO_CALLS = {
    "vercel's outer span repeats its steps": {
        "ai.operationId": "ai.generateText", "ai.model.id": "o4-mini",
        "ai.usage.promptTokens": 30, "ai.usage.completionTokens": 12},
    "vercel's tool": {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "t"},
    "an agent": {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "o4-mini",
                 "gen_ai.usage.input_tokens": 300, "gen_ai.usage.output_tokens": 120},
    "a workflow": {"gen_ai.operation.name": "invoke_workflow", "gen_ai.usage.input_tokens": 3},
    "pydantic ai's older agent run": {
        "agent_name": "a", "model_name": "gpt-4o", "gen_ai.usage.input_tokens": 300,
        "gen_ai.usage.output_tokens": 120, "logfire.msg": "agent run"},
    "openinference's chain": {"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 30,
                              "llm.token_count.completion": 12, "llm.model_name": "o4-mini"},
    "langfuse's agent": {"langfuse.observation.type": "agent",
                         "gen_ai.usage.input_tokens": 30, "gen_ai.request.model": "o4-mini"},
    "langsmith's chain": {"langsmith.span.kind": "chain", "gen_ai.usage.input_tokens": 30,
                          "gen_ai.usage.output_tokens": 12},
    "traceloop's workflow": {"traceloop.span.kind": "workflow", "gen_ai.usage.input_tokens": 30},
    "a database": {"db.system": "postgresql", "db.statement": "SELECT 1"},
}  # fmt: skip


@pytest.mark.parametrize("name", NO_CALLS)
def test_a_span_that_repeats_or_is_no_call_is_left_out_by_name(name: str) -> None:
    body = json.dumps(request(NO_CALLS[name])).encode()
    found = decode_traces(body, content_type="application/json")
    assert (found.records, found.dropped) == ([], NOT_A_CALL)


def test_protobuf_json_and_a_file_of_either_give_the_same_calls(tmp_path: Path) -> None:
    spans = [attributes for attributes, _ in SPANS.values()]
    document = request(*spans[:9], **{"service.name": "shop"})
    as_json = decode_traces(json.dumps(document).encode(), content_type="application/json")
    message = ExportTraceServiceRequest()
    for holder in document["resourceSpans"]:
        resource = message.resource_spans.add()
        fill(resource.resource.attributes, holder["resource"]["attributes"])
        scope = resource.scope_spans.add()
        for span in holder["scopeSpans"][0]["spans"]:
            made = scope.spans.add(
                trace_id=bytes.fromhex(span["traceId"]), span_id=bytes.fromhex(span["spanId"]),
                start_time_unix_nano=int(span["startTimeUnixNano"]),
                end_time_unix_nano=int(span["endTimeUnixNano"]),
            )  # fmt: skip
            fill(made.attributes, span["attributes"])
    body = message.SerializeToString()
    assert decode_traces(body, content_type="application/x-protobuf").records == as_json.records
    (tmp_path / "one.json").write_text(json.dumps(document, indent=2))
    (tmp_path / "lines.jsonl").write_text(f"{json.dumps(document)}\n\n{json.dumps({})}\n")
    snake = json.dumps(document)
    for camel, plain in (("resourceSpans", "resource_spans"), ("scopeSpans", "scope_spans"),
                         ("traceId", "trace_id"), ("spanId", "span_id"),
                         ("startTimeUnixNano", "start_time_unix_nano"),
                         ("endTimeUnixNano", "end_time_unix_nano"), ("intValue", "int_value"),
                         ("stringValue", "string_value")):  # fmt: skip
        snake = snake.replace(f'"{camel}"', f'"{plain}"')
    (tmp_path / "snake.json").write_text(snake)
    for name in ("one.json", "lines.jsonl", "snake.json"):
        imported = read_files(tmp_path / name)
        rows = [row for batch in imported.batches() for row in batch.to_pylist()]
        assert imported.format == "otlp"
        assert [{bucket: row[bucket] for bucket in TOKEN_BUCKETS if row[bucket]} for row in rows] \
            == [counts(record) for record in as_json.records], name  # fmt: skip


def fill(target: Any, attributes: list[dict]) -> None:
    for item in attributes:
        [(kind, said)] = item["value"].items()
        made = target.add(key=item["key"])
        if kind == "intValue":
            made.value.int_value = int(said)
        elif kind == "doubleValue":
            made.value.double_value = said
        else:
            made.value.string_value = said


def test_what_a_call_is_for_and_how_it_went_is_kept() -> None:
    [record] = decoded({
        "ai.operationId": "ai.streamText.doStream", "ai.model.id": "claude-sonnet-4-5",
        "ai.model.provider": "anthropic.messages", "ai.usage.inputTokens": 30,
        "ai.usage.outputTokens": 12, "ai.response.msToFirstChunk": 350.5,
        "ai.response.finishReason": "tool-calls", "ai.response.id": "msg_1",
        "ai.telemetry.functionId": "checkout", "ai.telemetry.metadata.userId": "u-1",
        "ai.telemetry.metadata.team": "web"})  # fmt: skip
    assert (record.id, record.provider, record.operation, record.ttft_ms, record.latency_ms,
            record.feature, record.user, record.team, record.finish_reason) == (
        "msg_1", "anthropic", "chat", 350.5, 2000.0, "checkout", "u-1", "web", "tool_calls",
    )  # fmt: skip
    [record] = decoded({
        "langfuse.observation.type": "embedding", "langfuse.observation.model.name": "m",
        "langfuse.observation.usage_details": '{"input": 5}', "langfuse.user.id": "u-2",
        "langfuse.session.id": "s-2", "langfuse.trace.name": "search",
        "langfuse.observation.cost_details": '{"total": 0.25}'})  # fmt: skip
    assert (record.operation, record.user, record.conversation, record.feature,
            record.cost_recorded) == ("embeddings", "u-2", "s-2", "search", 0.25)  # fmt: skip


@pytest.mark.parametrize(
    ("named", "provider"),
    [
        ("azure-openai.chat", "azure"), ("google.generative-ai", "google"),
        ("google.vertex.chat", "google"), ("amazon-bedrock", "aws"), ("xai.chat", "x-ai"),
        ("gcp.vertex_ai", "google"), ("AWS", "aws"), ("az.ai.openai", "azure"),
        ("together_ai", "together"), ("ibm.watsonx.ai", "ibm.watsonx.ai"),
    ],
)  # fmt: skip
def test_a_provider_s_name_is_understood_in_every_convention(named: str, provider: str) -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
                  "gen_ai.usage.input_tokens": 1, "gen_ai.system": named}  # fmt: skip
    [record] = decoded(attributes)
    assert record.provider == provider


@pytest.mark.parametrize(
    ("scope", "fresh"),
    [("opentelemetry.instrumentation.bedrock", 3000),
     ("opentelemetry.instrumentation.openai", 1500)],
)  # fmt: skip
def test_who_made_a_span_tells_that_bedrock_s_cached_tokens_lie_beside(
    scope: str, fresh: int, tmp_path: Path
) -> None:
    document = request(
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "claude-sonnet-4-5",
         "gen_ai.usage.input_tokens": 3000, "gen_ai.usage.output_tokens": 20,
         "gen_ai.usage.cache_read_input_tokens": 1000, "gen_ai.usage.total_tokens": 3020,
         "gen_ai.usage.cache_creation_input_tokens": 500})  # fmt: skip
    [scoped] = document["resourceSpans"][0]["scopeSpans"]
    scoped["scope"]["name"] = scope
    as_json = decode_traces(json.dumps(document).encode(), content_type="application/json")
    message = ExportTraceServiceRequest()
    made = message.resource_spans.add().scope_spans.add()
    made.scope.name = scope
    [given] = scoped["spans"]
    span = made.spans.add(
        trace_id=bytes.fromhex(given["traceId"]), span_id=bytes.fromhex(given["spanId"]),
        start_time_unix_nano=START_NS, end_time_unix_nano=START_NS,
    )  # fmt: skip
    fill(span.attributes, given["attributes"])
    body = message.SerializeToString()
    as_protobuf = decode_traces(body, content_type="application/x-protobuf")
    row = {
        "Timestamp": "2026-11-20 10:00:00.000000000", "TraceId": "a", "SpanId": "b",
        "ScopeName": scope, "SpanAttributes": {
            item["key"]: next(iter(item["value"].values())) for item in given["attributes"]},
    }  # fmt: skip
    (tmp_path / "spans.jsonl").write_text(json.dumps(row))
    [batch] = read_files(tmp_path / "spans.jsonl").batches()
    for record in (*as_json.records, *as_protobuf.records):
        assert (record.input_uncached, record.cache_read, record.cache_write_5m) == (
            fresh, 1000, 500,
        )  # fmt: skip
    assert batch.column("input_uncached").to_pylist() == [fresh]
