"""Deleting what belongs to a thread, a person or a workspace, in every table and beside them.

Which rows are whose is read from the tables themselves, so that a new table is not forgotten:
`user` rows go with their person, `workspace` rows with the workspace. Rows that carry numbers
others count on stay, emptied: events keep their seq, the state of a thread its versions.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import structlog
from sqlalchemy import Connection, Table, delete, or_, select, update

from netra_backend.chat.store import ChatStore
from netra_backend.errors import RunStillOpenError
from netra_backend.jobs.store import ImportStatus
from netra_backend.runs.durable import DurableEngine
from netra_backend.runs.records import RunRecord, RunStatus
from netra_backend.runs.service import RunService
from netra_backend.tables import effects, imports, metadata, pauses, removals, runs, threads
from netra_backend.usage.service import UsageService
from netra_core.configuration import ConfigurationManagerFactory, UnifiedConfigurationManager
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, SystemContext
from netra_core.database.metadata import ROWS
from netra_core.events.port import EventLog, Stream
from netra_core.state import Scope, UnifiedStateManager

Subject: TypeAlias = tuple[Literal["person", "workspace"], str]
NOBODY: Final = "erased"
"""Stands in workspace rows for a person who is gone."""
EMPTIED: Final = frozenset({"events", "event_streams", "event_runs"})
"""Tables whose rows stay, with nothing in them but ids and numbers."""
_SYSTEM: Final = SystemContext(actor="erasure")
_OPEN: Final = (RunStatus.PENDING.value, RunStatus.RUNNING.value)
_IMPORTING: Final = (ImportStatus.QUEUED.value, ImportStatus.RUNNING.value)
_LOOK_EVERY_S: Final = 0.05
_ATTEMPTS: Final = 5
SETTLED_AFTER_S: Final = 120.0
"""What other nodes admitted before they heard of it, and slow requests, have ended by then."""
_log = structlog.get_logger(__name__)


class Erasure:
    """Erases for good. Every step may be repeated; what was interrupted is begun again.

    What still works for the subject is cancelled first and waited for, at most `patience_s`. A
    person or workspace is erased at once, and once more when nothing from before can come any more.
    """

    def __init__(
        self,
        *,
        sessions: DatabaseSessionManager,
        log: EventLog,
        chat: ChatStore,
        runs: RunService,
        engine: DurableEngine,
        usage: UsageService,
        state: UnifiedStateManager | None,
        configuration: UnifiedConfigurationManager | None,
        forget_cached: Callable[[Stream], None],
        now: Callable[[], float],
        patience_s: float = 10.0,
    ) -> None:
        self._sessions = sessions
        self._log = log
        self._chat = chat
        self._runs = runs
        self._engine = engine
        self._usage = usage
        self._state = state
        self._configuration = configuration
        self._forget_cached = forget_cached
        self._patience_s = patience_s
        self._now = now
        self._asked: dict[Subject, float] = {}
        self._begun: set[Subject] = set()

    def ask(self, subject: Subject, *, at: float) -> None:
        """Have a person or a workspace, deleted `at` (Unix seconds), erased by the next `work`;
        again does nothing.
        """
        self._asked.setdefault(subject, min(at, self._now()) + SETTLED_AFTER_S)

    async def work(self) -> None:
        """Erase what was asked for; what fails is tried again with the next call."""
        for subject, settled_at in tuple(self._asked.items()):
            settled = self._now() >= settled_at
            if subject in self._begun and not settled:
                continue
            try:
                done = await self._erase(subject, settled=settled)
            except Exception:
                _log.exception("erasure_failed", kind=subject[0], subject=subject[1])
                continue
            self._begun.add(subject)
            if done:
                self._asked.pop(subject, None)
                self._begun.discard(subject)

    async def thread(self, ctx: UserExecutionContext, thread_id: str) -> None:
        """Erase one of the user's threads: messages, runs and all that came of them, but for the
        analyses, which belong to the workspace.

        Raises NotFoundError; RunStillOpenError when a run of it does not stop in time.
        """
        await self._chat.thread(ctx, thread_id)
        for _ in range(_ATTEMPTS):
            try:
                await self._thread(ctx, thread_id)
            except _RunBegunError:
                continue
            return
        raise RunStillOpenError("Runs are begun again and again.", hint="Try again in a moment.")

    async def _thread(self, ctx: UserExecutionContext, thread_id: str) -> None:
        await self._stop_runs(runs.c.thread_id == thread_id)
        found = await self._ids(runs.c.thread_id == thread_id)
        await self._erase_log(ctx.stream, thread_id=thread_id)
        if self._state is not None:
            await self._state.erase(
                _SYSTEM,
                workspace_id=ctx.workspace_id,
                user_id=ctx.user_id,
                subject=thread_id,
            )
        await self._engine.erase(found)
        async with self._sessions.session(ctx) as session:
            connection = await session.connection()
            await connection.run_sync(lambda c: _delete_thread(c, thread_id, found))

    async def _erase(self, subject: Subject, *, settled: bool) -> bool:
        """Whether nothing more is to be done."""
        if await self._done(subject):
            return True
        kind, name = subject
        if kind == "person":
            await self._person(name)
        else:
            await self._workspace(name)
        if settled and self._state is not None:
            view = self._state.for_context(_SYSTEM)
            await view.set(_key(subject), True, scope=Scope.GLOBAL)
        _log.info("erased", kind=kind, subject=name, settled=settled)
        return settled

    async def _done(self, subject: Subject) -> bool:
        if self._state is None:
            return False
        return await self._state.for_context(_SYSTEM).get(_key(subject), scope=Scope.GLOBAL) is True

    async def _person(self, user_id: str) -> None:
        await self._stop_runs(runs.c.user_id == user_id)
        found = await self._ids(runs.c.user_id == user_id)
        for stream in await self._streams("user_id", user_id):
            await self._erase_log(stream)
        await self._forget_settings(user_id=user_id)
        await self._engine.erase(found)
        async with self._sessions.session(_SYSTEM) as session:
            connection = await session.connection()
            await connection.run_sync(lambda c: _delete_person(c, user_id))

    async def _workspace(self, workspace_id: str) -> None:
        await self._stop_runs(runs.c.workspace_id == workspace_id)
        await self._stop_imports(workspace_id)
        found = await self._ids(runs.c.workspace_id == workspace_id)
        for stream in await self._streams("workspace_id", workspace_id):
            await self._erase_log(stream)
        await self._forget_settings(workspace_id=workspace_id)
        if not self._usage.empty:
            await self._usage.run(
                UserExecutionContext(
                    user_id=NOBODY, workspace_id=workspace_id, request_id="erasure"
                ),
                lambda tenant, _: tenant.erase(),
            )
        uploads = await self._read(
            lambda c: c.execute(
                select(imports.c.id, imports.c.path).where(imports.c.workspace_id == workspace_id)
            ).all()
        )
        for _, path in uploads:
            await asyncio.to_thread(Path(path).unlink, missing_ok=True)
        removed = select(removals.c.id).where(removals.c.workspace_id == workspace_id)
        found += await self._read(lambda c: c.execute(removed).scalars().all())
        await self._engine.erase([*found, *(import_id for import_id, _ in uploads)])
        async with self._sessions.session(_SYSTEM) as session:
            connection = await session.connection()
            await connection.run_sync(lambda c: _delete_workspace(c, workspace_id))

    async def _stop_runs(self, which: Any) -> None:  # Any: a condition of SQLAlchemy
        query = select(runs).where(which, runs.c.status.in_(_OPEN))
        deadline = asyncio.get_running_loop().time() + self._patience_s
        while True:
            rows = await self._read(lambda c: c.execute(query).mappings().all())
            working = [RunRecord.of(row) for row in rows]
            if not working:
                return
            for run in working:
                if run.cancel_reason is None:
                    await self._runs.cancel(run.context(), run.id, reason="its thread is deleted")
            if asyncio.get_running_loop().time() > deadline:
                raise RunStillOpenError("A run does not stop.", hint="Try again in a moment.")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _stop_imports(self, workspace_id: str) -> None:
        here = (imports.c.workspace_id == workspace_id, imports.c.status.in_(_IMPORTING))
        async with self._sessions.session(_SYSTEM) as session:
            await session.execute(
                update(imports).where(*here).values(cancel_reason="its workspace is deleted")
            )
        deadline = asyncio.get_running_loop().time() + self._patience_s
        while await self._read(lambda c: c.execute(select(imports.c.id).where(*here)).all()):
            if asyncio.get_running_loop().time() > deadline:
                raise RunStillOpenError("An import does not stop.", hint="Try again in a moment.")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _erase_log(self, stream: Stream, *, thread_id: str | None = None) -> None:
        await self._log.erase(stream, thread_id=thread_id)
        self._forget_cached(stream)

    async def _streams(self, column: str, name: str) -> list[Stream]:
        table = metadata.tables["event_streams"].c
        query = select(table.workspace_id, table.user_id).where(table[column] == name)
        rows = await self._read(lambda c: c.execute(query).all())
        return [(workspace_id, user_id) for workspace_id, user_id in rows]

    async def _forget_settings(
        self, *, user_id: str | None = None, workspace_id: str | None = None
    ) -> None:
        if self._configuration is None:
            return
        factory = ConfigurationManagerFactory(self._configuration)
        manager = (
            factory.get_workspace_manager(workspace_id)
            if workspace_id is not None
            else factory.get_user_manager(user_id or "")
        )
        stored = manager.core.snapshot.sources.stored.scopes.get(manager.scope, {})
        if stored:
            await asyncio.to_thread(manager.delete_all, list(stored), actor=_SYSTEM.actor)

    async def _ids(self, which: Any) -> list[str]:  # Any: a condition of SQLAlchemy
        query = select(runs.c.id).where(which)
        return list(await self._read(lambda c: c.execute(query).scalars().all()))

    async def _read(self, fetch: Callable[[Connection], Any]) -> Any:  # Any: rows of many shapes
        return await self._sessions.read(_SYSTEM, fetch)


class _RunBegunError(Exception):
    """Somebody began a run while the thread was on its way out."""


def _key(subject: Subject) -> str:
    return "/".join(("erased", *subject))


def _tables(*owners: str) -> Sequence[Table]:
    """The tables whose rows have such an owner and are removed."""
    return [
        table
        for table in metadata.tables.values()
        if table.info.get(ROWS) in owners and table.name not in EMPTIED
    ]


def _delete_thread(connection: Connection, thread_id: str, run_ids: Collection[str]) -> None:
    """Raises _RunBegunError, to nothing's harm, when it has other runs than these by now."""
    # The thread first: who begins a run in it waits for its row, and finds it gone.
    connection.execute(delete(threads).where(threads.c.id == thread_id))
    there = connection.execute(select(runs.c.id).where(runs.c.thread_id == thread_id)).scalars()
    if not set(there) <= set(run_ids):
        raise _RunBegunError
    for table in _tables("user"):
        if table is threads:
            continue
        if "thread_id" in table.c:
            which = table.c.thread_id == thread_id
        else:
            which = table.c.run_id.in_(run_ids)
        if table is effects:
            which = or_(which, effects.c.by_run.in_(run_ids))
        connection.execute(delete(table).where(which))


def _delete_person(connection: Connection, user_id: str) -> None:
    for table in _tables("user", "state"):
        connection.execute(delete(table).where(table.c.user_id == user_id))
    connection.execute(delete(pauses).where(pauses.c.scope == "user", pauses.c.key == user_id))
    for table in _tables("workspace"):
        for column in ("user_id", "paused_by"):
            if column in table.c:
                connection.execute(
                    update(table).where(table.c[column] == user_id).values({column: NOBODY})
                )


def _delete_workspace(connection: Connection, workspace_id: str) -> None:
    for table in _tables("user", "workspace", "state"):
        connection.execute(delete(table).where(table.c.workspace_id == workspace_id))
