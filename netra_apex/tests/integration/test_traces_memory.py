"""What `apex serve` holds in memory while many send it the largest exports at once."""

import asyncio
import gzip
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from netra_apex.tests.integration.test_serve_memory import highest_mb

SENDERS = 10
BODY = 63 << 20
MORE_MB = 400
"""Less than seven bodies: ten of them were held at once, with what they were decoded to."""


def export(spans: int) -> bytes:
    """Calls with a long text beside what is read of them, so that few spans are many bytes."""
    request = ExportTraceServiceRequest()
    into = request.resource_spans.add().scope_spans.add().spans
    given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "note": "x" * 6000}
    counts = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50}
    for number in range(1, spans + 1):
        span = into.add(
            name="chat",
            trace_id=number.to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            start_time_unix_nano=1_795_168_800_000_000_000,
            end_time_unix_nano=1_795_168_801_000_000_000,
        )
        for key, value in given.items():
            span.attributes.add(key=key).value.string_value = value
        for key, number_of in counts.items():
            span.attributes.add(key=key).value.int_value = number_of
    return request.SerializeToString()


class Senders:
    """Exporters that share a server: who is refused sends again once another was answered."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._answered = asyncio.Condition()
        self._under_way = 0

    async def send(self, body: bytes, encoding: str) -> Counter[int]:
        """Send until it is stored; how often each status was answered."""
        answered: Counter[int] = Counter()
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": encoding}
        while not answered[200]:
            self._under_way += 1
            answer = await self._http.post("/v1/traces", content=body, headers=headers)
            self._under_way -= 1
            answered[answer.status_code] += 1
            async with self._answered:
                self._answered.notify_all()
                if answer.status_code == 429:
                    assert answer.json()["code"] == "RUN-012"
                    assert float(answer.headers["Retry-After"]) > 0
                    if self._under_way:
                        await self._answered.wait()
                else:
                    assert answer.status_code == 200, answer.text
        return answered


async def send_all(url: str, pid: int) -> tuple[float, Counter[int], int]:
    """Memory after one small export, what all senders were answered, and the calls that count."""
    few = export(500)
    large = few * (BODY // len(few))
    packed = gzip.compress(large, 1)
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        who = {"email": "spans@example.com", "password": "correct horse spans staple 9"}
        token = (await http.post("/auth/register", json=who)).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        senders = Senders(http)
        await senders.send(few, "")
        before = highest_mb(pid)
        bodies = [(packed, "gzip") if place % 2 else (large, "") for place in range(SENDERS)]
        answers = await asyncio.gather(*(senders.send(*body) for body in bodies))
        summary = (await http.get("/api/usage/summary")).json()
    return before, sum(answers, Counter()), summary["requests"]


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_many_of_the_largest_exports_at_once_are_all_stored_in_bounded_memory(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-m", "netra_apex", "serve", "--port", "0", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = next(
                found[1] for line in server.stdout if (found := re.search(r"ready on (\S+)", line))
            )
            before, answered, calls = asyncio.run(send_all(url, server.pid))
            assert (answered[200], calls) == (SENDERS, 500)
            assert answered[429] > 0
            assert highest_mb(server.pid) - before < MORE_MB
        finally:
            server.terminate()
