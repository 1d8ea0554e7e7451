"""SqlEventLog: the durable event log on SQLite and PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from os import urandom
from time import time
from typing import Any, Final

from sqlalchemy import Connection, select, update

from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, GroupCommit, SystemContext
from netra_core.database.batch_writer import BatchWriter
from netra_core.events.announcer import Announcer
from netra_core.events.codec import Upcast, check_names, check_payload
from netra_core.events.fanout import FanOut
from netra_core.events.log_lookup import stream_rows
from netra_core.events.log_rows import event_of, missing_streams
from netra_core.events.log_write import Append, Appended, LogWriter
from netra_core.events.port import NewEvent, Stream, StreamHead
from netra_core.events.tables import events
from netra_core.events.types import Event


def random_id() -> str:
    """128 random bits in hex."""
    return urandom(16).hex()


_LOG: Final = SystemContext(actor="event_log")


class SqlEventLog:
    """The event log of `netra_core.events.EventLog`, over one database.

    Beyond the port: appends of all users that wait together share one transaction; a stream's time
    stamps never fall, also when the clock does; `erase` empties payloads and keeps every number.
    Several processes may append on PostgreSQL: each stream is locked for the length of a group.
    """

    def __init__(
        self,
        sessions: DatabaseSessionManager,
        commits: GroupCommit,
        *,
        fan_out: FanOut | None = None,
        now: Callable[[], float] = time,
        new_id: Callable[[], str] = random_id,
        upcasts: Mapping[int, Upcast] | None = None,
        cached_runs: int = 1024,
    ) -> None:
        self._sessions = sessions
        self._commits = commits
        self._new_id = new_id
        self._upcasts = dict(upcasts or {})
        self._announcer = Announcer(fan_out) if fan_out is not None else None
        self._writer = LogWriter(
            now=now, new_id=new_id, upcasts=self._upcasts, cached_runs=cached_runs
        )
        self._batches: BatchWriter[Append, Appended] = BatchWriter(
            commits,
            self._writer.write,
            actor="event_log",
            committed=self._announce,
            failed=self._writer.forget,
        )

    async def append(self, ctx: UserExecutionContext, new: NewEvent) -> Event:
        """Append one event to the context's stream; returns after the commit."""
        return (await self._batches.put(_checked(ctx, (new,)))).events[0][0]

    async def append_many(self, ctx: UserExecutionContext, new: Sequence[NewEvent]) -> list[Event]:
        """Append all or none, in the order given."""
        return [event for event, _ in await self.append_told(ctx, new)]

    async def append_told(
        self, ctx: UserExecutionContext, new: Sequence[NewEvent]
    ) -> list[tuple[Event, bool]]:
        """Like `append_many`, and says of each event whether it is new (False: it was there)."""
        if not new:
            return []
        return (await self._batches.put(_checked(ctx, tuple(new)))).events

    async def head(self, stream: Stream) -> StreamHead:
        """Where the stream stands. The first call fixes the epoch, also of an empty stream."""
        found = (await self.heads([stream])).get(stream)
        if found is not None:
            return found
        epoch = self._new_id()

        def fix(connection: Connection) -> StreamHead:
            return missing_streams(connection, {stream: epoch})[stream]

        return await self._commits.submit(_reader(stream), fix)

    async def heads(self, streams: Sequence[Stream]) -> dict[Stream, StreamHead]:
        """The heads of many streams in one read; streams never seen are left out."""
        rows = await self._sessions.read(_LOG, lambda c: stream_rows(c, streams))
        return {(row[0], row[1]): StreamHead(epoch=row[2], seq=row[3]) for row in rows}

    async def read(self, stream: Stream, *, after_seq: int, limit: int) -> list[Event]:
        """The events after `after_seq`, ascending, without gaps, at most `limit`."""
        query = (
            select(events)
            .where(events.c.workspace_id == stream[0], events.c.user_id == stream[1])
            .where(events.c.seq > after_seq)
            .order_by(events.c.seq)
            .limit(limit)
        )
        return await self._read(stream, query)

    async def read_run(
        self, ctx: UserExecutionContext, run_id: str, *, after_run_seq: int = 0
    ) -> list[Event]:
        """The events of a run of this context's stream; empty when it has no such run."""
        query = (
            select(events)
            .where(events.c.run_id == run_id, events.c.run_seq > after_run_seq)
            .where(events.c.workspace_id == ctx.workspace_id, events.c.user_id == ctx.user_id)
            .order_by(events.c.run_seq)
        )
        return await self._read(ctx.stream, query)

    async def erase(
        self, stream: Stream, *, thread_id: str | None = None, run_id: str | None = None
    ) -> int:
        """Empty the payloads of a stream, of one of its threads or runs; returns how many.

        The events keep seq, run_seq, type and time, so that recovery stays exact.
        """
        change = (
            update(events)
            .where(events.c.workspace_id == stream[0], events.c.user_id == stream[1])
            .where(events.c.erased.is_(False))
            .values(payload="{}", erased=True)
        )
        if thread_id is not None:
            change = change.where(events.c.thread_id == thread_id)
        if run_id is not None:
            change = change.where(events.c.run_id == run_id)

        def empty(connection: Connection) -> int:
            count = connection.execute(change).rowcount
            self._writer.forget()  # before the next group, which must not go by what it remembers
            return count

        return await self._commits.submit(_reader(stream), empty)

    async def close(self) -> None:
        """Write and announce what waits."""
        await self._batches.close()
        if self._announcer is not None:
            await self._announcer.close()

    async def _read(self, stream: Stream, query: Any) -> list[Event]:
        def fetch(connection: Connection) -> list[Event]:
            return [event_of(row, self._upcasts) for row in connection.execute(query)]

        return await self._sessions.read(_reader(stream), fetch)

    def _announce(self, answers: Sequence[Appended | Exception]) -> None:
        if self._announcer is None:
            return
        for answer in answers:
            if not isinstance(answer, Exception):
                self._announcer.add(answer.stream, [e for e, new in answer.events if new])


def _checked(ctx: UserExecutionContext, new: tuple[NewEvent, ...]) -> Append:
    for event in new:
        check_names(event)
    payloads = [check_payload(event.type, event.payload).decode() for event in new]
    return Append(ctx.stream, new, payloads)


def _reader(stream: Stream) -> UserExecutionContext:
    """The rows of one stream and no other, also for row-level security."""
    return UserExecutionContext(workspace_id=stream[0], user_id=stream[1], request_id="event_log")
