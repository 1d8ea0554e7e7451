"""PostgreSQL stopped and started under load: nothing hangs, nothing acknowledged is lost."""

import asyncio
from collections.abc import Callable, Generator

import pytest
from sqlalchemy import text

from netra_backend.migrations import migrate_platform
from netra_core import UserExecutionContext
from netra_core.database import DatabaseOptions, DatabaseSessionManager, GroupCommit
from netra_core.errors import ApexError
from netra_core.state import COUNTER, UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing.postgres import APP_ROLE, PostgresTestServer, postgres_server

WRITERS = 8


pytestmark = pytest.mark.xdist_group("own_postgres")


@pytest.fixture(scope="module")
def own_server() -> Generator[PostgresTestServer]:
    """A server that no other test uses: it is stopped here."""
    with postgres_server() as server:
        yield server


def person(number: int) -> UserExecutionContext:
    return UserExecutionContext(user_id=f"u{number}", workspace_id="acme", request_id="r")


class Load:
    """Clients that write through state and sessions, counting acknowledgements and errors."""

    def __init__(self, sessions: DatabaseSessionManager, manager: UnifiedStateManager) -> None:
        self.sessions, self.manager = sessions, manager
        self.acknowledged = [0] * WRITERS
        self.errors: list[BaseException] = []
        self.moved = asyncio.Event()

    async def state_writer(self, number: int) -> None:
        view = self.manager.for_context(person(number))
        while True:
            try:
                await view.set("count", 1)
                self.acknowledged[number] += 1
            except Exception as error:
                self.errors.append(error)
            self.moved.set()
            await asyncio.sleep(0)

    async def session_user(self, number: int) -> None:
        while True:
            try:
                async with self.sessions.session(person(number)) as session:
                    await session.execute(text("SELECT count(*) FROM state_entries"))
            except Exception as error:
                self.errors.append(error)
            await asyncio.sleep(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.moved.clear()
                await self.moved.wait()


@pytest.mark.process
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_under_load_costs_retryable_errors_and_no_write(
    own_server: PostgresTestServer, mode: str
) -> None:
    database = own_server.new_database()
    await migrate_platform(database.migration_url, app_role=APP_ROLE)
    options = DatabaseOptions(pool_size=4, pool_overflow=0, connect_timeout_s=1)
    sessions = DatabaseSessionManager(database.app_url, options=options)
    commits = GroupCommit(sessions)
    manager = UnifiedStateManager(SqlStateStore(sessions, commits))
    manager.declare_policy("count", COUNTER)
    load = Load(sessions, manager)
    tasks = [asyncio.create_task(load.state_writer(n)) for n in range(WRITERS)]
    tasks += [asyncio.create_task(load.session_user(n)) for n in range(WRITERS)]

    await load.until(lambda: min(load.acknowledged) >= 3)
    await asyncio.to_thread(own_server.stop, mode=mode)
    await load.until(lambda: len(load.errors) >= 3)
    before = list(load.acknowledged)
    await asyncio.to_thread(own_server.start)
    await load.until(lambda: all(a > b + 2 for a, b in zip(load.acknowledged, before, strict=True)))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await commits.close()

    assert {type(error) for error in load.errors if not isinstance(error, ApexError)} == set()
    assert [error for error in load.errors if not error.retryable] == []
    assert sessions.stats().open_now == 0
    assert sessions.stats().pool_in_use == 0
    for number in range(WRITERS):
        stored = await manager.for_context(person(number)).get("count")
        # An error in mid commit leaves open whether it was written: never less than acknowledged.
        assert load.acknowledged[number] <= stored <= load.acknowledged[number] + len(load.errors)
    await sessions.dispose()


@pytest.mark.process
async def test_an_idle_pool_notices_a_restart_and_no_caller_does(
    own_server: PostgresTestServer,
) -> None:
    database = own_server.new_database()
    options = DatabaseOptions(idle_check_s=0.0)
    sessions = DatabaseSessionManager(database.app_url, options=options)

    async def ask() -> int:
        async with sessions.session(person(1)) as session:
            return await session.scalar(text("SELECT 1"))

    assert await asyncio.gather(*(ask() for _ in range(4))) == [1] * 4
    await asyncio.to_thread(own_server.stop)
    await asyncio.to_thread(own_server.start)
    assert await asyncio.gather(*(ask() for _ in range(4))) == [1] * 4
    await sessions.dispose()
