"""Seconds from ready to the end of a run whose server was killed with SIGKILL in the middle of it.

A fresh folder, a generated workload of about 24,000 calls, a question; the process is killed once
the run's data agent has called its first tool, and started again on the same folder. Baseline of
the same run: the same question on a server that nobody kills. One client, one run at a time.
"""

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

from serve_memory import ready

from netra_client import ApexClient, ClientError, LiveEvent
from netra_optimizer.generate import generate_workload, write_workload

ROUNDS = 5
QUESTION = "Where can we save money at equal quality?"


async def bring(url: str, calls: Path) -> str:
    """Sign up and import; what a later process signs in with."""
    async with ApexClient(url) as client:
        await client.register("bench@example.com", "a long enough benchmark phrase 7")
        started = await client.import_file(calls)
        await client.wait_for_import(started["import_id"])
        await follow(client, (await client.post_message(QUESTION))["run_id"])
        assert client.access_token is not None
        return client.access_token


async def follow(client: ApexClient, run_id: str) -> list[LiveEvent]:
    """All events of a run, to its end."""
    return [event async for event in client.run_events(run_id)]


async def until_first_tool(url: str, token: str) -> str:
    """Ask, and return once the run's first tool is at work."""
    async with ApexClient(url) as client:
        client.access_token = token
        run_id = (await client.post_message(QUESTION))["run_id"]
        with contextlib.suppress(ClientError):
            async for event in client.run_events(run_id):
                if event.type == "tool_executing":
                    break
        return run_id


async def undisturbed(url: str, token: str) -> float:
    """Seconds of a run that nobody kills."""
    async with ApexClient(url) as client:
        client.access_token = token
        start = time.perf_counter()
        await follow(client, (await client.post_message(QUESTION))["run_id"])
        return time.perf_counter() - start


async def to_the_end(url: str, token: str, run_id: str) -> None:
    """Wait for the end; every event must be there once, in order."""
    async with ApexClient(url) as client:
        client.access_token = token
        events = await follow(client, run_id)
    assert [event.run_seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].payload["status"] == "completed"


def main() -> None:
    """Kill and start again, a few times."""
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls.parquet"
        write_workload(generate_workload(seed=7), calls, "parquet")
        command = [sys.executable, "-m", "netra_apex", "serve", "--port", "0"]
        command += ["--home", f"{folder}/home"]
        server, url, _ = ready(command)
        token = asyncio.run(bring(url, calls))
        bare = [asyncio.run(undisturbed(url, token)) for _ in range(ROUNDS)]
        print(f"run that nobody kills (baseline): median {statistics.median(bare):.2f} s")
        seconds: list[float] = []
        for _ in range(ROUNDS):
            run_id = asyncio.run(until_first_tool(url, token))
            server.kill()
            server.wait()
            server, url, started = ready(command)
            begun = time.perf_counter()
            asyncio.run(to_the_end(url, token, run_id))
            seconds.append(time.perf_counter() - begun)
            print(f"killed; ready after {started:.2f} s, ended {seconds[-1]:.2f} s after ready")
        server.terminate()
        server.wait()
    print(f"ready to end: median {statistics.median(seconds):.2f} s, most {max(seconds):.2f} s")


if __name__ == "__main__":
    main()
