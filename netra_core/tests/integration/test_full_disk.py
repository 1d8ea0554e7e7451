"""Disks that are really full: numbered errors, nothing acknowledged lost, work goes on after."""

import asyncio
import multiprocessing
import resource
import tempfile
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from sqlalchemy import text

from netra_auth.database import AuthDatabaseManager
from netra_backend.migrations import migrate_platform, platform_migrations
from netra_core import UserExecutionContext
from netra_core.database import (
    DatabaseDiskError,
    DatabaseOptions,
    DatabaseSessionManager,
    GroupCommit,
    StorageFullError,
    SystemContext,
)
from netra_core.errors import DatabaseError
from netra_core.events import AgentStarted, AgentThinking, NewEvent
from netra_core.events.log import SqlEventLog
from netra_core.state import StateQuery, UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing.postgres import APP_ROLE, PostgresTestServer
from netra_core.testing.small_disk import MountRefusedError, SmallDisk, small_disk

SYSTEM = SystemContext(actor="test")
WRITERS = 6
FENCE = text(
    "INSERT INTO state_fences (scope, workspace_id, user_id, subject, key, token)"
    " VALUES ('user', 'acme', :user, '', :key, 1)"
)


def person(number: int) -> UserExecutionContext:
    return UserExecutionContext(user_id=f"u{number}", workspace_id="acme", request_id="r")


def event(run: str, ordinal: int) -> NewEvent:
    payload = AgentThinking("x" * 400, ordinal) if ordinal else AgentStarted("go")
    return NewEvent.of(
        payload, run_id=run, thread_id="t", step="s", ordinal=ordinal, agent_name="supervisor"
    )


@contextmanager
def mounted(size_bytes: int) -> Generator[SmallDisk]:
    # Not under tmp_path: PostgreSQL's own user must be able to get there.
    folder = Path(tempfile.mkdtemp(prefix="apex-disk-"))
    try:
        with small_disk(folder, size_bytes=size_bytes) as disk:
            yield disk
    except MountRefusedError as refused:
        pytest.skip(f"this user may not mount a small disk: {refused}")
    finally:
        rmtree(folder, ignore_errors=True)


@pytest.fixture
def disk() -> Generator[SmallDisk]:
    with mounted(12 << 20) as disk:
        yield disk


class Platform:
    """State, events and sessions of one platform database."""

    def __init__(self, url: str, **options: Any) -> None:
        self.sessions = DatabaseSessionManager(url, options=DatabaseOptions(**options))
        self.commits = GroupCommit(self.sessions)
        self.manager = UnifiedStateManager(SqlStateStore(self.sessions, self.commits))
        self.log = SqlEventLog(self.sessions, self.commits)

    async def insert(self, number: int, key: str) -> None:
        """Through a session, as the rooms of the backend write."""
        async with self.sessions.session(person(number)) as session:
            await session.execute(FENCE, {"user": person(number).user_id, "key": key})

    async def close(self) -> None:
        await self.log.close()
        await self.commits.close()
        await self.sessions.dispose()


