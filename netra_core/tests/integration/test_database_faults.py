"""What goes wrong with databases: each fault is a numbered error, soon, and loses nothing."""

import asyncio
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from netra_backend.migrations import platform_migrations
from netra_core import UserExecutionContext
from netra_core.database import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseLoginError,
    DatabaseReadOnlyError,
    DatabaseSessionManager,
    DatabaseTlsError,
    DatabaseUnreachableError,
    GroupCommit,
    SchemaOutdatedError,
    SchemaTooNewError,
    StorageFullError,
    SystemContext,
)
from netra_core.errors import DatabaseError
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing.tls_proxy import make_certificate, tls_proxy

SYSTEM = SystemContext(actor="test")
ANN = UserExecutionContext(user_id="ann", workspace_id="acme", request_id="r")


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite+aiosqlite:///"))


async def failure(sessions: DatabaseSessionManager) -> DatabaseError:
    """The error of a small write; the limit is generous and never what ends it."""
    async with asyncio.timeout(20):
        with pytest.raises(DatabaseError) as caught:
            async with sessions.session(SYSTEM) as session:
                await session.execute(text("UPDATE state_clock SET floor = 0"))
        return caught.value


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """SQLite's locks do not tell a second process from a second connection of another library."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_full_disk_fails_the_write_and_keeps_what_was_acknowledged(
    platform_sqlite: str, open_database
) -> None:
    sessions = open_database(platform_sqlite)
    commits = GroupCommit(sessions)
    state = UnifiedStateManager(SqlStateStore(sessions, commits)).for_context(ANN)
    await state.set("kept", 1)
    await sessions.engines.write(SYSTEM, lambda c: limit_pages(c, 20))
    with pytest.raises(StorageFullError) as caught:
        for number in range(200):
            await state.set(f"k{number}", "x" * 50_000)
    assert caught.value.code == "DB-007"
    written = number
    await sessions.engines.write(SYSTEM, lambda c: limit_pages(c, 1_000_000))
    await state.set("after", 2)
    await commits.close()
    await sessions.dispose()
    again = open_database(platform_sqlite)
    store = SqlStateStore(again, GroupCommit(again))
    view = UnifiedStateManager(store).for_context(ANN)
    assert [await view.get(key) for key in ("kept", "after")] == [1, 2]
    kept = [await view.get(f"k{number}") for number in range(written + 1)]
    assert [value is not None for value in kept] == [True] * written + [False]


def limit_pages(connection, more: int) -> None:
    """SQLite's own disk quota: the file may grow by so many pages."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")


async def test_a_full_disk_in_a_group_acknowledges_none_of_what_it_took_back(
    platform_sqlite: str, open_database
) -> None:
    sessions = open_database(platform_sqlite)
    commits = GroupCommit(sessions)
    state = UnifiedStateManager(SqlStateStore(sessions, commits)).for_context(ANN)
    await state.set("first", 0)
    await sessions.engines.write(SYSTEM, lambda c: limit_pages(c, 40))
    outcomes = await asyncio.gather(
        *(state.set(f"k{n}", "x" * (100 if n != 5 else 900_000)) for n in range(10)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[5], StorageFullError)
    await commits.close()
    await sessions.dispose()
    again = open_database(platform_sqlite)
    view = UnifiedStateManager(SqlStateStore(again, GroupCommit(again))).for_context(ANN)
    for number, outcome in enumerate(outcomes):
        there = await view.get(f"k{number}") is not None
        assert there is not isinstance(outcome, Exception)


async def test_a_database_held_by_another_process_is_busy_and_free_again_later(
    platform_sqlite: str, open_database
) -> None:
    sessions = open_database(platform_sqlite, busy_timeout_s=0.05)
    commits = GroupCommit(sessions)
    with held_by_another_process(path_of(platform_sqlite)):
        error = await failure(sessions)
        assert isinstance(error, DatabaseBusyError)
        assert error.retryable
        with pytest.raises(DatabaseBusyError):
            await commits.submit(SYSTEM, lambda c: None)
        assert (await sessions.health_check()).ok
    await commits.submit(SYSTEM, lambda c: None)
    await commits.close()


async def test_a_read_only_file_is_named_and_can_still_be_read(
    platform_sqlite: str, open_database
) -> None:
    sessions = open_database(
        f"sqlite+aiosqlite:///file:{path_of(platform_sqlite)}?mode=ro&uri=true"
    )
    assert isinstance(await failure(sessions), DatabaseReadOnlyError)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write to any file")
async def test_a_file_without_write_permission_is_named(
    platform_sqlite: str, open_database
) -> None:
    path_of(platform_sqlite).chmod(0o400)
    assert isinstance(await failure(open_database(platform_sqlite)), DatabaseReadOnlyError)


async def test_a_missing_folder_is_named(open_database) -> None:
    error = await failure(open_database("sqlite+aiosqlite:////no/such/folder/a.sqlite"))
    assert isinstance(error, DatabaseUnreachableError)
    assert "folder" in error.hint


async def test_a_file_that_is_no_database_is_named(tmp_path: Path, open_database) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"not a database at all " * 100)
    error = await failure(open_database(f"sqlite+aiosqlite:///{tmp_path}/a.sqlite"))
    assert isinstance(error, DatabaseCorruptError)


