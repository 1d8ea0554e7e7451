"""Platform processes that are killed at events of their runs, and what has to hold afterwards."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from netra_backend.tests.crash_child import Plan
from netra_backend.tests.kit import is_terminal
from netra_core.environment import get_env
from netra_core.events.order import RunOrder

if TYPE_CHECKING:
    from netra_core.testing.postgres import TestDatabase

EVENTS = 19
"""How many events the reference run has."""
RECOVERED_WITHIN_S = 3.0


def kill_at(
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
    with start(plan) as process:
        output, errors = process.communicate(timeout=100)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def start(
    plan: Plan, *, module: str = "netra_backend.tests.crash_child"
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", module, msgspec.json.encode(plan)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in get_env().get_all().items() if k in ("PATH", "HOME", "LANG")},
    )


def check_recovery(
    home: Path, reports: list[dict[str, Any]], points: list[int], *, timed: bool
) -> None:
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