class Load:
    """Writers of every kind, each until its first error; notes what was acknowledged."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.acknowledged: dict[tuple[str, int], int] = {}
        self.errors: list[BaseException] = []

    async def until_refused(self) -> None:
        kinds = (self._state, self._event, self._session)
        async with asyncio.timeout(60):
            await asyncio.gather(*(self._repeat(kind, n) for kind in kinds for n in range(WRITERS)))

    async def _repeat(self, write: Callable[[int, int], Awaitable[object]], number: int) -> None:
        done = 0
        try:
            while True:
                await write(number, done)
                done += 1
        except DatabaseError as error:
            self.errors.append(error)
        self.acknowledged[write.__name__, number] = done

    async def _state(self, number: int, done: int) -> None:
        view = self.platform.manager.for_context(person(number))
        async with view.transaction() as tx:
            tx.set("a", done + 1)
            tx.set(f"b{done}", "x" * 500)

    async def _event(self, number: int, done: int) -> None:
        await self.platform.log.append(person(number), event(f"run-{number}", done))

    async def _session(self, number: int, done: int) -> None:
        await self.platform.insert(number, f"k{done}")

    async def once_more(self, platform: Platform) -> None:
        """Every kind of write succeeds again, for everybody."""
        for number in range(WRITERS):
            ctx = person(number)
            view = platform.manager.for_context(ctx)
            entry = await view.update("again", lambda value: (value or 0) + 1)
            await platform.log.append(ctx, event(f"again-{number}-{entry.value}", 0))
            await platform.insert(number, f"again-{entry.value}")

    async def missing(self, platform: Platform) -> list[str]:
        """What had been acknowledged and is not there, or is there by half."""
        found: list[str] = []
        for number in range(WRITERS):
            ctx = person(number)
            view = platform.manager.for_context(ctx)
            states = self.acknowledged["_state", number]
            newest = await view.get("a", default=0)
            halves = {entry.key for entry in await view.query(StateQuery(prefix="b", limit=10**6))}
            if newest < states or halves != {f"b{n}" for n in range(newest)}:
                found.append(f"state {number}: {newest} of {states}")
            events = await platform.log.read(ctx.stream, after_seq=0, limit=1_000_000)
            numbers = [event.seq for event in events]
            if len(numbers) < self.acknowledged["_event", number] or numbers != list(
                range(1, len(numbers) + 1)
            ):
                found.append(f"events {number}: {len(numbers)}")
            async with platform.sessions.session(ctx, read_only=True) as session:
                count = text("SELECT count(*) FROM state_fences WHERE user_id = :user")
                rows = await session.scalar(count, {"user": ctx.user_id})
            if rows < self.acknowledged["_session", number]:
                found.append(f"rows {number}: {rows}")
        return found


async def test_sqlite_on_a_full_disk_refuses_by_name_loses_nothing_and_goes_on_after(
    disk: SmallDisk,
) -> None:
    url = f"sqlite+aiosqlite:///{disk.folder}/platform.sqlite"
    await migrate_platform(url)
    platform = Platform(url)
    disk.fill(leave_bytes=1 << 20)
    load = Load(platform)
    await load.until_refused()
    assert {type(error) for error in load.errors} == {StorageFullError}
    assert min(load.acknowledged.values()) >= 1
    disk.fill()
    view = platform.manager.for_context(person(0))
    for refused in (
        view.set("c", "x" * 9000),
        platform.log.append_many(person(0), [event("other", n) for n in range(20)]),
    ):
        with pytest.raises(StorageFullError):
            await refused
    assert await view.get("a") >= load.acknowledged["_state", 0]
    assert (await platform.sessions.health_check()).ok

    disk.free()
    assert await load.missing(platform) == []
    await load.once_more(platform)
    await platform.close()
    again = Platform(url)
    assert await load.missing(again) == []
    await load.once_more(again)
    await again.close()


async def test_a_start_on_a_full_disk_is_told_as_such_and_not_as_damage(disk: SmallDisk) -> None:
    url = f"sqlite+aiosqlite:///{disk.folder}/platform.sqlite"
    await migrate_platform(url)
    disk.fill()
    platform = Platform(url)
    with pytest.raises(StorageFullError):
        await platform.manager.for_context(person(0)).get("a")
    with pytest.raises(StorageFullError):
        await platform_migrations(url).check()
    with pytest.raises(StorageFullError):
        await migrate_platform(f"sqlite+aiosqlite:///{disk.folder}/other.sqlite")
    disk.free()
    await platform.manager.for_context(person(0)).set("a", 1)
    assert (await platform_migrations(url).check()).up_to_date
    await platform.close()


async def test_the_auth_database_on_a_full_disk_keeps_what_it_had(disk: SmallDisk) -> None:
    auth = AuthDatabaseManager(f"sqlite+aiosqlite:///{disk.folder}/auth.sqlite")
    await auth.migrate()
    disk.fill(leave_bytes=200_000)
    insert = text("INSERT INTO pseudonyms (user_id, pseudonym) VALUES (:id, hex(randomblob(900)))")
    written = 0
    with pytest.raises(StorageFullError):
        while True:
            async with auth.session() as session:
                await session.execute(insert, {"id": f"u{written}"})
            written += 1
    disk.free()
    await auth.health_check()
    async with auth.session() as session:
        await session.execute(insert, {"id": "after"})
        assert await session.scalar(text("SELECT count(*) FROM pseudonyms")) == written + 1
    await auth.dispose()


@pytest.mark.process
@pytest.mark.xdist_group("full_postgres")
async def test_postgresql_on_a_full_disk_refuses_by_name_loses_nothing_and_goes_on_after() -> None:
    with mounted(224 << 20) as disk:
        folder = disk.folder / "server"
        folder.mkdir()
        server = PostgresTestServer(folder)
        try:
            await fill_under_load(server, disk)
        finally:
            server.close()


async def fill_under_load(server: PostgresTestServer, disk: SmallDisk) -> None:
    database = server.new_database()
    await migrate_platform(database.migration_url, app_role=APP_ROLE)
    platform = Platform(database.app_url, connect_timeout_s=2)
    disk.fill(leave_bytes=1 << 20)
    load = Load(platform)
    await load.until_refused()
    # Its log may be what finds no room first: then the server ends itself and sessions break.
    assert {error.code for error in load.errors} <= {"DB-007", "DB-008", "DB-002"}
    assert "DB-007" in {error.code for error in load.errors}
    assert min(load.acknowledged.values()) >= 1

    disk.free()
    server.ensure_running()
    async with asyncio.timeout(30):
        while not (await platform.sessions.health_check()).ok:
            pass  # each asks the server, which may be reading its log still
    assert await load.missing(platform) == []
    await load.once_more(platform)
    assert platform.sessions.stats().pool_in_use == 0
    await platform.close()


@pytest.mark.process
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_file_that_may_not_grow_is_a_disk_that_failed_and_the_file_stays_whole(
    platform_sqlite: str, open_database
) -> None:
    processes = multiprocessing.get_context("fork")
    answers = processes.Queue()
    child = processes.Process(target=_write_under_quota, args=(platform_sqlite, answers))
    child.start()
    acknowledged, name, message = answers.get(timeout=60)
    child.join()
    assert (name, child.exitcode) == (DatabaseDiskError.__name__, 0)
    assert "quota" in message
    sessions = open_database(platform_sqlite)
    view = UnifiedStateManager(SqlStateStore(sessions, GroupCommit(sessions))).for_context(
        person(0)
    )
    assert acknowledged > 0
    assert (await view.get("n")) >= acknowledged
    check = await sessions.read(SYSTEM, lambda c: c.exec_driver_sql("PRAGMA quick_check").scalar())
    assert check == "ok"


def _write_under_quota(url: str, answers: "multiprocessing.Queue[tuple[int, str, str]]") -> None:
    """A limit on the size of files, set by the operating system for this process alone."""

    async def write() -> None:
        platform = Platform(url)
        view = platform.manager.for_context(person(0))
        acknowledged = 0
        try:
            while True:
                await view.set("n", acknowledged + 1)
                await view.set(f"k{acknowledged}", "x" * 2000)
                acknowledged += 1
        except DatabaseError as error:
            answers.put((acknowledged, type(error).__name__, str(error)))

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    asyncio.run(write())
