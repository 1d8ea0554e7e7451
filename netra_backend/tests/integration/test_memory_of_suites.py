"""The integration suites stay small: each in a process of its own, as anyone would run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PLAIN_MB, ANALYTICS_MB = 168, 700
SAMPLE = {"websocket_state_multiuser": PLAIN_MB}
ALL = {
    "isolated_environment_config": PLAIN_MB,
    "registry_websocket": PLAIN_MB,
    "agent_state_database": PLAIN_MB,
    "database_config": PLAIN_MB,
    "cross_service_config_validation": PLAIN_MB,
    "complete_ssot_workflow": ANALYTICS_MB,
    **SAMPLE,
}


@pytest.mark.process
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted as Linux counts it")
def test_a_suites_process_stays_within_its_memory(full_counts: bool) -> None:
    bounds = ALL if full_counts else SAMPLE
    measured = {suite: measure(suite) for suite in bounds}
    assert {suite: found["failed"] for suite, found in measured.items() if found["failed"]} == {}
    peaks = {suite: found["peak_mb"] for suite, found in measured.items()}
    assert {suite: mb for suite, mb in peaks.items() if mb > bounds[suite]} == {}


def measure(suite: str) -> dict:
    """Run one suite; the tests that failed and its highest resident memory."""
    file = f"netra_backend/tests/integration/test_{suite}_integration.py"
    command = [sys.executable, "benchmarks/suites.py", "--one", file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith('{"failed"')]
    assert found, done.stdout + done.stderr
    return json.loads(found[-1])
