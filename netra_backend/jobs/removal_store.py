"""Removals of usage in the platform database, for the context's workspace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from netra_backend.errors import NotFoundError
from netra_backend.jobs.owned import adopt, claim
from netra_backend.paging import MAX_PAGE, Cursor, Page
from netra_backend.tables import removals
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, SystemContext
from netra_core.events.types import JsonObject

_SYSTEM: Final = SystemContext(actor="removals")


class RemovalKind(StrEnum):
    """By what calls go: the age that a setting names, or a request."""

    RETENTION = "retention"
    REQUEST = "request"


class RemovalStatus(StrEnum):
    """Where a removal stands; the last two are terminal."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


_OPEN: Final = (RemovalStatus.QUEUED.value, RemovalStatus.RUNNING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalRecord:
    """One removal: what was chosen, and what was there before it, went, and is there after it."""

    id: str
    workspace_id: str
    user_id: str
    kind: RemovalKind
    chosen: JsonObject
    status: RemovalStatus
    calls_before: int | None
    calls_removed: int | None
    calls_after: int | None
    first_removed: str | None
    last_removed: str | None
    error_code: str | None
    error_message: str | None
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping) -> "RemovalRecord":
        """From a row of the table."""
        values: dict[str, Any] = {name: row[name] for name in cls.__slots__}
        values["kind"], values["status"] = RemovalKind(row["kind"]), RemovalStatus(row["status"])
        return cls(**values)

    def context(self) -> UserExecutionContext:
        """For which workspace it works."""
        return UserExecutionContext(
            user_id=self.user_id or "platform", workspace_id=self.workspace_id, request_id=self.id
        )


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a removal is about to take: calls in all, those that go, and their first and last."""

    calls: int
    going: int
    first: str | None
    last: str | None


class RemovalStore:
    """Every move of a removal's row."""

    def __init__(self, sessions: DatabaseSessionManager, clock: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._clock = clock

    async def create(
        self,
        removal_id: str,
        *,
        workspace_id: str,
        user_id: str,
        kind: RemovalKind,
        chosen: JsonObject,
        node: str,
    ) -> bool:
        """A new removal, queued; False where one of this id is there, which stays as it is."""
        insert = postgresql.insert if self._sessions.dialect == "postgresql" else sqlite.insert
        new = insert(removals).values(
            id=removal_id,
            workspace_id=workspace_id,
            user_id=user_id,
            kind=kind.value,
            chosen=chosen,
            status=RemovalStatus.QUEUED.value,
            node=node,
            created_at=self._clock(),
        )
        async with self._sessions.session(_SYSTEM) as session:
            made = await session.execute(
                new.on_conflict_do_nothing(index_elements=[removals.c.id]).returning(removals.c.id)
            )
            return made.one_or_none() is not None

    async def get(self, ctx: UserExecutionContext, removal_id: str) -> RemovalRecord:
        """One removal of this workspace. Raises NotFoundError."""
        query = select(removals).where(
            removals.c.id == removal_id, removals.c.workspace_id == ctx.workspace_id
        )
        row = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().one_or_none())
        if row is None:
            raise NotFoundError("There is no such removal.")
        return RemovalRecord.of(row)

    async def page(
        self, ctx: UserExecutionContext, *, limit: int, after: str | None
    ) -> Page[RemovalRecord]:
        """Removals of this workspace, newest first."""
        limit = min(limit, MAX_PAGE)
        query = (
            select(removals)
            .where(removals.c.workspace_id == ctx.workspace_id)
            .order_by(removals.c.created_at.desc(), removals.c.id.desc())
            .limit(limit + 1)
        )
        if (cursor := Cursor.decode(after)) is not None:
            key = tuple_(removals.c.created_at, removals.c.id)
            query = query.where(key < (cursor.at, cursor.id))
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        items = [RemovalRecord.of(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, Cursor(items[-1].created_at, items[-1].id).encode() if more else None)

    async def open_of(self, node: str) -> list[str]:
        """Ids of the removals that this node has taken and not ended."""
        query = select(removals.c.id).where(removals.c.status.in_(_OPEN), removals.c.node == node)
        return list(await self._sessions.read(_SYSTEM, lambda c: c.execute(query).scalars().all()))

    async def open_on_other_nodes(self, node: str) -> set[str]:
        """Names of other nodes that have taken removals and not ended them."""
        query = select(removals.c.node).where(removals.c.status.in_(_OPEN), removals.c.node != node)
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).scalars().all())
        return {str(name) for name in rows}

    async def adopt(self, ended: Sequence[str], node: str) -> None:
        """Give this node what ended ones have begun."""
        await adopt(self._sessions, _SYSTEM, removals, still_open=_OPEN, ended=ended, node=node)

    async def claim(self, removal_id: str, node: str) -> RemovalRecord | None:
        """Begin an execution; None when the removal has ended."""
        row = await claim(
            self._sessions,
            _SYSTEM,
            removals,
            removal_id,
            still_open=_OPEN,
            running=RemovalStatus.RUNNING.value,
            node=node,
        )
        return None if row is None else RemovalRecord.of(row)

    async def found(self, removal_id: str, found: Found) -> None:
        """Say what there is before anything goes."""
        await self._change(
            removal_id,
            calls_before=found.calls,
            first_removed=found.first,
            last_removed=found.last,
        )

    async def complete(self, removal_id: str, *, removed: int, after: int) -> None:
        """It is done."""
        await self._change(
            removal_id,
            status=RemovalStatus.COMPLETED.value,
            calls_removed=removed,
            calls_after=after,
            ended_at=self._clock(),
        )

    async def fail(self, removal_id: str, *, code: str, message: str) -> None:
        """It could not be done."""
        await self._change(
            removal_id,
            status=RemovalStatus.FAILED.value,
            error_code=code,
            error_message=message,
            ended_at=self._clock(),
        )

    async def _change(self, removal_id: str, **values: Any) -> None:  # Any: columns of the table
        async with self._sessions.session(_SYSTEM) as session:
            await session.execute(
                update(removals)
                .where(removals.c.id == removal_id, removals.c.status.in_(_OPEN))
                .values(**values)
            )
