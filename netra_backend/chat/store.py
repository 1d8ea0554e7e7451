"""Threads and messages in the platform database, private to their author."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_backend.chat.records import Accepted, MessageRecord, ThreadRecord
from netra_backend.errors import NotFoundError, RunLimitError
from netra_backend.paging import MAX_PAGE, Cursor, Page
from netra_backend.runs.durable import RUN_FORMAT
from netra_backend.runs.records import RunRecord, RunStatus
from netra_backend.tables import messages, runs, threads
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, SystemContext

_TITLE_CHARS = 80
_SYSTEM = SystemContext(actor="chat")
_ACCEPTING = 7_240_002
"""Tells the locks of people who send from other advisory locks."""


class ChatStore:
    """Every method is called with whose threads it is about; foreign ids are not found."""

    def __init__(
        self,
        sessions: DatabaseSessionManager,
        clock: Callable[[], datetime],
        ids: Callable[[], str],
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._ids = ids

    async def create_thread(self, ctx: UserExecutionContext, title: str | None) -> ThreadRecord:
        """A new, empty conversation."""
        now = self._clock()
        thread = ThreadRecord(id=self._ids(), title=title, created_at=now, updated_at=now)
        async with self._sessions.session(ctx) as session:
            await session.execute(insert(threads).values(**_thread_row(ctx, thread)))
        return thread

    async def thread(self, ctx: UserExecutionContext, thread_id: str) -> ThreadRecord:
        """One conversation of this user. Raises NotFoundError."""
        found = await self._sessions.read(ctx, lambda c: _find_threads(c, ctx, thread_id=thread_id))
        if not found:
            raise NotFoundError("There is no such thread.")
        return found[0]

    async def owner(self, thread_id: str) -> tuple[str, str] | None:
        """The event stream of a thread's author, for the platform itself."""
        query = select(threads.c.workspace_id, threads.c.user_id).where(threads.c.id == thread_id)
        row = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).one_or_none())
        return None if row is None else (row.workspace_id, row.user_id)

    async def threads(
        self, ctx: UserExecutionContext, *, limit: int, after: str | None
    ) -> Page[ThreadRecord]:
        """The user's conversations, the one used last first."""
        limit = min(limit, MAX_PAGE)
        cursor = Cursor.decode(after)
        found = await self._sessions.read(
            ctx, lambda c: _find_threads(c, ctx, cursor=cursor, limit=limit + 1)
        )
        more = len(found) > limit
        items = found[:limit]
        return Page(items, Cursor(items[-1].updated_at, items[-1].id).encode() if more else None)

    async def messages(
        self, ctx: UserExecutionContext, thread_id: str, *, limit: int, after_position: int
    ) -> Page[MessageRecord]:
        """The messages of a thread, oldest first. Raises NotFoundError."""
        await self.thread(ctx, thread_id)
        limit = min(limit, MAX_PAGE)
        query = (
            select(messages)
            .where(messages.c.workspace_id == ctx.workspace_id, messages.c.user_id == ctx.user_id)
            .where(messages.c.thread_id == thread_id, messages.c.position > after_position)
            .order_by(messages.c.position)
            .limit(limit + 1)
        )
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        items = [
            MessageRecord(**{name: row[name] for name in MessageRecord.__slots__})
            for row in rows[:limit]
        ]
        return Page(items, str(items[-1].position) if len(rows) > limit else None)

    async def accept(
        self,
        ctx: UserExecutionContext,
        *,
        content: str,
        client_message_id: str,
        thread_id: str | None,
        waiting_limit: int,
    ) -> Accepted:
        """Store a message and its run in one transaction, in a new thread where none is named.

        The same `client_message_id` of a user gives the first answer again. Raises NotFoundError,
        and RunLimitError when `waiting_limit` runs of this user wait already.
        """
        run_id, message_id, new_thread = self._ids(), self._ids(), self._ids()
        async with self._sessions.session(ctx) as session:
            await self._one_at_a_time(session, ctx)
            if (before := await self._before(session, ctx, client_message_id)) is not None:
                return before
            await _check_room(session, ctx, waiting_limit)
            now = self._clock()
            if thread_id is None:
                title = _title(content)
                record = ThreadRecord(id=new_thread, title=title, created_at=now, updated_at=now)
                await session.execute(insert(threads).values(**_thread_row(ctx, record)))
                thread_id = new_thread
            else:
                await _touch(session, ctx, thread_id, title=_title(content), now=now)
            now = await _after_the_last(session, thread_id, now)
            await session.execute(
                insert(messages).values(
                    id=message_id,
                    workspace_id=ctx.workspace_id,
                    user_id=ctx.user_id,
                    thread_id=thread_id,
                    position=_next_position(thread_id),
                    role="user",
                    content=content,
                    run_id=run_id,
                    client_message_id=client_message_id,
                    created_at=now,
                )
            )
            run = _new_run(ctx, run_id=run_id, thread_id=thread_id, question=content, now=now)
            await session.execute(insert(runs).values(**run))
        return Accepted(thread_id=thread_id, run_id=run_id, duplicate=False)

    async def accepted_before(
        self, ctx: UserExecutionContext, client_message_id: str
    ) -> Accepted | None:
        """What a message of this id was answered, None when it is new."""
        async with self._sessions.session(ctx, read_only=True) as session:
            return await self._before(session, ctx, client_message_id)

    async def run_again(
        self,
        ctx: UserExecutionContext,
        run: RunRecord,
        *,
        question: str,
        steps_from: str | None,
        waiting_limit: int,
    ) -> str:
        """A new run in the thread of `run`, forked from it; its id.

        Raises RunLimitError, NotFoundError where the thread is gone by now.
        """
        run_id = self._ids()
        async with self._sessions.session(ctx) as session:
            await self._one_at_a_time(session, ctx)
            held = select(threads.c.id).where(threads.c.id == run.thread_id).with_for_update()
            if (await session.execute(held)).one_or_none() is None:
                raise NotFoundError("There is no such run.")
            await _check_room(session, ctx, waiting_limit)
            now = await _after_the_last(session, run.thread_id, self._clock())
            new = _new_run(ctx, run_id=run_id, thread_id=run.thread_id, question=question, now=now)
            new |= {"forked_from": run.id, "steps_from": steps_from}
            await session.execute(insert(runs).values(**new))
        return run_id

    async def answer(self, session: AsyncSession, run: RunRecord, content: str) -> None:
        """Add the run's answer to its thread, in the caller's transaction; once a run."""
        answer_id = f"{run.id}.answer"
        found = await session.execute(select(messages.c.id).where(messages.c.id == answer_id))
        if found.one_or_none() is not None:
            return
        # A message that is being added to the thread takes its position first.
        await session.execute(
            select(threads.c.id).where(threads.c.id == run.thread_id).with_for_update()
        )
        await session.execute(
            insert(messages).values(
                id=answer_id,
                workspace_id=run.workspace_id,
                user_id=run.user_id,
                thread_id=run.thread_id,
                position=_next_position(run.thread_id),
                role="assistant",
                content=content,
                run_id=run.id,
                created_at=self._clock(),
            )
        )

    async def _one_at_a_time(self, session: AsyncSession, ctx: UserExecutionContext) -> None:
        """Until the commit nothing else of this user is accepted, on any node."""
        if self._sessions.dialect == "postgresql":
            key = func.hashtextextended(f"{ctx.workspace_id}/{ctx.user_id}", _ACCEPTING)
            await session.execute(select(func.pg_advisory_xact_lock(key)))

    async def _before(
        self, session: AsyncSession, ctx: UserExecutionContext, client_message_id: str
    ) -> Accepted | None:
        row = (
            await session.execute(
                select(messages.c.thread_id, messages.c.run_id).where(
                    messages.c.workspace_id == ctx.workspace_id,
                    messages.c.user_id == ctx.user_id,
                    messages.c.client_message_id == client_message_id,
                )
            )
        ).one_or_none()
        if row is None:
            return None
        return Accepted(thread_id=row.thread_id, run_id=row.run_id, duplicate=True)


