"""Runs in the platform database. What a user may see goes through `ctx`; the rest is our own."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_backend.errors import FencedError, NotFoundError
from netra_backend.paging import MAX_PAGE, Cursor, Page
from netra_backend.runs.limits import RunLimits
from netra_backend.runs.records import Outcome, RunRecord, RunStatus
from netra_backend.tables import pauses, runs
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, SystemContext

_SYSTEM = SystemContext(actor="runs")
_OPEN = (RunStatus.PENDING.value, RunStatus.RUNNING.value)
_DISPATCH_LOCK = 7_240_001
_LOOK_AT = 200

Uses: TypeAlias = Callable[[str, str], frozenset[tuple[str, str]]]
"""What a run of (workspace, user) works with: ("agent", name) and ("model", name)."""


class RunStore:
    """Every move of a run's row. Moves made by an execution carry its fence."""

    def __init__(self, sessions: DatabaseSessionManager, clock: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._clock = clock

    async def get(self, ctx: UserExecutionContext, run_id: str) -> RunRecord:
        """A run of this user. Raises NotFoundError, also for somebody else's."""
        query = _owned(ctx).where(runs.c.id == run_id)
        row = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().one_or_none())
        if row is None:
            raise NotFoundError("There is no such run.")
        return RunRecord.of(row)

    async def page(
        self, ctx: UserExecutionContext, *, thread_id: str | None, limit: int, after: str | None
    ) -> Page[RunRecord]:
        """Runs of this user, newest first."""
        limit = min(limit, MAX_PAGE)
        query = _owned(ctx).order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit + 1)
        if thread_id is not None:
            query = query.where(runs.c.thread_id == thread_id)
        if (cursor := Cursor.decode(after)) is not None:
            query = query.where(tuple_(runs.c.created_at, runs.c.id) < (cursor.at, cursor.id))
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        items = [RunRecord.of(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, Cursor(items[-1].created_at, items[-1].id).encode() if more else None)

    async def load(self, run_id: str) -> RunRecord | None:
        """Any run, for the platform itself."""
        query = select(runs).where(runs.c.id == run_id)
        row = await self._sessions.read(
            _SYSTEM, lambda c: c.execute(query).mappings().one_or_none()
        )
        return None if row is None else RunRecord.of(row)

    async def open_of(self, node: str) -> list[RunRecord]:
        """The runs that this node has begun and not ended."""
        query = select(runs).where(runs.c.status == RunStatus.RUNNING.value, runs.c.node == node)
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).mappings().all())
        return [RunRecord.of(row) for row in rows]

    async def open_on_other_nodes(self, node: str) -> set[str]:
        """Names of other nodes that have begun runs and not ended them."""
        query = (
            select(runs.c.node)
            .where(runs.c.status == RunStatus.RUNNING.value, runs.c.node != node)
            .distinct()
        )
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).scalars().all())
        return {str(name) for name in rows}

    async def adopt(self, ended: Sequence[str], node: str) -> None:
        """Give this node what ended ones have begun."""
        async with self._sessions.session(_SYSTEM) as session:
            await session.execute(
                update(runs)
                .where(runs.c.status == RunStatus.RUNNING.value, runs.c.node.in_(ended))
                .values(node=node)
            )

    async def open_in_thread(self, ctx: UserExecutionContext, thread_id: str) -> list[str]:
        """Ids of this user's runs in a thread that have not ended, oldest first."""
        query = (
            _owned(ctx)
            .with_only_columns(runs.c.id)
            .where(runs.c.thread_id == thread_id, runs.c.status.in_(_OPEN))
            .order_by(runs.c.created_at, runs.c.id)
        )
        return list(await self._sessions.read(ctx, lambda c: c.execute(query).scalars().all()))

    async def begin_next(self, node: str, limits: RunLimits, uses: Uses) -> list[RunRecord]:
        """Give this node the waiting runs whose turn it is, oldest first, within the limits.

        Where something that a run uses is paused in its workspace it does not begin.
        """
        async with self._sessions.session(_SYSTEM) as session:
            await self._lock_dispatch(session)
            choice = _Choice(
                [(w, u, t) for w, u, t in await session.execute(_running_runs())],
                [(w, s, k) for w, s, k in await session.execute(_pauses())],
                limits,
                uses,
            )
            last: Cursor | None = None
            while not choice.full:  # those held back must not hide the ones behind them
                waiting = (await session.execute(_waiting_runs(last))).all()
                if not waiting:
                    break
                for run_id, workspace, user, thread, kind, created_at in waiting:
                    choice.look_at(run_id, workspace, user, thread, kind)
                    last = Cursor(created_at, run_id)
            chosen = choice.chosen
            if not chosen:
                return []
            begun = await session.execute(
                update(runs)
                .where(runs.c.id.in_(chosen), runs.c.status == RunStatus.PENDING.value)
                .values(status=RunStatus.RUNNING.value, node=node, started_at=self._clock())
                .returning(runs)
            )
            return [RunRecord.of(row) for row in begun.mappings()]

    async def claim(self, run_id: str, node: str) -> RunRecord | None:
        """Begin an execution: a new fence, this node. None when the run has ended or is gone."""
        async with self._sessions.session(_SYSTEM) as session:
            row = (
                (
                    await session.execute(
                        update(runs)
                        .where(runs.c.id == run_id, runs.c.status.in_(_OPEN))
                        .values(
                            status=RunStatus.RUNNING.value,
                            node=node,
                            fence=runs.c.fence + 1,
                            started_at=func.coalesce(runs.c.started_at, self._clock()),
                        )
                        .returning(runs)
                    )
                )
                .mappings()
                .one_or_none()
            )
        return None if row is None else RunRecord.of(row)

    async def ask_cancel(
        self, ctx: UserExecutionContext, run_id: str, *, reason: str, node: str
    ) -> tuple[RunRecord, bool]:
        """Note the wish to stop. True when the run had not begun: it is this node's now, to end it.

        A terminal run is returned as it is. Raises NotFoundError.
        """
        mine = (
            runs.c.id == run_id,
            runs.c.workspace_id == ctx.workspace_id,
            runs.c.user_id == ctx.user_id,
        )
        async with self._sessions.session(ctx) as session:
            begun = (
                await session.execute(
                    update(runs)
                    .where(*mine, runs.c.status == RunStatus.PENDING.value)
                    .values(status=RunStatus.RUNNING.value, node=node, cancel_reason=reason)
                    .returning(runs.c.id)
                )
            ).one_or_none()
            await session.execute(
                update(runs)
                .where(
                    *mine,
                    runs.c.status == RunStatus.RUNNING.value,
                    runs.c.cancel_reason.is_(None),
                )
                .values(cancel_reason=reason)
            )
            row = (await session.execute(select(runs).where(*mine))).mappings().one_or_none()
        if row is None:
            raise NotFoundError("There is no such run.")
        return RunRecord.of(row), begun is not None

    async def watch(self, run_ids: Sequence[str]) -> dict[str, tuple[int, str | None]]:
        """Fence and wish to stop of some runs."""
        query = select(runs.c.id, runs.c.fence, runs.c.cancel_reason).where(runs.c.id.in_(run_ids))
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).all())
        return {run_id: (fence, reason) for run_id, fence, reason in rows}

    async def finish(self, session: AsyncSession, run: RunRecord, outcome: Outcome) -> None:
        """Make the run terminal within the caller's transaction. Raises FencedError."""
        done = await session.execute(
            update(runs)
            .where(runs.c.id == run.id, runs.c.fence == run.fence, runs.c.status.in_(_OPEN))
            .values(
                status=outcome.status.value,
                ended_at=self._clock(),
                report=outcome.report,
                usage=outcome.usage,
                error_code=outcome.error_code,
                error_message=outcome.error_message,
            )
            .returning(runs.c.id)
        )
        if done.one_or_none() is None:
            raise FencedError(f"The run {run.id!r} belongs to another execution by now.")

    async def _lock_dispatch(self, session: AsyncSession) -> None:
        if self._sessions.dialect == "postgresql":
            # Two nodes that choose at once would both fill the last free place.
            await session.execute(text(f"SELECT pg_advisory_xact_lock({_DISPATCH_LOCK})"))


