"""OTLP over HTTP's body to queryable rows: decoded, stored, counted, in one run.

    python benchmarks/import_otlp.py [--spans 100000]

Bodies of 500 spans are built beforehand with the protobuf classes a client uses; measured are
building and serializing (the client), decoding, storing, and the query that sees them all. HTTP
itself is not measured.
"""

import argparse
import tempfile
import time
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from netra_optimizer import UsageStore
from netra_optimizer.usage.importers import decode_traces

BATCH = 500
STORE = 20
"""Bodies stored in one insert, as a server that groups writers does."""


def body(number: int) -> bytes:
    """One export of BATCH spans by the semantic conventions."""
    request = ExportTraceServiceRequest()
    holder = request.resource_spans.add()
    holder.resource.attributes.add(key="service.name").value.string_value = "bench"
    scope = holder.scope_spans.add()
    for place in range(BATCH):
        at = 1_795_168_800_000_000_000 + (number * BATCH + place) * 1_000_000
        span = scope.spans.add(
            name="chat gpt-4o",
            trace_id=(number * BATCH + place).to_bytes(16, "big"),
            span_id=(number * BATCH + place + 1).to_bytes(8, "big"),
            start_time_unix_nano=at,
            end_time_unix_nano=at + 1_500_000_000,
        )
        texts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.conversation.id": f"c-{place // 9}",
            "user.id": f"u-{place % 40}",
        }
        counts = {
            "gen_ai.usage.input_tokens": 2000 + place,
            "gen_ai.usage.output_tokens": 300,
            "gen_ai.usage.cache_read.input_tokens": 1024,
        }
        for key, text in texts.items():
            span.attributes.add(key=key).value.string_value = text
        for key, count in counts.items():
            span.attributes.add(key=key).value.int_value = count
    return request.SerializeToString()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000)
    spans = parser.parse_args().spans
    began = time.perf_counter()
    bodies = [body(number) for number in range(spans // BATCH)]
    client = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder, UsageStore.open(Path(folder) / "s") as store:
        tenant = store.for_tenant("bench")
        tenant.insert([decode_traces(body(10**6), content_type="application/x-protobuf").records])
        began, decoding = time.perf_counter(), 0.0
        for first in range(0, len(bodies), STORE):
            at = time.perf_counter()
            decoded = [
                decode_traces(data, content_type="application/x-protobuf").records
                for data in bodies[first : first + STORE]
            ]
            decoding += time.perf_counter() - at
            tenant.insert(decoded)
        served = time.perf_counter() - began
        began = time.perf_counter()
        seen = tenant.count() - BATCH
        query = time.perf_counter() - began
    assert seen == spans
    whole = spans / (client + served + query)
    print(f"client    {spans / client:10,.0f} spans/s built and serialized")
    print(f"decoded   {spans / decoding:10,.0f} spans/s")
    print(f"queryable {spans / served:10,.0f} spans/s, seen by a query in {query * 1e3:.0f} ms")
    print(f"all       {whole:10,.0f} spans/s, client included, one after the other")


if __name__ == "__main__":
    main()