def _thread_row(ctx: UserExecutionContext, thread: ThreadRecord) -> dict[str, object]:
    return {
        "id": thread.id,
        "workspace_id": ctx.workspace_id,
        "user_id": ctx.user_id,
        "title": thread.title,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
    }


def _new_run(
    ctx: UserExecutionContext, *, run_id: str, thread_id: str, question: str, now: datetime
) -> dict[str, object]:
    return {
        "id": run_id,
        "workspace_id": ctx.workspace_id,
        "user_id": ctx.user_id,
        "thread_id": thread_id,
        "kind": "chat",
        "format": RUN_FORMAT,
        "status": RunStatus.PENDING.value,
        "question": question,
        "roles": sorted(role.value for role in ctx.roles),
        "session_id": ctx.session_id,
        "created_at": now,
        "fence": 0,
    }


def _title(content: str) -> str:
    line = " ".join(content.split())
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1] + "…"


async def _check_room(session: AsyncSession, ctx: UserExecutionContext, limit: int) -> None:
    query = select(func.count()).where(
        runs.c.workspace_id == ctx.workspace_id,
        runs.c.user_id == ctx.user_id,
        runs.c.status == RunStatus.PENDING.value,
    )
    if (await session.execute(query)).scalar_one() >= limit:
        raise RunLimitError(
            f"{limit} of your runs wait already.", hint="Wait until one has ended, or cancel some."
        )