def check_fence(connection: Connection, run: RunRecord) -> None:
    """Raise FencedError when another execution owns the run; for effects, in their transaction."""
    query = select(runs.c.fence).where(runs.c.id == run.id)
    if connection.execute(query).scalar_one_or_none() != run.fence:
        raise FencedError(f"The run {run.id!r} belongs to another execution by now.")


def _owned(ctx: UserExecutionContext) -> Select[Any]:
    return select(runs).where(
        runs.c.workspace_id == ctx.workspace_id, runs.c.user_id == ctx.user_id
    )


def _waiting_runs(after: Cursor | None) -> Select[str, str, str, str, str, datetime]:
    """The next ones, oldest first."""
    query = (
        select(
            runs.c.id,
            runs.c.workspace_id,
            runs.c.user_id,
            runs.c.thread_id,
            runs.c.kind,
            runs.c.created_at,
        )
        .where(runs.c.status == RunStatus.PENDING.value)
        .order_by(runs.c.created_at, runs.c.id)
        .limit(_LOOK_AT)
    )
    if after is not None:
        query = query.where(tuple_(runs.c.created_at, runs.c.id) > (after.at, after.id))
    return query


def _running_runs() -> Select[str, str, str]:
    return select(runs.c.workspace_id, runs.c.user_id, runs.c.thread_id).where(
        runs.c.status == RunStatus.RUNNING.value
    )


def _pauses() -> Select[str, str, str]:
    return select(pauses.c.workspace_id, pauses.c.scope, pauses.c.key)


class _Choice:
    """Chooses whose turn it is among waiting runs that are shown oldest first."""

    def __init__(
        self,
        running: Sequence[tuple[str, str, str]],
        paused: Sequence[tuple[str, str, str]],
        limits: RunLimits,
        uses: Uses,
    ) -> None:
        self._limits = limits
        self._uses = uses
        self._busy_threads = {thread for _, _, thread in running}
        self._per_user = Counter(user for _, user, _ in running)
        self._total = len(running)
        self._paused: dict[str, set[tuple[str, str]]] = {}
        for workspace, scope, key in paused:
            self._paused.setdefault(workspace, set()).add((scope, key))
        self.chosen: list[str] = []

    @property
    def full(self) -> bool:
        """True when no more may begin."""
        return self._total >= self._limits.in_all

    def look_at(self, run_id: str, workspace: str, user: str, thread: str, kind: str) -> None:
        """Choose this one, if it may begin now."""
        free = thread not in self._busy_threads
        self._busy_threads.add(thread)  # what waits behind this one in its thread keeps its place
        if not free or self.full or self._per_user[user] >= self._limits.per_user:
            return
        paused = self._paused.get(workspace)
        if paused and paused & {("user", user), ("agent", kind), *self._uses(workspace, user)}:
            return
        self._per_user[user] += 1
        self._total += 1
        self.chosen.append(run_id)
