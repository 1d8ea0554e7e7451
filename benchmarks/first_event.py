"""Time from a chat message to the first event of its run, over a real socket to a real server.

Baseline of the same run: the round trip of a ping on the same socket. Messages are sent one after
the other, each after the run before has ended; a burst of runs is not measured here.
"""

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing

import websockets

from netra_client import ApexClient, LiveEvent

MESSAGES = 30
QUESTION = "Where can we save money?"


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def pings(client: ApexClient) -> list[float]:
    """Round trips of a ping, in milliseconds."""
    ticket = await client.socket_ticket()
    address = f"{client.url.replace('http', 'ws', 1)}/ws?ticket={ticket}"
    found: list[float] = []
    async with websockets.connect(address) as socket:
        await socket.recv()
        for _ in range(MESSAGES * 2):
            start = time.perf_counter()
            await socket.send('{"type":"ping"}')
            while "pong" not in str(await socket.recv()):
                pass
            found.append((time.perf_counter() - start) * 1000)
    return found


async def first_events(client: ApexClient) -> list[float]:
    """From sending a message to its run's first event, in milliseconds."""
    found: list[float] = []
    async with client.live() as live, aclosing(live.updates()) as updates:
        await anext(updates)
        for _ in range(MESSAGES):
            start = time.perf_counter()
            asking = asyncio.create_task(live.ask(QUESTION))
            first: float | None = None
            async for update in updates:
                if not isinstance(update, LiveEvent):
                    continue
                if first is None:
                    first = (time.perf_counter() - start) * 1000
                if update.type == "agent_completed" and update.agent_name == "supervisor":
                    break
            await asking
            assert first is not None
            found.append(first)
    return found


async def measure(url: str) -> None:
    """Sign up, measure, print."""
    async with ApexClient(url) as client:
        await client.register("bench@example.com", "a long enough benchmark phrase 7")
        base, events = await pings(client), await first_events(client)
    print(f"{'':28}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    for name, values in (("ping and pong (baseline)", base), ("message to first event", events)):
        p50, p99 = statistics.median(values), percentile(values, 0.99)
        print(f"{name:28}{p50:9.1f}{p99:9.1f}{max(values):9.1f}")
    print(f"ratio of medians: {statistics.median(events) / statistics.median(base):.1f}")


def main() -> None:
    """Start a server on a fresh folder, measure, stop it."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "netra_apex", "serve", "--port", "0", "--home", home]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                for line in server.stdout:
                    found = re.search(r"ready on (\S+)", line)
                    if found:
                        print(f"ready after {time.perf_counter() - start:.2f} s")
                        asyncio.run(asyncio.wait_for(measure(found[1]), 300))
                        break
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
