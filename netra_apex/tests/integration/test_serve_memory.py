"""What `apex serve` holds in memory: little until analytics are used, and bounded after."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netra_client import ApexClient
from netra_optimizer.generate import demo_scenario, generate_workload, scaled, write_workload

IDLE_MB = 200
ANALYTICS_MB = 700


def highest_mb(pid: int) -> float:
    """The most memory that was resident at any time so far."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1000


async def use(url: str, pid: int, calls: Path) -> tuple[float, int, str]:
    """Sign up, bring the calls, ask: memory before analytics, rows kept, how the run ended."""
    async with ApexClient(url) as client:
        await client.register("memory@example.com", "correct horse memory staple 9")
        idle = highest_mb(pid)
        started = await client.import_file(calls)
        state = await client.wait_for_import(started["import_id"])
        run_id = (await client.post_message("Where can we save money?"))["run_id"]
        events = [event async for event in client.run_events(run_id)]
    return idle, state["rows_kept"], events[-1].payload["status"]


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_server_stays_small_until_analytics_are_used_and_bounded_after(tmp_path: Path) -> None:
    calls = tmp_path / "calls.parquet"
    workload = generate_workload(seed=7, scenario=scaled(demo_scenario(), scale=0.3))
    write_workload(workload, calls, "parquet")
    home = tmp_path / "home"
    command = [sys.executable, "-m", "netra_apex", "serve", "--port", "0", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = next(
                found[1] for line in server.stdout if (found := re.search(r"ready on (\S+)", line))
            )
            idle, kept, ended = asyncio.run(use(url, server.pid, calls))
            assert (kept > 5000, ended) == (True, "completed")
            assert idle < IDLE_MB < highest_mb(server.pid) < ANALYTICS_MB
        finally:
            server.terminate()
