"""Seconds until `apex serve` is ready, and its memory: idle, after an import, after questions.

A fresh folder, a real process, a generated workload of about 24,000 calls brought over HTTP, and
the questions users ask first. `--calls` brings more calls. Baseline of the same run: a bare uvicorn
that serves an empty page. The process's children count. The figures are of an idle machine; nothing
here asserts on them (`netra_apex/tests/integration/test_serve_memory.py` does, within wide bounds).
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from netra_client import ApexClient
from netra_optimizer.generate import demo_scenario, generate_workload, scaled, write_workload

REST_S = 2
DEMO_CALLS = 24_365
QUESTIONS = (
    "Where can we save money at equal quality?",
    "Audit every use of prompt caching.",
    "What do we spend most on?",
    "Was yesterday's upgrade worth it? Roll back where quality hardly moved but cost rose.",
)
BARE = """
import asyncio, uvicorn
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print("ready on http://localhost", flush=True)
asyncio.run(Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off")).serve())
"""


def resident_mb(pid: int) -> tuple[float, float]:
    """Resident memory now and at its highest, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status))
    return int(found["VmRSS"]) / 1000, int(found["VmHWM"]) / 1000


def say(what: str, pid: int) -> None:
    """One line of the table."""
    now, most = resident_mb(pid)
    print(f"{what:58}{now:9.0f}{most:9.0f}", flush=True)


async def ask(client: ApexClient, question: str) -> None:
    """Put a question and follow its run to the end."""
    run_id = (await client.post_message(question))["run_id"]
    async for _ in client.run_events(run_id):
        pass


async def use(url: str, pid: int, calls: Path) -> None:
    """Sign up, bring the calls, ask."""
    async with ApexClient(url) as client:
        await client.register("bench@example.com", "a long enough benchmark phrase 7")
        say("after signing up", pid)
        started = await client.import_file(calls)
        state = await client.wait_for_import(started["import_id"])
        say(f"after importing {state['rows_kept']:,} calls", pid)
        await client.get("/api/usage/breakdown?by=feature")
        say("after a breakdown", pid)
        for question in QUESTIONS:
            await ask(client, question)
            say(f"after: {question[:48]}", pid)
        for _ in range(4):
            for question in QUESTIONS:
                await ask(client, question)
        say("after asking each of them five times", pid)
        await asyncio.sleep(REST_S)
        say("at rest", pid)


def ready(command: list[str]) -> tuple[subprocess.Popen[str], str, float]:
    """Start a server; the process, its address, and the seconds it took."""
    start = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        found = re.search(r"ready on (\S+)", line)
        if found:
            return server, found[1], time.perf_counter() - start
    raise SystemExit("the server did not start")


def main() -> None:
    """Measure a bare uvicorn, then Apex."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=DEMO_CALLS, help="about how many calls")
    options = parser.parse_args()
    bare, _, seconds = ready([sys.executable, "-c", BARE])
    print(f"bare uvicorn (baseline): ready after {seconds:.2f} s")
    print(f"{'':58}{'now MB':>9}{'most MB':>9}")
    say("bare uvicorn", bare.pid)
    bare.terminate()
    bare.wait()
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls.parquet"
        scenario = scaled(demo_scenario(), scale=options.calls / DEMO_CALLS)
        write_workload(generate_workload(seed=7, scenario=scenario), calls, "parquet")
        command = [sys.executable, "-m", "netra_apex", "serve", "--port", "0"]
        server, url, seconds = ready([*command, "--home", f"{folder}/home"])
        try:
            print(f"apex serve: ready after {seconds:.2f} s")
            say("apex serve, idle", server.pid)
            asyncio.run(asyncio.wait_for(use(url, server.pid, calls), 600))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
