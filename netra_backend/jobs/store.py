"""Imports in the platform database, for the context's workspace."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, RowMapping, func, insert, select, tuple_, update

from netra_backend.errors import NotFoundError
from netra_backend.jobs.owned import adopt, claim
from netra_backend.paging import MAX_PAGE, Cursor, Page
from netra_backend.tables import imports
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, SystemContext
from netra_core.events.types import JsonObject

_SYSTEM = SystemContext(actor="imports")


class ImportStatus(StrEnum):
    """Where an import stands; the last three are terminal."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_OPEN = (ImportStatus.QUEUED.value, ImportStatus.RUNNING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """One import of one file."""

    id: str
    workspace_id: str
    user_id: str
    file_name: str
    path: str
    options: JsonObject
    status: ImportStatus
    format: str | None
    rows_read: int
    rows_kept: int
    bytes_read: int
    bytes_total: int
    audit: JsonObject | None
    error_code: str | None
    error_message: str | None
    cancel_reason: str | None
    created_at: datetime
    ended_at: datetime | None
    begun: int

    @classmethod
    def of(cls, row: RowMapping) -> "ImportRecord":
        """From a row of the imports table."""
        values: dict[str, Any] = {name: row[name] for name in cls.__slots__}
        values["status"] = ImportStatus(row["status"])
        return cls(**values)

    def context(self) -> UserExecutionContext:
        """For whom the import works."""
        return UserExecutionContext(
            user_id=self.user_id, workspace_id=self.workspace_id, request_id=self.id
        )


class ImportOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an import ended."""

    status: ImportStatus
    format: str | None = None
    rows_read: int | None = None
    rows_kept: int | None = None
    bytes_read: int | None = None
    audit: dict[str, Any] | None = None  # Any: JSON of the optimizer's Audit
    error_code: str | None = None
    error_message: str | None = None