async def test_a_newer_schema_is_refused_and_left_untouched(own_url: str) -> None:
    url = own_url
    runner = platform_migrations(url)
    await _set_revision(url, "9999")
    for step in (runner.upgrade, runner.check, runner.current, runner.downgrade):
        with pytest.raises(SchemaTooNewError, match="9999"):
            await step()
    assert await _revision(url) == "9999"


async def test_a_missing_migration_and_a_changed_table_fail_the_check(
    own_url: str,
) -> None:
    url = own_url
    runner = platform_migrations(url)
    assert (await runner.check()).up_to_date
    async with DatabaseSessionManager(url).engine.begin() as connection:
        await connection.execute(text("ALTER TABLE state_fences ADD COLUMN extra INTEGER"))
        engine = connection.engine
    await engine.dispose()
    with pytest.raises(SchemaOutdatedError, match="extra"):
        await runner.check()
    await _set_revision(url, None)
    with pytest.raises(SchemaOutdatedError, match="apex db upgrade"):
        await runner.check()


@pytest.fixture(params=["sqlite", "postgresql"])
def own_url(request: pytest.FixtureRequest) -> str:
    """A platform database to change tables in, as its migrations reach it."""
    if request.param == "sqlite":
        return request.getfixturevalue("platform_sqlite")
    return request.getfixturevalue("own_postgres").migration_url


async def _set_revision(url: str, revision: str | None) -> None:
    sessions = DatabaseSessionManager(url)
    async with sessions.session(SYSTEM) as session:
        await session.execute(text("DELETE FROM alembic_version"))
        if revision:
            await session.execute(text(f"INSERT INTO alembic_version VALUES ('{revision}')"))
    await sessions.dispose()


async def _revision(url: str) -> str:
    sessions = DatabaseSessionManager(url)
    async with sessions.session(SYSTEM, read_only=True) as session:
        revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
    await sessions.dispose()
    return revision


class TestPostgres:
    async def test_a_wrong_password_is_named_and_not_shown(
        self, platform_postgres, open_database
    ) -> None:
        url = platform_postgres.app_url.replace("p%40ss", "hunter2")
        error = await failure(open_database(url))
        assert isinstance(error, DatabaseLoginError)
        assert "hunter2" not in str(error)
        assert not error.retryable

    async def test_an_unknown_database_is_named(self, platform_postgres, open_database) -> None:
        error = await failure(open_database(platform_postgres.app_url + "_no"))
        assert isinstance(error, DatabaseLoginError)

    async def test_nobody_at_the_port_is_unreachable_at_once(self, open_database) -> None:
        with closing(socket.socket()) as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        error = await failure(open_database(f"postgresql://u:p@127.0.0.1:{port}/d"))
        assert isinstance(error, DatabaseUnreachableError)
        assert error.retryable
        assert f":{port}/" in error.message

    async def test_a_host_that_never_answers_is_unreachable_after_the_limit(
        self, open_database
    ) -> None:
        with closing(socket.socket()) as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/d"
            error = await failure(open_database(url, connect_timeout_s=0.2))
        assert isinstance(error, DatabaseUnreachableError)

    async def test_an_unknown_host_is_unreachable(self, open_database) -> None:
        error = await failure(open_database("postgresql://u:p@no-such-host.invalid/d"))
        assert isinstance(error, DatabaseUnreachableError)

    async def test_tls_with_a_trusted_certificate_works_for_each_mode(
        self, platform_postgres, open_database, tmp_path: Path
    ) -> None:
        made = make_certificate(tmp_path)
        async with tls_proxy(made, host="127.0.0.1", port=platform_postgres.port) as port:
            url = platform_postgres.url("apex_app", port=port)
            for mode in ("ssl=require", f"sslmode=verify-full&sslrootcert={made.certificate}"):
                sessions = open_database(f"{url}?{mode}")
                assert (await sessions.health_check()).error is None
                await sessions.dispose()

    @pytest.mark.parametrize(
        ("expired", "mode", "word"),
        [(True, "verify-full", "expired"), (False, "verify-full", "self")],
    )
    async def test_a_certificate_that_is_not_valid_is_refused_and_named(
        self, platform_postgres, open_database, tmp_path: Path, expired: bool, mode: str, word: str
    ) -> None:
        made = make_certificate(tmp_path, expired=expired)
        async with tls_proxy(made, host="127.0.0.1", port=platform_postgres.port) as port:
            url = platform_postgres.url("apex_app", port=port) + f"?sslmode={mode}"
            if expired:
                url += f"&sslrootcert={made.certificate}"
            error = await failure(open_database(url))
        assert isinstance(error, DatabaseTlsError)
        assert word in error.message
        assert not error.retryable

    async def test_a_server_without_tls_is_refused_where_tls_is_required(
        self, platform_postgres, open_database
    ) -> None:
        error = await failure(open_database(platform_postgres.app_url + "?ssl=require"))
        assert isinstance(error, DatabaseTlsError)
