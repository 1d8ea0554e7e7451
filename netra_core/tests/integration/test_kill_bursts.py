"""Killed at any moment, a database holds every write that was acknowledged, and no half of one."""

import multiprocessing
import os
import random
import signal
from collections import defaultdict

import pytest

from netra_core.database import DatabaseSessionManager, GroupCommit
from netra_core.events.log import SqlEventLog
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing.burst_writer import WRITERS, write_burst, writer


def burst_until_killed(processes, url: str, burst: int, acknowledgements: int) -> list[str]:
    """What one process had acknowledged when it was killed after about so many lines."""
    reader, write_end = os.pipe()
    with os.fdopen(reader) as lines:
        child = processes.Process(target=_run, args=(url, burst, write_end))
        child.start()
        os.close(write_end)
        seen = [lines.readline() for _ in range(acknowledgements)]
        os.kill(child.pid, signal.SIGKILL)
        seen += lines.readlines()
        child.join()
    assert child.exitcode == -signal.SIGKILL
    return [line for line in seen if line.endswith("\n")]


def _run(url: str, burst: int, descriptor: "int") -> None:
    write_burst(url, burst, descriptor)


@pytest.mark.process
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_killed_at_random_points_every_acknowledged_write_is_there(
    platform_sqlite: str, open_database, full_counts: bool
) -> None:
    bursts, chance = (200 if full_counts else 20), random.Random(7)
    processes = multiprocessing.get_context("fork")
    acknowledged: dict[tuple[str, int], int] = defaultdict(int)
    verified: dict[int, int] = defaultdict(int)
    for burst in range(bursts):
        lines = burst_until_killed(processes, platform_sqlite, burst, chance.randrange(1, 400))
        for kind, number, value in (line.split() for line in lines):
            key = (kind, int(number))
            acknowledged[key] = max(acknowledged[key], int(value))
        await check(open_database(platform_sqlite), acknowledged, verified)
    assert sum(acknowledged.values()) > bursts * 50


async def check(
    sessions: DatabaseSessionManager,
    acknowledged: dict[tuple[str, int], int],
    verified: dict[int, int],
) -> None:
    commits = GroupCommit(sessions)
    manager = UnifiedStateManager(SqlStateStore(sessions, commits))
    log = SqlEventLog(sessions, commits)
    for number in range(WRITERS):
        view = manager.for_context(writer(number))
        both = [await view.entry(key) for key in ("a", "b")]
        values = [entry.value if entry else 0 for entry in both]
        assert values[0] == values[1] >= acknowledged["state", number]
        assert [entry.version if entry else 0 for entry in both] == values
        stream = writer(number).stream
        head = await log.head(stream)
        events = await log.read(stream, after_seq=verified[number], limit=1_000_000)
        assert [event.seq for event in events] == list(range(verified[number] + 1, head.seq + 1))
        assert head.seq >= acknowledged["event", number]
        verified[number] = head.seq
    integrity = await sessions.read(
        writer(0), lambda c: c.exec_driver_sql("PRAGMA quick_check").scalar()
    )
    assert integrity == "ok"
    await log.close()
    await sessions.dispose()