class ImportStore:
    """Every move of an import's row."""

    def __init__(
        self,
        sessions: DatabaseSessionManager,
        clock: Callable[[], datetime],
        ids: Callable[[], str],
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._ids = ids

    async def create(
        self,
        ctx: UserExecutionContext,
        *,
        file_name: str,
        path: str,
        size: int,
        options: JsonObject,
        node: str,
    ) -> ImportRecord:
        """A new import, queued."""
        import_id = self._ids()
        async with self._sessions.session(ctx) as session:
            row = (
                (
                    await session.execute(
                        insert(imports)
                        .values(
                            id=import_id,
                            workspace_id=ctx.workspace_id,
                            user_id=ctx.user_id,
                            file_name=file_name[:255],
                            path=path,
                            options=options,
                            status=ImportStatus.QUEUED.value,
                            rows_read=0,
                            rows_kept=0,
                            bytes_read=0,
                            bytes_total=size,
                            node=node,
                            created_at=self._clock(),
                        )
                        .returning(imports)
                    )
                )
                .mappings()
                .one()
            )
        return ImportRecord.of(row)

    async def get(self, ctx: UserExecutionContext, import_id: str) -> ImportRecord:
        """One import of this workspace. Raises NotFoundError."""
        query = select(imports).where(
            imports.c.id == import_id, imports.c.workspace_id == ctx.workspace_id
        )
        row = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().one_or_none())
        if row is None:
            raise NotFoundError("There is no such import.")
        return ImportRecord.of(row)

    async def page(
        self, ctx: UserExecutionContext, *, limit: int, after: str | None
    ) -> Page[ImportRecord]:
        """Imports of this workspace, newest first."""
        limit = min(limit, MAX_PAGE)
        query = (
            select(imports)
            .where(imports.c.workspace_id == ctx.workspace_id)
            .order_by(imports.c.created_at.desc(), imports.c.id.desc())
            .limit(limit + 1)
        )
        if (cursor := Cursor.decode(after)) is not None:
            query = query.where(tuple_(imports.c.created_at, imports.c.id) < (cursor.at, cursor.id))
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        items = [ImportRecord.of(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, Cursor(items[-1].created_at, items[-1].id).encode() if more else None)

    async def open_of(self, node: str) -> list[ImportRecord]:
        """The imports that this node has taken and not ended."""
        query = select(imports).where(imports.c.status.in_(_OPEN), imports.c.node == node)
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).mappings().all())
        return [ImportRecord.of(row) for row in rows]

    async def open_on_other_nodes(self, node: str) -> set[str]:
        """Names of other nodes that have imports open whose files can be read here, too."""
        query = select(imports.c.node, imports.c.path).where(
            imports.c.status.in_(_OPEN), imports.c.node != node
        )
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).all())
        return await asyncio.to_thread(
            lambda: {str(other) for other, path in rows if Path(path).exists()}
        )

    async def stranded(self, node: str) -> set[str]:
        """Names of other nodes that have imports open whose files cannot be read here."""
        return {name for name, _ in await self._elsewhere(imports.c.node != node)}

    async def stranded_with(self, nodes: Sequence[str]) -> list[ImportRecord]:
        """The open imports of these nodes whose files cannot be read here."""
        return [record for _, record in await self._elsewhere(imports.c.node.in_(nodes))]

    async def _elsewhere(self, of: ColumnElement[bool]) -> list[tuple[str, ImportRecord]]:
        query = select(imports).where(imports.c.status.in_(_OPEN), of)
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).mappings().all())
        found = [(str(row["node"]), ImportRecord.of(row)) for row in rows]
        return await asyncio.to_thread(
            lambda: [pair for pair in found if not Path(pair[1].path).exists()]
        )

    async def open_paths(self) -> set[str]:
        """The files of all imports that have not ended."""
        query = select(imports.c.path).where(imports.c.status.in_(_OPEN))
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).scalars().all())
        return {str(path) for path in rows}

    async def adopt(self, ended: Sequence[str], node: str) -> None:
        """Give this node what ended ones have begun."""
        await adopt(self._sessions, _SYSTEM, imports, still_open=_OPEN, ended=ended, node=node)

    async def claim(self, import_id: str, node: str) -> ImportRecord | None:
        """Begin an execution; None when the import has ended or is gone."""
        row = await claim(
            self._sessions,
            _SYSTEM,
            imports,
            import_id,
            still_open=_OPEN,
            running=ImportStatus.RUNNING.value,
            node=node,
            also={"begun": imports.c.begun + 1},
        )
        return None if row is None else ImportRecord.of(row)

    async def interrupted(self, import_id: str) -> None:
        """Take a beginning back that ended with its server's orderly stop."""
        back = update(imports).where(imports.c.id == import_id).values(begun=imports.c.begun - 1)
        async with self._sessions.session(_SYSTEM) as session:
            await session.execute(back)

    async def progress(
        self, import_id: str, *, rows_read: int, bytes_read: int, file_format: str | None
    ) -> str | None:
        """Say how far one is that still runs; why it is to stop, None where it may go on."""
        async with self._sessions.session(_SYSTEM) as session:
            row = (
                await session.execute(
                    update(imports)
                    .where(
                        imports.c.id == import_id, imports.c.status == ImportStatus.RUNNING.value
                    )
                    .values(rows_read=rows_read, bytes_read=bytes_read, format=file_format)
                    .returning(imports.c.cancel_reason)
                )
            ).one_or_none()
        return "the import is gone" if row is None else row[0]

    async def ask_cancel(
        self, ctx: UserExecutionContext, import_id: str, *, reason: str
    ) -> ImportRecord:
        """Note the wish to stop. Raises NotFoundError."""
        async with self._sessions.session(ctx) as session:
            await session.execute(
                update(imports)
                .where(
                    imports.c.id == import_id,
                    imports.c.workspace_id == ctx.workspace_id,
                    imports.c.status.in_(_OPEN),
                )
                .values(cancel_reason=reason)
            )
        return await self.get(ctx, import_id)

    async def finish(self, import_id: str, outcome: ImportOutcome) -> None:
        """Make the import terminal; counts that the outcome does not name stay."""
        known = {
            "format": outcome.format,
            "rows_read": outcome.rows_read,
            "rows_kept": outcome.rows_kept,
            "bytes_read": outcome.bytes_read,
        }
        async with self._sessions.session(_SYSTEM) as session:
            await session.execute(
                update(imports)
                .where(imports.c.id == import_id, imports.c.status.in_(_OPEN))
                .values(
                    status=outcome.status.value,
                    audit=outcome.audit,
                    error_code=outcome.error_code,
                    error_message=outcome.error_message,
                    ended_at=self._clock(),
                    **{
                        name: func.coalesce(value, imports.c[name]) for name, value in known.items()
                    },
                )
            )
