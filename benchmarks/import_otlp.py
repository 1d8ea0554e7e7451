"""OTLP over HTTP into a real server: from a client's first span until a query sees the last one.

    python benchmarks/import_otlp.py [--spans 100000] [--senders 16] [--sdk] [--clients 1]

`apex serve` runs in a process of its own, each client in another with an API key. A client makes
spans, serializes them as the OpenTelemetry SDK does (exports of 512) and sends them over as many
connections as it has senders. With `--sdk` the SDK makes and encodes the spans. The clock stops
when the summary of the workspace counts every span. What making and encoding a span takes bounds
what one client process can send, whoever receives it; both are printed beside the server's part.
"""

import argparse
import asyncio
import http.client
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from urllib.parse import urlsplit

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

EXPORT = 512
FIRST_NS = 1_795_168_800_000_000_000


def attributes(place: int) -> dict[str, str | int]:
    """What an instrumented call says, by the semantic conventions."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{place:012x}",
        "gen_ai.conversation.id": f"c-{place // 9}",
        "user.id": f"u-{place % 40}",
        "gen_ai.usage.input_tokens": 2000 + place % 512,
        "gen_ai.usage.output_tokens": 300,
        "gen_ai.usage.cache_read.input_tokens": 1024,
    }


def body(first: int, count: int, spent: "defaultdict[str, float] | None" = None) -> bytes:
    """One export, made with the protobuf classes. Notes the CPU of it."""
    began = time.thread_time()
    request = ExportTraceServiceRequest()
    holder = request.resource_spans.add()
    holder.resource.attributes.add(key="service.name").value.string_value = "bench"
    spans = holder.scope_spans.add().spans
    for place in range(first, first + count):
        span = spans.add(
            name="chat gpt-4o",
            trace_id=(place + 1).to_bytes(16, "big"),
            span_id=(place + 1).to_bytes(8, "big"),
            start_time_unix_nano=FIRST_NS + place * 1_000_000,
            end_time_unix_nano=FIRST_NS + place * 1_000_000 + 1_500_000_000,
        )
        for key, value in attributes(place).items():
            if isinstance(value, str):
                span.attributes.add(key=key).value.string_value = value
            else:
                span.attributes.add(key=key).value.int_value = value
    encoded = request.SerializeToString()
    if spent is not None:
        spent["making and encoding spans"] += time.thread_time() - began
    return encoded


def sdk_body(first: int, count: int, spent: "defaultdict[str, float]") -> bytes:
    """One export, made by the SDK: spans begun, ended and encoded. Notes the CPU of both."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

    tracer = TracerProvider().get_tracer("bench")
    ended: list[ReadableSpan] = []
    began = time.thread_time()
    for place in range(first, first + count):
        at = FIRST_NS + place * 1_000_000
        span = tracer.start_span("chat gpt-4o", attributes=attributes(place), start_time=at)
        span.end(at + 1_500_000_000)
        assert isinstance(span, ReadableSpan)
        ended.append(span)
    made = time.thread_time()
    encoded = encode_spans(ended).SerializeToString()
    spent["the SDK making spans"] += made - began
    spent["the SDK encoding them"] += time.thread_time() - made
    return encoded


def send_all(options: argparse.Namespace) -> None:
    """Be a client: make and send everything; print how often the server was full, and the CPU."""
    address = urlsplit(options.client)
    headers = {"Authorization": f"Bearer {options.key}", "Content-Type": "application/x-protobuf"}
    spent: defaultdict[str, float] = defaultdict(float)
    mine = local()
    full: list[float] = []

    def send(data: bytes) -> None:
        if not hasattr(mine, "connection"):
            mine.connection = http.client.HTTPConnection(address.hostname or "", address.port)
        while True:
            mine.connection.request("POST", "/v1/traces", data, headers)
            answer = mine.connection.getresponse()
            answer.read()
            if answer.status == 200:
                return
            if answer.status != 429:
                raise SystemExit(f"the server answered {answer.status}")
            full.append(float(answer.headers["Retry-After"]))
            time.sleep(full[-1])

    make = sdk_body if options.sdk else body
    end = options.first + options.spans
    with ThreadPoolExecutor(options.senders) as pool:
        waiting = []
        for first in range(options.first, end, EXPORT):
            waiting.append(pool.submit(send, make(first, min(EXPORT, end - first), spent)))
            if len(waiting) > 2 * options.senders:  # an exporter's queue is bounded, too
                waiting.pop(0).result()
        for sent in waiting:
            sent.result()
    print(f"answered 429: {len(full)} times")
    for what, seconds in spent.items():
        print(f"{seconds / options.spans * 1e6:6.1f} us of CPU a span {what}")
    bound = options.spans / sum(spent.values())
    print(f"{bound:10,.0f} spans/s are the most that one such process makes")


async def measure(url: str, server: int, options: argparse.Namespace) -> None:
    """Sign up, make a key, let the client send, wait until a query sees all of it."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        who = {"email": "bench@example.com", "password": "a long enough benchmark phrase 7"}
        token = (await http.post("/auth/register", json=who)).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        wanted = {"name": "bench", "scopes": ["usage:write"]}
        key = (await http.post("/auth/api-keys", json=wanted)).json()["key"]
        for spans in (EXPORT, options.spans):  # the first loads what is lazy
            used, began = (cpu_s(server), children_s()), time.perf_counter()
            share = spans // options.clients
            clients = [
                await client(options, url, key, first=place * share, spans=share)
                for place in range(options.clients)
            ]
            spans = share * options.clients
            said = [(await sending.communicate())[0] for sending in clients]
            sent = time.perf_counter() - began
            while (await http.get("/api/usage/summary")).json()["requests"] < spans:
                pass  # asking takes its time
            took = time.perf_counter() - began
        print(said[0].decode().strip())
        for name, before, after in zip(
            ("server", "client"), used, (cpu_s(server), children_s()), strict=True
        ):
            print(f"{(after - before) / spans * 1e6:6.1f} us of CPU a span in the {name}")
        print(f"{spans:,} spans sent and acknowledged in {sent:.2f} s, seen in {took:.2f} s")
        print(f"{spans / took:10,.0f} spans/s accepted and queryable, client included")


async def client(
    options: argparse.Namespace, url: str, key: str, *, first: int, spans: int
) -> asyncio.subprocess.Process:
    """A client process that sends so many spans from the first on."""
    arguments = ["--client", url, "--key", key, "--spans", str(spans), "--first", str(first)]
    arguments += ["--senders", str(options.senders)] + ["--sdk"] * options.sdk
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, stdout=asyncio.subprocess.PIPE
    )


def children_s() -> float:
    """Seconds of CPU that the clients have used, those of their start included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def addresses(lines: Iterator[str]) -> Iterator[str]:
    """Where the server says that it listens."""
    for line in lines:
        if found := re.search(r"ready on (\S+)", line):
            yield found[1]


def main() -> None:
    """Start a server on a fresh folder, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--senders", type=int, default=16)
    parser.add_argument("--sdk", action="store_true")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--client")
    parser.add_argument("--key")
    options = parser.parse_args()
    if options.client:
        send_all(options)
        return
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "netra_apex", "serve", "--port", "0", "--home", home]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                url = next(addresses(server.stdout))
                asyncio.run(asyncio.wait_for(measure(url, server.pid, options), 300))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