async def _touch(
    session: AsyncSession, ctx: UserExecutionContext, thread_id: str, *, title: str, now: datetime
) -> None:
    touched = await session.execute(
        update(threads)
        .where(
            threads.c.id == thread_id,
            threads.c.workspace_id == ctx.workspace_id,
            threads.c.user_id == ctx.user_id,
        )
        .values(updated_at=now, title=func.coalesce(threads.c.title, title))
        .returning(threads.c.id)
    )
    if touched.one_or_none() is None:
        raise NotFoundError("There is no such thread.")


async def _after_the_last(session: AsyncSession, thread_id: str, now: datetime) -> datetime:
    """A time after the thread's last run, so that runs of a thread keep the order they came in."""
    query = select(func.max(runs.c.created_at)).where(runs.c.thread_id == thread_id)
    last: datetime | None = (await session.execute(query)).scalar_one()
    return now if last is None or last < now else last + timedelta(microseconds=1)


def _next_position(thread_id: str) -> object:
    return (
        select(func.coalesce(func.max(messages.c.position), 0) + 1)
        .where(messages.c.thread_id == thread_id)
        .scalar_subquery()
    )


def _find_threads(
    connection: Connection,
    ctx: UserExecutionContext,
    *,
    thread_id: str | None = None,
    cursor: Cursor | None = None,
    limit: int = 1,
) -> list[ThreadRecord]:
    query: Select[Any] = select(threads).where(
        threads.c.workspace_id == ctx.workspace_id, threads.c.user_id == ctx.user_id
    )
    if thread_id is not None:
        query = query.where(threads.c.id == thread_id)
    if cursor is not None:
        query = query.where(tuple_(threads.c.updated_at, threads.c.id) < (cursor.at, cursor.id))
    query = query.order_by(threads.c.updated_at.desc(), threads.c.id.desc()).limit(limit)
    rows = connection.execute(query).mappings().all()
    last = _last_runs(connection, [row["id"] for row in rows])
    return [
        ThreadRecord(
            id=row["id"],
            title=row["title"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            last_run=last.get(row["id"]),
        )
        for row in rows
    ]


def _last_runs(connection: Connection, thread_ids: list[str]) -> dict[str, tuple[str, str]]:
    newest = (
        select(runs.c.thread_id, func.max(runs.c.created_at).label("at"))
        .where(runs.c.thread_id.in_(thread_ids))
        .group_by(runs.c.thread_id)
        .subquery()
    )
    query = select(runs.c.thread_id, runs.c.id, runs.c.status).join(
        newest, (runs.c.thread_id == newest.c.thread_id) & (runs.c.created_at == newest.c.at)
    )
    return {thread: (run, status) for thread, run, status in connection.execute(query)}
