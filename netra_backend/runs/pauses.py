"""Holding new work: of a user, of an agent, of a model."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Delete, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from netra_backend.tables import pauses
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """New work that is held. What runs already runs on."""

    scope: str
    key: str
    reason: str
    paused_by: str
    created_at: datetime


class PauseStore:
    """The pauses of the context's workspace."""

    def __init__(self, sessions: DatabaseSessionManager, clock: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._clock = clock

    async def all(self, ctx: UserExecutionContext) -> list[Pause]:
        """Every pause, oldest first."""
        query = (
            select(pauses)
            .where(pauses.c.workspace_id == ctx.workspace_id)
            .order_by(pauses.c.created_at, pauses.c.scope, pauses.c.key)
        )
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        return [Pause(**{name: row[name] for name in Pause.__slots__}) for row in rows]

    async def put(self, ctx: UserExecutionContext, *, scope: str, key: str, reason: str) -> None:
        """Hold new work; again, also at the same moment from elsewhere, replaces the reason."""
        on_this = postgresql if self._sessions.dialect == "postgresql" else sqlite
        row = {"reason": reason, "paused_by": ctx.user_id, "created_at": self._clock()}
        put = on_this.insert(pauses).values(
            workspace_id=ctx.workspace_id, scope=scope, key=key, **row
        )
        put = put.on_conflict_do_update(index_elements=list(pauses.primary_key), set_=row)
        async with self._sessions.session(ctx) as session:
            await session.execute(put)

    async def lift(self, ctx: UserExecutionContext, *, scope: str, key: str) -> None:
        """Let new work begin again; nothing when it was not held."""
        async with self._sessions.session(ctx) as session:
            await session.execute(_of(ctx, scope, key))


def _of(ctx: UserExecutionContext, scope: str, key: str) -> Delete:
    return delete(pauses).where(
        pauses.c.workspace_id == ctx.workspace_id, pauses.c.scope == scope, pauses.c.key == key
    )
