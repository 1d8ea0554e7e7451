"""Runs outlive the process that executes them, wherever it dies."""

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from netra_backend import RunLimits
from netra_backend.tests.crash_child import Plan
from netra_backend.tests.kit import ServerThread, ended, first_run, is_terminal, person
from netra_core.environment import get_env
from netra_core.events.order import RunOrder

if TYPE_CHECKING:
    from netra_core.testing.postgres import PostgresTestServer, TestDatabase

EVENTS = 19
"""How many events the reference run has."""
SAMPLE = (4, 12)
RECOVERED_WITHIN_S = 3.0


@pytest.mark.process
def test_a_run_killed_at_any_of_its_events_ends_once_and_repeats_no_finished_step(
    tmp_path: Path, full_counts: bool
) -> None:
    points = range(1, EVENTS + 1) if full_counts else SAMPLE
    reports = _kill_at(tmp_path, points)
    _check(tmp_path, reports, list(points), timed=full_counts)


@pytest.mark.process
@pytest.mark.proof
def test_on_postgresql_a_run_killed_at_any_of_its_events_ends_once(
    tmp_path: Path, full_counts: bool, postgres: "PostgresTestServer"
) -> None:
    if not full_counts:
        pytest.skip("every event on PostgreSQL belongs to the full counts")
    points = range(1, EVENTS + 1)
    database = postgres.new_database()
    reports = _kill_at(tmp_path, points, database)
    _check(tmp_path, reports, list(points), timed=True)


def _kill_at(
    home: Path, points: "range | tuple[int, ...]", database: "TestDatabase | None" = None
) -> list[dict[str, Any]]:
    """Kill a platform at each point in turn; its successor brings the run to its end and dies next.

    The reports of the recoveries, in order.
    """
    recovered: list[dict[str, Any]] = []
    for number, point in enumerate([*points, 0]):
        process = _child(home, number, point, database)
        said = [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]
        assert process.returncode == (-9 if point else 0), process.stdout + process.stderr
        if number:
            recovered.append(next(line for line in said if line["what"] == "recovered"))
    return recovered


def _child(
    home: Path, number: int, point: int, database: "TestDatabase | None"
) -> subprocess.CompletedProcess[str]:
    plan = Plan(home=str(home), number=number, at=point)
    if database is not None:
        plan.database = (database.name, database.host, database.port)
    with _start(plan) as process:
        output, errors = process.communicate(timeout=100)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _start(plan: Plan) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "netra_backend.tests.crash_child", msgspec.json.encode(plan)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in get_env().get_all().items() if k in ("PATH", "HOME", "LANG")},
    )


def _check(home: Path, reports: list[dict[str, Any]], points: list[int], *, timed: bool) -> None:
    assert len(reports) == len(points)
    for report, point in zip(reports, points, strict=True):
        events = report["events"]
        assert report["run"]["status"] == "completed", (point, report["run"]["error"])
        assert [event["run_seq"] for event in events] == list(range(1, len(events) + 1)), point
        assert len(events) == EVENTS, point
        assert [is_terminal(event) for event in events].count(True) == 1
        order = RunOrder()
        for event in events:
            order.accept(
                event["type"],
                event["agent_name"],
                event["payload"],
                timestamp=event["timestamp"],
            )
        assert order.ended
        if timed:
            assert report["seconds"] < RECOVERED_WITHIN_S, point
    finished: set[str] = set()
    for line in (home / "steps.log").read_text().splitlines():
        what, _, step = line.partition(" ")
        if what == "end":
            finished.add(step)
        else:
            assert step not in finished, f"{step} ran again after it had finished"
    assert finished


@pytest.fixture
def survivor(
    tmp_path: Path, postgres: "PostgresTestServer"
) -> Generator[tuple[ServerThread, Plan]]:
    """A node that begins nothing of its own, and the plan of another on the same database."""
    database = postgres.new_database()
    node = ServerThread(tmp_path, database=database, node_id="survivor", limits=RunLimits(in_all=0))
    plan = Plan(
        home=str(tmp_path),
        number=1,
        at=11,
        database=(database.name, database.host, database.port),
        node_id="victim",
    )
    with node:
        yield node, plan


@pytest.mark.process
async def test_the_run_of_a_dead_node_is_taken_over_by_one_that_lives(
    survivor: tuple[ServerThread, Plan],
) -> None:
    node, plan = survivor
    async with person(node.url, "ada") as ada:
        with _start(plan) as process:
            process.communicate(timeout=100)
        (run,) = (await ada.http.get("/api/runs")).json()["items"]
        run = await ended(ada, run["id"])
        events = await ada.events(run["id"])
    assert process.returncode == -signal.SIGKILL
    assert run["status"] == "completed"
    assert [event["run_seq"] for event in events] == list(range(1, EVENTS + 1))


@pytest.mark.process
async def test_a_node_that_was_only_stopped_wakes_up_fenced_and_writes_nothing(
    survivor: tuple[ServerThread, Plan],
) -> None:
    node, plan = survivor
    plan.signal = signal.SIGSTOP
    async with person(node.url, "ada") as ada:
        with _start(plan) as process:
            run_id = await first_run(ada)
            run = await ended(ada, run_id)
            events = await ada.events(run_id)
            process.send_signal(signal.SIGCONT)
            output, errors = process.communicate(timeout=100)
        after = await ada.events(run_id)
        owner = await node.call(lambda made: made.platform.run_store.load(run_id))
    assert (process.returncode, errors) == (0, "")
    assert '"what": "done"' in output
    assert run["status"] == "completed"
    assert after == events
    assert owner is not None
    assert (owner.node, owner.fence) == ("survivor", 2)
