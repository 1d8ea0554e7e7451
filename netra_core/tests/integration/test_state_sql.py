import asyncio

import pytest

from netra_backend.migrations import migrate_platform
from netra_core.database import DatabaseSessionManager, GroupCommit
from netra_core.state import ChangesLost, UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing.state_conformance import MakeStore, StateConformance, person


class SqlConformance(StateConformance):
    __test__ = False

    @pytest.fixture
    async def make_store(self, sessions: DatabaseSessionManager, commits: GroupCommit) -> MakeStore:
        async def make(now):
            return SqlStateStore(sessions, commits, now=now)

        return make


class TestSqlState(SqlConformance):
    """On an SQLite file and on PostgreSQL, by the fixtures' parameter."""

    __test__ = True


async def test_listeners_hear_once_what_each_process_writes(
    platform_url: str, open_database
) -> None:
    managers = []
    for _ in range(2):
        sessions = open_database(platform_url)
        managers.append(UnifiedStateManager(SqlStateStore(sessions, GroupCommit(sessions))))
    here, there = (manager.for_context(person()) for manager in managers)
    await managers[0].catch_up()
    heard: asyncio.Queue[object] = asyncio.Queue()
    here.listen(lambda change: heard.put_nowait(change.value))
    await there.set("k", "theirs 1")
    await here.set("k", "ours")
    await there.set("k", "theirs 2")
    assert await managers[0].catch_up() == 2
    assert {await heard.get() for _ in range(3)} == {"ours", "theirs 1", "theirs 2"}
    assert await managers[0].catch_up() == 0


async def test_a_listener_is_told_what_was_lost_when_the_feed_was_cut(
    platform_url: str, open_database
) -> None:
    managers = []
    for _ in range(2):
        sessions = open_database(platform_url)
        managers.append(UnifiedStateManager(SqlStateStore(sessions, GroupCommit(sessions))))
    here, there = (manager.for_context(person()) for manager in managers)
    await managers[0].catch_up()
    start = await here.revision()
    told: asyncio.Queue[object] = asyncio.Queue()
    here.listen(told.put_nowait)
    for value in range(3):
        await there.set("k", value)
    await managers[1].compact(keep_versions=1)
    assert await managers[0].catch_up() == 0
    assert await told.get() == ChangesLost(start)
    await there.set("k", "after")
    assert await managers[0].catch_up() == 1
    assert (await told.get()).value == "after"


class TestSqliteMemoryState(SqlConformance):
    __test__ = True
    writes_each = 5

    @pytest.fixture
    async def sessions(self, open_database) -> DatabaseSessionManager:
        sessions = open_database("sqlite+aiosqlite:///:memory:")
        await migrate_platform(sessions)
        return sessions
