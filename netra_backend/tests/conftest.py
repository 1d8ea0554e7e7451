"""Fixtures of the backend's tests."""

from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from netra_core.environment import get_env
from netra_core.testing.plugin import PROOF_VARIABLE

if TYPE_CHECKING:
    from netra_backend.tests.kit import ServerThread
    from netra_backend.tests.state_database import Database
    from netra_core.testing.postgres import PostgresTestServer, TestDatabase

NewDatabase: TypeAlias = "Callable[[], TestDatabase | None]"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL runs what is marked for both databases; under the full counts, everything.

    All of it is marked `process`: a server is started for it.
    """
    for item in items:
        if _on_postgresql(item):
            item.add_marker(pytest.mark.process)
    if get_env().get(PROOF_VARIABLE) == "1":
        return
    left_out = [item for item in items if _on_postgresql(item) and not _for_both(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _on_postgresql(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("kept_in") == "postgresql"


def _for_both(item: pytest.Item) -> bool:
    return item.get_closest_marker("both_databases") is not None


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def kept_in(request: pytest.FixtureRequest) -> str:
    """The database under a platform of the tests."""
    return request.param


@pytest.fixture(scope="session")
def new_database(kept_in: str, request: pytest.FixtureRequest) -> "NewDatabase":
    """Makes the database of a platform: one on PostgreSQL, migrated, or None for files."""
    if kept_in == "sqlite":
        return lambda: None
    from netra_backend.tests.seeds import migrate_apart

    postgres: PostgresTestServer = request.getfixturevalue("postgres")
    template = postgres.new_database()
    migrate_apart(template.migration_url)
    return lambda: postgres.new_database(template=template)


@pytest.fixture
def platform_at(new_database: "NewDatabase") -> "TestDatabase | None":
    """The database of one test's platforms."""
    return new_database()


@pytest.fixture
async def database(
    tmp_path: Path, platform_at: "TestDatabase | None"
) -> "AsyncGenerator[Database]":
    """The platform's tables and what stands on them, without a server."""
    from netra_backend.tests.state_database import Database

    file = f"sqlite+aiosqlite:///{tmp_path / 'state.sqlite'}"
    opened = Database(file if platform_at is None else platform_at.app_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(scope="class")
def served(
    tmp_path_factory: pytest.TempPathFactory, new_database: "NewDatabase"
) -> "Generator[ServerThread]":
    """One platform for the tests of a class; each test brings people of its own."""
    # Imported here: suites that need no server stay as small as they are.
    from netra_backend import RunLimits
    from netra_backend.tests.kit import ServerThread

    limits = RunLimits(per_user=3, in_all=30, waiting_per_user=4)
    home = tmp_path_factory.mktemp("platform")
    with ServerThread(home, limits=limits, database=new_database()) as server:
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
