"""One database with the platform's tables, and what stands on it."""

from datetime import UTC, datetime

from sqlalchemy import Insert, insert

from netra_backend.tables import nodes
from netra_backend.tests.agents_kit import Clock
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseOptions, DatabaseSessionManager, GroupCommit
from netra_core.database.metadata import PLATFORM
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore


class Database:
    """Sessions, commits and state on one database."""

    def __init__(self, url: str) -> None:
        self.clock = Clock()
        options = DatabaseOptions(max_session_s=30)
        self.sessions = DatabaseSessionManager(url, options=options, clock=self.clock)
        self.commits = GroupCommit(self.sessions)
        self.store = SqlStateStore(self.sessions, self.commits, now=self.clock)
        self.state = UnifiedStateManager(self.store)

    async def open(self) -> None:
        if self.sessions.dialect == "sqlite":
            async with self.sessions.engine.begin() as connection:
                await connection.run_sync(PLATFORM.create_all)

    async def close(self) -> None:
        await self.state.shutdown()
        await self.commits.close()
        await self.sessions.dispose()


def user(name: str = "ada", workspace: str = "w1", **more: str) -> UserExecutionContext:
    return UserExecutionContext(user_id=name, workspace_id=workspace, request_id="r", **more)


def note(name: str) -> Insert:
    """A row, as good as any other."""
    return insert(nodes).values(id=name, incarnation="i", beat_at=datetime.now(UTC))
