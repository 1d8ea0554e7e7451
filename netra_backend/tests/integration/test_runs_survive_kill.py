"""Runs outlive the process that executes them, wherever it dies."""

import signal
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netra_backend import RunLimits
from netra_backend.tests.crash_child import Plan
from netra_backend.tests.kill_kit import EVENTS, check_recovery, kill_at, start
from netra_backend.tests.kit import ServerThread, ended, first_run, person

if TYPE_CHECKING:
    from netra_core.testing.postgres import PostgresTestServer

SAMPLE = (4,)


@pytest.mark.process
def test_a_run_killed_at_any_of_its_events_ends_once_and_repeats_no_finished_step(
    tmp_path: Path, full_counts: bool
) -> None:
    points = range(1, EVENTS + 1) if full_counts else SAMPLE
    reports = kill_at(tmp_path, points)
    check_recovery(tmp_path, reports, list(points), timed=full_counts)


@pytest.mark.process
@pytest.mark.proof
def test_on_postgresql_a_run_killed_at_any_of_its_events_ends_once(
    tmp_path: Path, full_counts: bool, postgres: "PostgresTestServer"
) -> None:
    if not full_counts:
        pytest.skip("every event on PostgreSQL belongs to the full counts")
    points = range(1, EVENTS + 1)
    database = postgres.new_database()
    reports = kill_at(tmp_path, points, database)
    check_recovery(tmp_path, reports, list(points), timed=True)


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
        with start(plan) as process:
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
        with start(plan) as process:
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
