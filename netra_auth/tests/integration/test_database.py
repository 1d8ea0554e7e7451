"""AuthDatabaseManager: migrations, transactions, health."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select, update

from netra_auth import AuthDatabaseManager, AuthDeps, AuthFolders, AuthOptions
from netra_auth.database.tables import heads, metadata
from netra_auth.errors import AuthDatabaseUnusable
from netra_auth.housekeeping import Housekeeping
from netra_auth.tests.kit import BASE_URL, Kit
from netra_core.database import DatabaseOptions, SessionIsolationError
from netra_core.database.migrations import MigrationRunner
from netra_core.testing.waiting import eventually

pytestmark = pytest.mark.integration


def runner(url: str) -> MigrationRunner:
    options = DatabaseOptions(schema="auth")
    return MigrationRunner(url, package="netra_auth.migrations", metadata=metadata, options=options)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite"


async def test_migrations_make_the_tables_that_the_code_declares_and_take_them_down(
    url: str,
) -> None:
    await runner(url).upgrade()
    assert (await runner(url).check()).current == "0001"
    await runner(url).downgrade()
    assert (await runner(url).current()).current is None
    await runner(url).upgrade()


async def test_two_starts_at_once_migrate_once(url: str) -> None:
    managers = [AuthDatabaseManager(url) for _ in range(3)]
    await asyncio.gather(*(manager.migrate() for manager in managers))
    for manager in managers:
        async with manager.session(read_only=True) as session:
            names = (await session.execute(select(heads.c.name).order_by(heads.c.name))).scalars()
            assert list(names) == ["audit", "changes"]
        await manager.dispose()


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_a_block_that_fails_or_is_cancelled_leaves_nothing(
    url: str, error: type[BaseException]
) -> None:
    database = AuthDatabaseManager(url)
    await database.migrate()
    with pytest.raises(error):
        async with database.session() as session:
            await session.execute(update(heads).values(seq=7))
            raise error
    async with database.session(read_only=True) as session:
        assert set((await session.execute(select(heads.c.seq))).scalars()) == {0}
    await database.dispose()


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"])
def test_memory_is_for_tests_alone(url: str) -> None:
    with pytest.raises(AuthDatabaseUnusable):
        AuthDatabaseManager(url)


async def test_memory_starts_with_its_tables(url: str) -> None:
    database = AuthDatabaseManager("sqlite+aiosqlite:///:memory:", testing=True)
    await database.migrate()
    await database.health_check()
    async with database.session() as session:
        assert len((await session.execute(select(heads))).all()) == 2
    await database.dispose()


async def test_health_says_when_the_database_is_not_there() -> None:
    database = AuthDatabaseManager("postgresql+asyncpg://apex:secret-word@127.0.0.1:9/apex")
    with pytest.raises(AuthDatabaseUnusable) as failed:
        await database.health_check()
    assert "secret-word" not in str(failed.value)
    await database.dispose()


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_transaction_that_nobody_ends_is_closed_while_the_service_runs(
    tmp_path: Path,
    read_only: bool,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database = AuthDatabaseManager(f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite", max_session_s=0.0)
    await database.migrate()
    folders = AuthFolders(keys=tmp_path / "keys", outbox=tmp_path / "outbox")
    deps = AuthDeps(options=AuthOptions(public_url=BASE_URL), database=database, folders=folders)
    forgotten = database.session(read_only=read_only)
    session = await forgotten.__aenter__()
    await session.execute(select(heads.c.name))
    housekeeping = Housekeeping(deps, leaks_every_s=0.01)
    housekeeping.start()
    await eventually(lambda: not database.sessions.stats().open_now)
    await housekeeping.aclose()
    assert database.sessions.stats().leaked == 1
    assert f"opened at {__file__}" in caplog.text + capsys.readouterr().out
    with pytest.raises(SessionIsolationError):
        await forgotten.__aexit__(None, None, None)
    async with database.session() as session:
        await session.execute(update(heads).values(seq=1))
    await database.dispose()


async def test_an_app_that_starts_looks_for_leaks_and_one_that_ends_stops(kit: Kit) -> None:
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert {"auth-housekeeping", "auth-leaks"} <= names
    await kit.parts.housekeeping.aclose()
    assert "auth-leaks" not in {task.get_name() for task in asyncio.all_tasks()}
