"""What goes wrong with databases: each fault is a numbered error, soon, and loses nothing."""

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from shutil import rmtree
from time import monotonic

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
from netra_core.testing.file_rights import as_ordinary_user
from netra_core.testing.lock_holder import held_by_another_process
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


@pytest.mark.process
async def test_a_database_held_by_another_process_is_busy_and_free_when_that_is_killed(
    platform_sqlite: str, open_database
) -> None:
    sessions = open_database(platform_sqlite, busy_timeout_s=0.05)
    commits = GroupCommit(sessions)
    state = UnifiedStateManager(SqlStateStore(sessions, commits)).for_context(ANN)
    await state.set("kept", 1)
    with held_by_another_process(path_of(platform_sqlite)) as other:
        error = await failure(sessions)
        assert isinstance(error, DatabaseBusyError)
        assert error.retryable
        with pytest.raises(DatabaseBusyError):
            await state.set("kept", 2)
        with pytest.raises(DatabaseBusyError):
            await platform_migrations(platform_sqlite, options=sessions.options).upgrade()
        assert (await sessions.health_check()).ok
        assert await state.get("kept") == 1
        other.kill()
        other.wait()
        assert (await state.set("kept", 3)).version == 2
    await commits.close()


@pytest.fixture
def open_folder(platform_sqlite: str) -> Iterator[Path]:
    """A folder that every user may enter, with a platform database in it."""
    folder = Path(tempfile.mkdtemp(prefix="apex-rights-"))
    (folder / "platform.sqlite").write_bytes(path_of(platform_sqlite).read_bytes())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    rmtree(folder)


def allow(folder: Path, file_mode: int, folder_mode: int) -> None:
    """Set who may do what with the folder and the database in it."""
    folder.chmod(0o755)
    (folder / "platform.sqlite").chmod(file_mode)
    folder.chmod(folder_mode)


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "kind"),
    [
        (0o444, 0o777, DatabaseReadOnlyError),
        (0o666, 0o555, DatabaseReadOnlyError),
        (0o444, 0o555, DatabaseReadOnlyError),
        (0o000, 0o777, DatabaseUnreachableError),
        (0o666, 0o000, DatabaseUnreachableError),
    ],
)
async def test_a_file_or_folder_that_this_user_may_not_use_is_named(
    open_folder: Path, open_database, file_mode: int, folder_mode: int, kind: type[DatabaseError]
) -> None:
    url = f"sqlite+aiosqlite:///{open_folder}/platform.sqlite"
    allow(open_folder, file_mode, folder_mode)
    with as_ordinary_user():
        sessions = open_database(url)
        commits = GroupCommit(sessions)
        assert type(await failure(sessions)) is kind
        state = UnifiedStateManager(SqlStateStore(sessions, commits)).for_context(ANN)
        with pytest.raises(kind):
            await state.set("k", 1)
        with pytest.raises((DatabaseUnreachableError, DatabaseReadOnlyError)):
            await platform_migrations(f"sqlite:///{open_folder}/platform.sqlite").downgrade()
        await commits.close()
        await sessions.dispose()
    allow(open_folder, 0o644, 0o755)
    sessions = open_database(url)
    state = UnifiedStateManager(SqlStateStore(sessions, GroupCommit(sessions))).for_context(ANN)
    assert (await state.set("k", 1)).version == 1


async def test_a_file_that_may_only_be_read_is_read(open_folder: Path, open_database) -> None:
    url = f"sqlite+aiosqlite:///{open_folder}/platform.sqlite"
    allow(open_folder, 0o444, 0o777)
    with as_ordinary_user():
        sessions = open_database(url)
        assert (await sessions.health_check()).ok
        assert (await platform_migrations(url).check()).up_to_date
        await sessions.dispose()


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


def _enters(waiting: ExitStack, address: tuple[str, int]) -> bool:
    """True when one more connection got into the queue of a server that accepts none."""
    connection = waiting.enter_context(closing(socket.socket()))
    connection.settimeout(0.1)
    try:
        connection.connect(address)
    except TimeoutError:
        return False
    return True


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

    @pytest.mark.parametrize("accepts", [True, False])
    async def test_a_host_that_never_answers_is_unreachable_after_the_limit(
        self, open_database, accepts: bool
    ) -> None:
        """One that takes the connection and says nothing, and one that swallows packets."""
        with closing(socket.socket()) as silent, ExitStack() as waiting:
            silent.bind(("127.0.0.1", 0))
            silent.listen(8 if accepts else 0)
            address = silent.getsockname()
            while not accepts and _enters(waiting, address):
                pass  # until its queue is full
            url = f"postgresql://u:hunter2@127.0.0.1:{address[1]}/d"
            sessions = open_database(url, connect_timeout_s=0.2)
            started = monotonic()
            error = await failure(sessions)
            health = await sessions.health_check()
            assert monotonic() - started < 10
        assert isinstance(error, DatabaseUnreachableError)
        assert "DB-002" in (health.error or "")
        assert "hunter2" not in f"{error}{health.error}"

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
