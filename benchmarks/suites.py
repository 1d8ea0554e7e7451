"""The integration suites: seconds a test and peak memory, each suite in a process of its own.

`suites.py [NAME…]` takes parts of file names. The mean counts setup, call and teardown, without
tests marked `process` (they start or kill servers) and without the start of the one PostgreSQL
server that the others share. On a busy machine the seconds say little; CPU seconds, of this process
alone, are printed beside them.
"""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SUITES = "netra_backend/tests/integration/test_*_integration.py"


class Meter:
    """Counts the time of each test as pytest reports it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self.with_processes: set[str] = set()
        self.failed: list[str] = []
        self._cpu = 0.0
        self._server_start = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: "pytest.FixtureDef[object]") -> Iterator[None]:
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            if fixturedef.argname == "postgres":
                self._server_start += time.perf_counter() - began

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._cpu = time.process_time()
        for item in session.items:
            if item.get_closest_marker("process") is not None:
                self.with_processes.add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        now = time.process_time()
        self.seconds[report.nodeid] += report.duration - self._server_start
        self._server_start = 0.0
        self.cpu[report.nodeid] += now - self._cpu
        self._cpu = now
        if report.failed:
            self.failed.append(f"{report.nodeid.rpartition('::')[2]} ({report.when})")


def _peak_mb() -> float:
    """The most this program had in memory; of the process, which a fork gives its parent's to."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def one(suite: str) -> None:
    """Run a suite here, and say what it took as one line of JSON."""
    meter = Meter()
    pytest.main(["-q", "-p", "no:xdist", suite], plugins=[meter])
    counted = [test for test in meter.seconds if test not in meter.with_processes]
    found = {
        "failed": meter.failed,
        "tests": len(meter.seconds),
        "counted": len(counted),
        "mean": sum(meter.seconds[test] for test in counted) / len(counted),
        "cpu": sum(meter.cpu[test] for test in counted) / len(counted),
        "peak_mb": _peak_mb(),
    }
    print(json.dumps(found))


def main() -> None:
    wanted = sys.argv[1:] or [""]
    suites = [path for path in sorted(ROOT.glob(SUITES)) if any(w in path.name for w in wanted)]
    print(f"{'suite':48} tests  s a test  CPU s  peak MB")
    for path in suites:
        name = path.relative_to(ROOT).as_posix()
        done = subprocess.run(
            [sys.executable, __file__, "--one", name], cwd=ROOT, capture_output=True, text=True
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith('{"failed"')]
        if not lines:
            print(f"{path.stem:48} did not run: {done.stderr.strip().splitlines()[-1:]}")
            continue
        found = json.loads(lines[-1])
        print(
            f"{path.stem:48} {found['tests']:5} {found['mean']:9.3f} {found['cpu']:6.3f}"
            f" {found['peak_mb']:8.0f}",
            *found["failed"],
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2])
    else:
        main()
