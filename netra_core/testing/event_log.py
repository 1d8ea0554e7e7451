"""An event log in memory, for tests and simulations: the port's guarantees without a database."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import msgspec

from netra_core.context import UserExecutionContext
from netra_core.events import (
    Event,
    FanOut,
    ForeignRunError,
    NewEvent,
    Notice,
    RunOrder,
    Stream,
    StreamHead,
    check_payload,
)
from netra_core.events.codec import check_names


def utc_now() -> str:
    """The time as events carry it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class MemoryEventLog:
    """Implements EventLog. What was appended survives any manager, as a database would.

    `around_read` is awaited before and after the log looks at its events, `after_commit` between
    the commit and its announcement, so that a simulation can let other tasks run there.
    """

    def __init__(
        self,
        *,
        fan_out: FanOut | None = None,
        now: Callable[[], str] = utc_now,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        around_read: Callable[[], Awaitable[None]] | None = None,
        after_commit: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.fan_out = fan_out
        self._now = now
        self._new_id = new_id
        self._around_read = around_read
        self._after_commit = after_commit
        self._epochs: dict[Stream, str] = {}
        self._events: dict[Stream, list[Event]] = {}
        self._keys: dict[tuple[str, str, int], Event] = {}
        self._orders: dict[tuple[Stream, str], RunOrder] = {}
        self._run_streams: dict[str, Stream] = {}

    async def append(self, ctx: UserExecutionContext, new: NewEvent) -> Event:
        """Append one event."""
        return (await self.append_many(ctx, [new]))[0]

    async def append_many(self, ctx: UserExecutionContext, new: Sequence[NewEvent]) -> list[Event]:
        """Append all or none, in the order given."""
        stored, fresh = self._commit(ctx, new)
        if self._after_commit is not None:
            await self._after_commit()
        if fresh and self.fan_out is not None:
            await self.fan_out.publish([Notice(ctx.stream, fresh[-1].seq, tuple(fresh))])
        return stored

    async def head(self, stream: Stream) -> StreamHead:
        """Where the stream stands."""
        await self._pause()
        head = self._head(stream)
        await self._pause()
        return head

    async def heads(self, streams: Sequence[Stream]) -> dict[Stream, StreamHead]:
        """The heads of many streams."""
        await self._pause()
        heads = {stream: self._head(stream) for stream in streams}
        await self._pause()
        return heads

    async def read(self, stream: Stream, *, after_seq: int, limit: int) -> list[Event]:
        """The events after `after_seq`, at most `limit`."""
        await self._pause()
        events = self._events.get(stream, [])[after_seq : after_seq + limit]
        await self._pause()
        return events

    async def erase(
        self, stream: Stream, *, thread_id: str | None = None, run_id: str | None = None
    ) -> int:
        """Empty the payloads of a stream, of one of its threads or runs; returns how many."""
        count = 0
        for number, event in enumerate(self._events.get(stream, [])):
            chosen = thread_id in (None, event.thread_id) and run_id in (None, event.run_id)
            if chosen and event.payload:
                self._events[stream][number] = msgspec.structs.replace(event, payload={})
                count += 1
        return count

    async def read_run(
        self, ctx: UserExecutionContext, run_id: str, *, after_run_seq: int = 0
    ) -> list[Event]:
        """The events of a run of this context's stream."""
        await self._pause()
        events = self._events.get(ctx.stream, [])
        found = [e for e in events if e.run_id == run_id and e.run_seq > after_run_seq]
        await self._pause()
        return found

    def all_events(self, stream: Stream) -> list[Event]:
        """Everything in a stream, to compare with."""
        return list(self._events.get(stream, []))

    async def _pause(self) -> None:
        if self._around_read is not None:
            await self._around_read()
        else:
            await asyncio.sleep(0)

    def _head(self, stream: Stream) -> StreamHead:
        epoch = self._epochs.setdefault(stream, self._new_id())
        return StreamHead(epoch, len(self._events.get(stream, [])))

    def _commit(
        self, ctx: UserExecutionContext, new: Sequence[NewEvent]
    ) -> tuple[list[Event], list[Event]]:
        stream = ctx.stream
        orders = dict[str, RunOrder]()
        answers: list[Event] = []
        fresh: dict[tuple[str, str, int], Event] = {}
        epoch, seq = self._head(stream).epoch, self._head(stream).seq
        for item in new:
            check_names(item)
            check_payload(item.type, item.payload)
            if self._run_streams.get(item.run_id, stream) != stream:
                raise ForeignRunError("There is no such run.")
            key = (item.run_id, item.step, item.ordinal)
            known = self._keys.get(key) or fresh.get(key)
            if known is not None:
                answers.append(known)
                continue
            order = orders.get(item.run_id)
            if order is None:
                kept = self._orders.get((stream, item.run_id))
                order = orders[item.run_id] = kept.copy() if kept else RunOrder()
            timestamp = order.next_timestamp(self._now())
            order.accept(item.type, item.agent_name, item.payload, timestamp=timestamp)
            event = self._event(item, stream, epoch, seq + len(fresh) + 1, order)
            fresh[key] = event
            answers.append(event)
        self._keys.update(fresh)
        self._events.setdefault(stream, []).extend(fresh.values())
        for run_id, order in orders.items():
            self._orders[(stream, run_id)] = order
            self._run_streams[run_id] = stream
        return answers, list(fresh.values())

    def _event(self, new: NewEvent, stream: Stream, epoch: str, seq: int, order: RunOrder) -> Event:
        return Event(
            type=new.type,
            event_id=self._new_id(),
            epoch=epoch,
            seq=seq,
            workspace_id=stream[0],
            thread_id=new.thread_id,
            run_id=new.run_id,
            run_seq=order.run_seq,
            agent_name=new.agent_name,
            timestamp=order.last_timestamp,
            payload=new.payload,
        )
