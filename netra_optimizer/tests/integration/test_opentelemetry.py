"""Spans from the real SDK and real instrumentations, exported over HTTP, decoded and stored."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai import OpenAIInstrumentor as OpenLLMetry
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode

from netra_optimizer import InputError, read_files
from netra_optimizer.usage.importers import Spans, decode_traces
from netra_optimizer.usage.record import TOKEN_BUCKETS, UsageRecord

USAGE = {
    "prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
}  # fmt: skip


class Collector:
    """Both ends on one port: an OpenAI that answers the same, and a receiver of OTLP."""

    def __init__(self) -> None:
        self.decoded: list[Spans] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    kinds = {
                        "content_type": self.headers["Content-Type"],
                        "content_encoding": self.headers.get("Content-Encoding", ""),
                    }
                    outer.decoded.append(decode_traces(body, **kinds))
                    self.answer(200, b"", "application/x-protobuf")
                    return
                asked = json.loads(body)
                if asked["model"] == "broken":
                    self.answer(429, b'{"error": {"type": "rate_limit_error", "message": "slow"}}')
                    return
                reply = {
                    "id": "chatcmpl-77", "object": "chat.completion", "created": 1795168800,
                    "model": "gpt-4o-2024-08-06", "usage": USAGE,
                    "choices": [{"index": 0, "finish_reason": "stop",
                                 "message": {"role": "assistant", "content": "Brie."}}],
                }  # fmt: skip
                self.answer(200, json.dumps(reply).encode())

            def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def records(self) -> list[UsageRecord]:
        return [record for spans in self.decoded for record in spans.records]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


@pytest.fixture(params=["plain", "gzip"])
def provider(collector: Collector, request: pytest.FixtureRequest) -> Iterator[TracerProvider]:
    from opentelemetry.exporter.otlp.proto.http import Compression

    packed = Compression.Gzip if request.param == "gzip" else Compression.NoCompression
    exporter = OTLPSpanExporter(f"{collector.url}/v1/traces", compression=packed)
    made = TracerProvider(resource=Resource.create({"service.name": "cheese-bot"}))
    made.add_span_processor(SimpleSpanProcessor(exporter))
    yield made
    made.shutdown()


def counts(record: UsageRecord) -> dict[str, int]:
    return {b: getattr(record, b) for b in TOKEN_BUCKETS if getattr(record, b)}


EXPECTED = {"input_uncached": 86, "cache_read": 1920, "output_text": 172, "reasoning": 128}


def test_spans_of_the_sdk_arrive_with_their_counts(
    collector: Collector, provider: TracerProvider
) -> None:
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("invoke_agent") as agent:
        agent.set_attribute("gen_ai.operation.name", "invoke_agent")
        agent.set_attribute("gen_ai.usage.input_tokens", 999)
        with tracer.start_as_current_span("chat gpt-4o") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06",
                    "gen_ai.request.temperature": 0.5, "gen_ai.response.id": "chatcmpl-1",
                    "gen_ai.response.finish_reasons": ["length"],
                    "gen_ai.usage.input_tokens": 2006, "gen_ai.usage.output_tokens": 300,
                    "gen_ai.usage.cache_read.input_tokens": 1920,
                    "gen_ai.usage.reasoning.output_tokens": 128,
                    "gen_ai.conversation.id": "conv-1", "user.id": "ann",
                    "openai.response.service_tier": "flex", "feature": "search",
                }
            )  # fmt: skip
            context = span.get_span_context()
    [record] = collector.records
    assert counts(record) == EXPECTED
    assert (record.id, record.model, record.provider) == (
        "chatcmpl-1",
        "gpt-4o-2024-08-06",
        "openai",
    )
    assert (record.user, record.conversation, record.feature) == ("ann", "conv-1", "search")
    assert (record.service_tier, record.finish_reason) == ("flex", "length")
    assert record.params == '{"temperature":0.5}'
    assert record.trace == f"{context.trace_id:032x}"
    assert record.span == f"{context.span_id:016x}"
    assert len(record.parent) == 16
    assert record.latency_ms is not None
    assert sum(spans.spans for spans in collector.decoded) == 2
    assert sum(spans.rejected for spans in collector.decoded) == 0


def test_spans_by_old_names_anthropic_s_counts_and_failures_arrive(
    collector: Collector, provider: TracerProvider
) -> None:
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("anthropic.chat") as span:
        span.set_attributes(
            {
                "gen_ai.system": "Anthropic", "llm.request.type": "chat",
                "gen_ai.response.model": "claude-sonnet-4-5", "gen_ai.usage.prompt_tokens": 30,
                "gen_ai.usage.completion_tokens": 7,
                "gen_ai.usage.cache_read_input_tokens": 2000,
                "gen_ai.usage.cache_creation_input_tokens": 500,
                "traceloop.association.properties.user_id": "bob",
            }
        )  # fmt: skip
    with tracer.start_as_current_span("chat") as span:
        span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
        span.set_status(Status(StatusCode.ERROR, "quota"))
    with tracer.start_as_current_span("GET /") as span:
        span.set_attribute("http.route", "/")
    beside, failed = collector.records
    assert counts(beside) == {
        "input_uncached": 30, "cache_read": 2000, "cache_write_5m": 500, "output_text": 7,
    }  # fmt: skip
    assert (beside.provider, beside.user, beside.feature) == ("anthropic", "bob", "cheese-bot")
    assert (failed.status, failed.error_kind, counts(failed)) == ("error", "quota", {})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # OpenLLMetry's own, at its import
@pytest.mark.parametrize("instrumentor", [OpenInference, OpenLLMetry])
def test_an_instrumented_openai_client_is_counted_as_openai_counts(
    collector: Collector, provider: TracerProvider, instrumentor: type
) -> None:
    instrumented = instrumentor()
    instrumented.instrument(tracer_provider=provider)
    try:
        client = openai.OpenAI(api_key="k", base_url=f"{collector.url}/v1", max_retries=0)
        ask = {"messages": [{"role": "user", "content": "Which cheese?"}], "temperature": 0}
        client.chat.completions.create(model="gpt-4o", **ask)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="broken", **ask)
        client.close()
    finally:
        instrumented.uninstrument()
    answered, failed = collector.records
    assert answered.model.startswith("gpt-4o")
    assert answered.provider == "openai"
    assert answered.status == "ok"
    assert answered.input_uncached + answered.cache_read == 2006
    assert answered.cache_read == 1920
    assert answered.output_text + answered.reasoning == 300
    assert answered.prompt_hash
    assert json.loads(answered.params)["temperature"] == 0
    assert (failed.model, failed.status) == ("broken", "error")


def as_json(**changes: object) -> dict:
    attributes = {
        "gen_ai.operation.name": {"stringValue": "chat"},
        "gen_ai.request.model": {"stringValue": "gpt-4o"},
        "gen_ai.usage.input_tokens": {"intValue": "100"},
        "gen_ai.usage.output_tokens": {"intValue": 7},
        "gen_ai.response.finish_reasons": {"arrayValue": {"values": [{"stringValue": "stop"}]}},
    }
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
        "parentSpanId": "", "name": "chat", "kind": 3,
        "startTimeUnixNano": "1795168800000000000", "endTimeUnixNano": "1795168801500000000",
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
        "status": {}, **changes,
    }  # fmt: skip
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": [span]}]}]}


def test_otlp_json_keeps_hex_ids_and_numbers_in_text() -> None:
    found = decode_traces(
        json.dumps(as_json()).encode(), content_type="application/json; charset=utf-8"
    )
    [record] = found.records
    assert record.trace == "5b8efff798038103d269b633813fc60c"
    assert (record.span, record.id) == ("eee19b7ec3c1b174", f"{record.trace}:eee19b7ec3c1b174")
    assert (counts(record), record.latency_ms) == (
        {"input_uncached": 100, "output_text": 7},
        1500.0,
    )


def test_a_file_of_otlp_json_is_imported_with_its_audit(tmp_path) -> None:
    other = as_json(attributes=[], spanId="00")
    late = as_json(startTimeUnixNano="x", spanId="01")
    (tmp_path / "spans.jsonl").write_text(
        "".join(json.dumps(d) + "\n" for d in (as_json(), other, late))
    )
    (tmp_path / "one.json").write_text(json.dumps(as_json(spanId="02"), indent=1))
    imported = read_files(tmp_path)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert imported.format == "otlp"
    assert len(rows) == 2
    assert imported.audit.dropped == {"bad_time": 1, "not_a_model_call": 1}


@pytest.mark.parametrize("kind", ["application/json", "application/x-protobuf"])
@pytest.mark.parametrize("body", [b"\xff\xfe\x00nonsense" * 9, b"[1]", b"{"])
def test_a_body_that_is_no_request_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(InputError, match="OPT-110"):
        decode_traces(body, content_type=kind)


def test_a_body_that_unpacks_without_end_is_refused() -> None:
    bomb = gzip.compress(b"\0" * (4 << 20))
    with pytest.raises(InputError, match="OPT-108"):
        decode_traces(bomb, content_type="application/json", content_encoding="gzip", limit=1 << 20)
    with pytest.raises(InputError, match="OPT-110"):
        decode_traces(b"no gzip", content_type="application/json", content_encoding="gzip")
