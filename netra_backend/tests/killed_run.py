"""A run whose process is killed, and what its successor makes of it."""

import json
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from netra_backend.tests.crash_child import Plan


def killed_then_recovered(
    start_process: Callable[[Sequence[str]], "subprocess.Popen[str]"], home: Path, *, at_event: int
) -> dict[str, Any]:
    """Kill a platform at an event of its run; what its successor found when that run had ended."""
    said: list[dict[str, Any]] = []
    for number, point in enumerate((at_event, 0)):
        plan = msgspec.json.encode(Plan(home=str(home), number=number, at=point)).decode()
        child = start_process(["-m", "netra_backend.tests.crash_child", plan])
        output = child.communicate()[0]
        assert child.returncode == (-signal.SIGKILL if point else 0), output
        said += [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(line for line in said if line["what"] == "recovered")


def repeated_steps(home: Path) -> list[str]:
    """Steps that began again after they had been recorded as finished."""
    lines = [line.split(" ", 1) for line in (home / "steps.log").read_text().splitlines()]
    ended_at = {step: at for at, (what, step) in enumerate(lines) if what == "end"}
    assert len(ended_at) >= 2
    return [
        step
        for at, (what, step) in enumerate(lines)
        if what == "begin" and ended_at.get(step, at) < at
    ]
