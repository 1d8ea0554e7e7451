"""Requests that a run waits for, as long as it takes, also over restarts."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from netra_backend.errors import ApprovalDecidedError, NotFoundError
from netra_backend.runs.records import RunRecord
from netra_backend.tables import approvals
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager
from netra_core.events.types import JsonObject

_LOOK_EVERY_S: Final = 1.0
"""Decisions made on another node are seen so soon; those made here at once."""


class ApprovalStatus(StrEnum):
    """Where a request stands; withdrawn when its run ended first."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One request of one run."""

    id: str
    run_id: str
    title: str
    detail: JsonObject
    status: ApprovalStatus
    created_at: datetime
    decided_at: datetime | None


def request_id_of(call_id: str) -> str:
    """The id under which the request of a call is kept: of one length, however deep the call is."""
    return blake2b(call_id.encode(), digest_size=16).hexdigest()


class Approvals:
    """Asks, waits, decides. A request has the id of the step that asks, so it is asked once."""

    def __init__(self, sessions: DatabaseSessionManager, clock: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._clock = clock
        self._decided: dict[str, asyncio.Event] = {}

    async def ask(
        self, ctx: UserExecutionContext, request_id: str, *, title: str, detail: JsonObject
    ) -> bool:
        """Wait until the run's author has decided; True when approved."""
        event = self._decided.setdefault(request_id, asyncio.Event())
        try:
            await self._create(ctx, request_id, title=title, detail=detail)
            while True:
                event.clear()
                status = (await self.get(ctx, request_id)).status
                if status is not ApprovalStatus.PENDING:
                    return status is ApprovalStatus.APPROVED
                try:
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await event.wait()
                except TimeoutError:
                    continue
        finally:
            self._decided.pop(request_id, None)

    async def decide(
        self, ctx: UserExecutionContext, request_id: str, *, approve: bool
    ) -> Approval:
        """Answer a request of the user. Raises NotFoundError, ApprovalDecidedError."""
        status = ApprovalStatus.APPROVED if approve else ApprovalStatus.REFUSED
        async with self._sessions.session(ctx) as session:
            done = await session.execute(
                update(approvals)
                .where(
                    approvals.c.id == request_id,
                    approvals.c.workspace_id == ctx.workspace_id,
                    approvals.c.user_id == ctx.user_id,
                    approvals.c.status == ApprovalStatus.PENDING.value,
                )
                .values(status=status.value, decided_by=ctx.user_id, decided_at=self._clock())
                .returning(approvals.c.id)
            )
            moved = done.one_or_none() is not None
        found = await self.get(ctx, request_id)
        if not moved and found.status is not status:
            raise ApprovalDecidedError(f"The request was {found.status.value} before.")
        if (event := self._decided.get(request_id)) is not None:
            event.set()
        return found

    async def withdraw(self, session: AsyncSession, run: RunRecord) -> None:
        """Close what a run that has ended still asks, in the caller's transaction."""
        await session.execute(
            update(approvals)
            .where(
                approvals.c.run_id == run.id,
                approvals.c.workspace_id == run.workspace_id,
                approvals.c.user_id == run.user_id,
                approvals.c.status == ApprovalStatus.PENDING.value,
            )
            .values(status=ApprovalStatus.WITHDRAWN.value, decided_at=self._clock())
        )

    async def get(self, ctx: UserExecutionContext, request_id: str) -> Approval:
        """One request of the user. Raises NotFoundError."""
        found = await self._select(ctx, approvals.c.id == request_id)
        if not found:
            raise NotFoundError("There is no such request.")
        return found[0]

    async def pending(self, ctx: UserExecutionContext) -> list[Approval]:
        """The requests that wait for this user, oldest first."""
        return await self._select(ctx, approvals.c.status == ApprovalStatus.PENDING.value)

    async def _create(
        self, ctx: UserExecutionContext, request_id: str, *, title: str, detail: JsonObject
    ) -> None:
        on_this = postgresql if self._sessions.dialect == "postgresql" else sqlite
        new = on_this.insert(approvals).values(
            id=request_id,
            workspace_id=ctx.workspace_id,
            user_id=ctx.user_id,
            run_id=ctx.run_id,
            title=title[:200],
            detail=detail,
            status=ApprovalStatus.PENDING.value,
            created_at=self._clock(),
        )
        async with self._sessions.session(ctx) as session:
            # An earlier execution has asked, or one that does not know yet that it was taken over.
            await session.execute(new.on_conflict_do_nothing(index_elements=[approvals.c.id]))

    async def _select(
        self, ctx: UserExecutionContext, which: ColumnElement[bool]
    ) -> list[Approval]:
        query = (
            select(approvals)
            .where(
                approvals.c.workspace_id == ctx.workspace_id,
                approvals.c.user_id == ctx.user_id,
                which,
            )
            .order_by(approvals.c.created_at, approvals.c.id)
        )
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        return [
            Approval(
                **{name: row[name] for name in Approval.__slots__ if name != "status"},
                status=ApprovalStatus(row["status"]),
            )
            for row in rows
        ]
