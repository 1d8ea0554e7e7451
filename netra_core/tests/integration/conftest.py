"""Databases with the platform's tables, on both engines."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import psycopg
import pytest

from netra_backend.migrations import migrate_platform
from netra_core.database import DatabaseOptions, DatabaseSessionManager, GroupCommit
from netra_core.testing.postgres import (
    APP_ROLE,
    MIGRATION_ROLE,
    PostgresTestServer,
    TestDatabase,
)


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresTestServer) -> TestDatabase:
    """A migrated database that others are copied from: a tenth of the time of migrating."""
    database = postgres.new_database()
    asyncio.run(migrate_platform(database.migration_url, app_role=APP_ROLE))
    return database


@pytest.fixture
def own_postgres(
    postgres: PostgresTestServer, migrated_template: TestDatabase
) -> Generator[TestDatabase]:
    """A platform database of this test's own, to change tables in."""
    database = postgres.new_database(template=migrated_template)
    yield database
    postgres.drop_database(database)


@pytest.fixture(scope="session")
def shared_postgres(postgres: PostgresTestServer, migrated_template: TestDatabase) -> TestDatabase:
    return postgres.new_database(template=migrated_template)


@pytest.fixture
def platform_postgres(shared_postgres: TestDatabase) -> TestDatabase:
    """A platform database with nothing in it; only its rows may be changed."""
    url = shared_postgres.url(MIGRATION_ROLE, driver="postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables"
            " WHERE schemaname = 'platform' AND tablename <> 'alembic_version'"
        ).fetchall()
        names = ", ".join(f'platform."{name}"' for (name,) in tables)
        connection.execute(f"TRUNCATE {names}")
    return shared_postgres


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    asyncio.run(migrate_platform(f"sqlite:///{path}"))
    return path.read_bytes()


@pytest.fixture
def platform_sqlite(tmp_path: Path, sqlite_template: bytes) -> str:
    """The URL of a fresh SQLite file with the platform's tables."""
    path = tmp_path / "platform.sqlite"
    path.write_bytes(sqlite_template)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def platform_url(request: pytest.FixtureRequest) -> str:
    """A fresh platform database, once on each engine."""
    if request.param == "sqlite":
        return request.getfixturevalue("platform_sqlite")
    return request.getfixturevalue("platform_postgres").app_url


OpenDatabase = Callable[..., DatabaseSessionManager]


@pytest.fixture
async def open_database() -> AsyncGenerator[OpenDatabase]:
    """Opens session managers that are closed when the test is over."""
    opened: list[DatabaseSessionManager] = []

    def open_one(url: str, **options: object) -> DatabaseSessionManager:
        # Nobody cuts the power here, and syncing a busy disk is what such tests wait for most.
        chosen = {"durability": "process_crash", **options}
        manager = DatabaseSessionManager(url, options=DatabaseOptions(**chosen))
        opened.append(manager)
        return manager

    yield open_one
    for manager in opened:
        await manager.dispose()


@pytest.fixture
async def sessions(platform_url: str, open_database: OpenDatabase) -> DatabaseSessionManager:
    return open_database(platform_url)


@pytest.fixture
async def commits(sessions: DatabaseSessionManager) -> AsyncGenerator[GroupCommit]:
    commits = GroupCommit(sessions)
    yield commits
    await commits.close()
