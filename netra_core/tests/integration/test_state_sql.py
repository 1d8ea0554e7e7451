import pytest

from netra_backend.migrations import migrate_platform
from netra_core.database import DatabaseSessionManager, GroupCommit
from netra_core.state.sql import SqlStateStore
from netra_core.testing.state_conformance import MakeStore, StateConformance


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


class TestSqliteMemoryState(SqlConformance):
    __test__ = True
    writes_each = 5

    @pytest.fixture
    async def sessions(self, open_database) -> DatabaseSessionManager:
        sessions = open_database("sqlite+aiosqlite:///:memory:")
        await migrate_platform(sessions)
        return sessions
