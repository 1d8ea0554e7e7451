"""Fixtures of the backend's tests."""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from netra_backend.tests.kit import ServerThread


@pytest.fixture(scope="class")
def served(tmp_path_factory: pytest.TempPathFactory) -> "Generator[ServerThread]":
    """One platform for the tests of a class; each test brings people of its own."""
    # Imported here: suites that need no server stay as small as they are.
    from netra_backend import RunLimits
    from netra_backend.tests.kit import ServerThread

    limits = RunLimits(per_user=3, in_all=30, waiting_per_user=4)
    with ServerThread(tmp_path_factory.mktemp("platform"), limits=limits) as server:
        yield server


@pytest.fixture
def usage_file(tmp_path: Path) -> Path:
    """Two days of calls of two features, small."""
    rows = ["timestamp,model,input_tokens,output_tokens,latency_ms,feature"]
    for hour in range(48):
        day, clock = divmod(hour, 24)
        for minute in range(10):
            moment = f"2026-11-{16 + day:02d}T{clock:02d}:{minute * 5:02d}:00Z"
            feature = "support_chat" if minute % 2 else "tagging"
            rows.append(f"{moment},gpt-4o,{1500 + 10 * minute},{120 + minute},400,{feature}")
    path = tmp_path / "calls.csv"
    path.write_text("\n".join(rows) + "\n")
    return path
