"""GroupCommit: many callers' writes in one transaction, each acknowledged after its commit."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import structlog
from sqlalchemy import Connection

from netra_core.database import postgres
from netra_core.database.errors import WriteQueueClosedError
from netra_core.database.scope import AnyContext, SystemContext
from netra_core.database.sessions import DatabaseSessionManager

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_WRITER: Final = SystemContext(actor="group_commit")


@dataclass(slots=True, eq=False)
class _Item(Generic[T]):
    ctx: AnyContext
    work: Callable[[Connection], T]
    done: "asyncio.Future[T]"
    committed: Callable[[T], None] | None = None


@dataclass(slots=True)
class _Outcome:
    value: Any = None  # Any: each work has its own type of result
    error: BaseException | None = None


class GroupCommit:
    """One writer for many callers of one event loop.

    `submit(ctx, work)` returns what `work(connection)` returned, after the commit that made it
    durable. Works that wait together share one transaction and one sync of the disk; each runs in a
    savepoint of its own, so that one that raises takes back its own writes alone and raises to its
    own caller. Works run in the order they were submitted; they do no I/O but on the connection
    given, never await, and may not be slow. A cancelled caller stops waiting; its work still
    counts.
    """

    def __init__(
        self,
        sessions: DatabaseSessionManager,
        *,
        max_group: int = 256,
        max_waiting: int = 4096,
    ) -> None:
        self._sessions = sessions
        self._max_group = max_group
        self._slots = asyncio.Semaphore(max_waiting)
        self._waiting: deque[_Item[Any]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(
        self,
        ctx: AnyContext,
        work: Callable[[Connection], T],
        *,
        committed: Callable[[T], None] | None = None,
    ) -> T:
        """Write as `ctx`; see the class. Waits for a place when `max_waiting` callers wait.

        `committed(result)` is called on the loop after the commit, in the order of the works,
        before the caller goes on and also when the caller has left; it must not block. What it
        raises is logged: the work is durable all the same.
        """
        self.refuse_nesting()
        async with self._slots:
            if self._closed:
                raise WriteQueueClosedError("the database's writer was shut down")
            done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            item = _Item(ctx, work, done, committed)
            self._waiting.append(item)
            if self._task is None:
                self._task = asyncio.create_task(
                    self._drain(),
                    name="apex-group-commit",
                    context=Context(),  # everybody's work: nobody's request
                )
            return await item.done

    def refuse_nesting(self) -> None:
        """Raise NestedWriteError when the current task would wait for its own write session."""
        if (lane := self._sessions.engines.lane) is not None:
            lane.refuse_nesting()

    async def close(self) -> None:
        """Write what waits, then refuse more."""
        self._closed = True
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group = [
                    self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_group))
                ]
                await self._write(group)
        finally:
            self._task = None
            for item in self._waiting:  # only when this task itself was cancelled
                item.done.cancel()
            self._waiting.clear()

    async def _write(self, group: list[_Item[Any]]) -> None:
        try:
            outcomes = await self._sessions.engines.write(_WRITER, lambda c: _run(c, group))
        except BaseException as error:
            for item in group:
                if not item.done.done():
                    item.done.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for item, outcome in zip(group, outcomes, strict=True):
            if outcome.error is None and item.committed is not None:
                _tell(item.committed, outcome.value)
            if item.done.done():
                continue
            if outcome.error is not None:
                item.done.set_exception(self._sessions.engines.translated(outcome.error))
            else:
                item.done.set_result(outcome.value)


def _run(connection: Connection, group: list[_Item[Any]]) -> list[_Outcome]:
    scoped = connection.dialect.name == "postgresql"
    if len(group) == 1:  # no savepoint: an error takes back the whole transaction
        return [_Outcome(value=_scoped(connection, group[0], scoped=scoped))]
    outcomes: list[_Outcome] = []
    for item in group:
        savepoint = connection.begin_nested()
        try:
            value = _scoped(connection, item, scoped=scoped)
            savepoint.commit()
        except Exception as error:
            if not _alive(connection):
                raise  # the savepoint went with the transaction
            savepoint.rollback()
            outcomes.append(_Outcome(error=error))
        else:
            outcomes.append(_Outcome(value=value))
    return outcomes


def _tell(committed: Callable[[T], None], value: T) -> None:
    """What raises here is a fault of its owner's; the group's callers get their answers."""
    try:
        committed(value)
    except Exception:
        _log.exception("committed_not_told", committed=repr(committed))


def _scoped(connection: Connection, item: _Item[T], *, scoped: bool) -> T:
    if scoped:
        postgres.set_row_scope(connection, item.ctx)
    return item.work(connection)


def _alive(connection: Connection) -> bool:
    """False when the error ended the whole transaction, as a full disk does on SQLite."""
    if connection.invalidated or connection.closed:
        return False
    if connection.dialect.name != "sqlite":
        return True
    raw: Any = connection.connection.driver_connection  # Any: sqlite3's or aiosqlite's connection
    return bool(raw.in_transaction)
