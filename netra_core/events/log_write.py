"""What one group of appends does inside its transaction."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, String, bindparam, insert, select, update

from netra_core.database.bulk import BulkStatement
from netra_core.errors import EventError
from netra_core.events.codec import Upcast
from netra_core.events.errors import EventOrderError, ForeignRunError
from netra_core.events.log_lookup import run_rows, stream_rows
from netra_core.events.log_rows import (
    event_of,
    missing_streams,
    payload_of,
    row_of,
    timestamp_of,
)
from netra_core.events.order import RunOrder
from netra_core.events.port import NewEvent, Stream
from netra_core.events.tables import event_runs, event_streams, events
from netra_core.events.types import Event

_INSERT: Final = BulkStatement(insert(events), [column.name for column in events.columns])
_INSERT_RUN: Final = BulkStatement(
    insert(event_runs), [column.name for column in event_runs.columns]
)
_MOVE_STREAM: Final = BulkStatement(
    update(event_streams)
    .where(event_streams.c.workspace_id == bindparam("ws", type_=String()))
    .where(event_streams.c.user_id == bindparam("usr", type_=String()))
    .values(seq=bindparam("new_seq"), last_ms=bindparam("new_ms")),
    ["new_seq", "new_ms", "ws", "usr"],
)
_MOVE_RUN: Final = BulkStatement(
    update(event_runs)
    .where(event_runs.c.run_id == bindparam("run", type_=String()))
    .values(run_seq=bindparam("new_seq")),
    ["new_seq", "run"],
)


@dataclass(frozen=True, slots=True)
class Append:
    """One caller's events for one stream, with their payloads as JSON."""

    stream: Stream
    new: tuple[NewEvent, ...]
    payloads: list[str]


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of one caller's events: each as stored, and whether it is new."""

    stream: Stream
    events: list[tuple[Event, bool]]


@dataclass(slots=True)
class _Stream:
    epoch: str
    seq: int
    last_ms: int
    moved: bool = False


@dataclass(slots=True)
class _Run:
    """A run as the log knows it; `order` is None once the run was erased."""

    stream: Stream
    order: RunOrder | None = field(default_factory=RunOrder)
    keys: set[tuple[str, int]] = field(default_factory=set)
    run_seq: int = 0
    stored: bool = False
    moved: bool = False


@dataclass(slots=True)
class _Group:
    """What one transaction reads once and writes once."""

    now_ms: int
    stamp: str
    streams: dict[Stream, _Stream]
    runs: dict[str, _Run]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    fresh: dict[tuple[str, str, int], Event] = field(default_factory=dict)


class LogWriter:
    """Assigns numbers and times, keeps the order of each run, skips what is there already.

    Runs in the writer's thread, one group at a time. The state of recent runs is cached; another
    process's appends are noticed by the run's counter, and the run is read again.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        new_id: Callable[[], str],
        upcasts: Mapping[int, Upcast],
        cached_runs: int,
    ) -> None:
        self._now = now
        self._new_id = new_id
        self._upcasts = upcasts
        self._cached_runs = cached_runs
        self._cache: OrderedDict[str, _Run] = OrderedDict()

    def forget(self) -> None:
        """Drop the cache: a transaction failed or payloads were erased."""
        self._cache = OrderedDict()

    def write(
        self, connection: Connection, appends: Sequence[Append]
    ) -> list[Appended | Exception]:
        """Write a group; each caller's answer is its events or its own exception."""
        now_ms = int(self._now() * 1000)
        group = _Group(
            now_ms=now_ms,
            stamp=timestamp_of(now_ms),
            streams=self._streams(connection, {append.stream for append in appends}),
            runs=self._runs(connection, appends),
        )
        answers: list[Appended | Exception] = []
        for append in appends:
            try:
                answers.append(Appended(append.stream, self._take(connection, group, append)))
            except EventError as error:
                answers.append(error)
        self._flush(connection, group)
        return answers

    def _streams(self, connection: Connection, wanted: set[Stream]) -> dict[Stream, _Stream]:
        def load() -> dict[Stream, _Stream]:
            return {
                (row[0], row[1]): _Stream(row[2], row[3], row[4])
                for row in stream_rows(connection, wanted, lock=True)
            }

        found = load()
        if missing := sorted(wanted - found.keys()):
            missing_streams(connection, {stream: self._new_id() for stream in missing})
            found = load()
        return found

    def _runs(self, connection: Connection, appends: Sequence[Append]) -> dict[str, _Run]:
        wanted = {new.run_id: append.stream for append in appends for new in append.new}
        stored = {row[0]: ((row[1], row[2]), row[3]) for row in run_rows(connection, wanted)}
        runs: dict[str, _Run] = {}
        for run_id, stream in wanted.items():
            if run_id not in stored:
                runs[run_id] = _Run(stream)
                continue
            owner, run_seq = stored[run_id]
            cached = self._cache.get(run_id)
            if cached is None or cached.run_seq != run_seq:
                cached = self._load(connection, run_id, owner)
            runs[run_id] = cached
        return runs

    def _load(self, connection: Connection, run_id: str, owner: Stream) -> _Run:
        query = select(events).where(events.c.run_id == run_id).order_by(events.c.run_seq)
        rows = connection.execute(query).all()
        erased = any(row.erased for row in rows)
        stored = [event_of(row, self._upcasts) for row in rows]
        return _Run(
            stream=owner,
            order=None if erased else RunOrder.replay(stored),
            keys={(row.step, row.ordinal) for row in rows},
            run_seq=len(rows),
            stored=True,
        )

    def _take(
        self, connection: Connection, group: _Group, append: Append
    ) -> list[tuple[Event, bool]]:
        """All of one caller's events or, by an exception, none."""
        runs = {new.run_id: group.runs[new.run_id] for new in append.new}
        for run in runs.values():
            if run.stream != append.stream:
                raise ForeignRunError("no such run")
        stream = group.streams[append.stream]
        # RunOrder.accept moves whole or not at all, so a single event needs no way back.
        undo = _Undo.of(group, stream, runs) if len(append.new) > 1 else None
        taken: list[tuple[Event, bool]] = []
        try:
            for new, payload in zip(append.new, append.payloads, strict=True):
                run = runs[new.run_id]
                if (new.step, new.ordinal) in run.keys:
                    taken.append((self._stored(connection, group, new), False))
                else:
                    taken.append((self._add(group, append.stream, stream, run, new, payload), True))
        except EventError:
            if undo is not None:
                added = [new for new, (_, fresh) in zip(append.new, taken, strict=False) if fresh]
                undo.apply(group, stream, runs, added)
            raise
        return taken

    def _add(
        self,
        group: _Group,
        owner: Stream,
        stream: _Stream,
        run: _Run,
        new: NewEvent,
        payload: str,
    ) -> Event:
        """Number one more event; raises EventOrderError and nothing has moved then."""
        if run.order is None:
            raise EventOrderError(f"The run {new.run_id!r} was erased and takes no events.")
        time_ms, stamp = group.now_ms, group.stamp
        if stream.last_ms > time_ms:
            time_ms, stamp = stream.last_ms, timestamp_of(stream.last_ms)
        run.order.accept(new.type, new.agent_name, new.payload, timestamp=stamp)
        run.run_seq, run.moved = run.order.run_seq, True
        stream.seq, stream.last_ms, stream.moved = stream.seq + 1, time_ms, True
        event = Event(
            type=new.type,
            event_id=self._new_id(),
            epoch=stream.epoch,
            seq=stream.seq,
            workspace_id=owner[0],
            thread_id=new.thread_id,
            run_id=new.run_id,
            run_seq=run.run_seq,
            agent_name=new.agent_name,
            timestamp=stamp,
            payload=payload_of(payload),
        )
        run.keys.add((new.step, new.ordinal))
        group.fresh[new.run_id, new.step, new.ordinal] = event
        group.rows.append(row_of(event, owner[1], new, time_ms, payload))
        return event

    def _stored(self, connection: Connection, group: _Group, new: NewEvent) -> Event:
        if (event := group.fresh.get((new.run_id, new.step, new.ordinal))) is not None:
            return event
        at = events.c
        row = connection.execute(
            select(events).where(
                at.run_id == new.run_id, at.step == new.step, at.ordinal == new.ordinal
            )
        ).one()
        return event_of(row, self._upcasts)

    def _flush(self, connection: Connection, group: _Group) -> None:
        if not group.rows:
            return
        _INSERT(connection, group.rows)
        _MOVE_STREAM(
            connection,
            [(at.seq, at.last_ms, *stream) for stream, at in group.streams.items() if at.moved],
        )
        runs = [(run_id, run) for run_id, run in group.runs.items() if run.moved]
        if known := [(run.run_seq, run_id) for run_id, run in runs if run.stored]:
            _MOVE_RUN(connection, known)
        if first := [(run_id, *run.stream, run.run_seq) for run_id, run in runs if not run.stored]:
            _INSERT_RUN(connection, first)
        self._remember(runs)

    def _remember(self, runs: list[tuple[str, _Run]]) -> None:
        for run_id, run in runs:
            run.stored, run.moved = True, False
            self._cache[run_id] = run
            self._cache.move_to_end(run_id)
        while len(self._cache) > self._cached_runs:
            self._cache.popitem(last=False)


@dataclass(slots=True)
class _Undo:
    """How everything stood before one caller's events."""

    rows: int
    stream: tuple[int, int, bool]
    runs: dict[str, tuple[RunOrder | None, int, bool]]

    @classmethod
    def of(cls, group: _Group, stream: _Stream, runs: Mapping[str, _Run]) -> "_Undo":
        """Remember it."""
        return cls(
            len(group.rows),
            (stream.seq, stream.last_ms, stream.moved),
            {
                run_id: (run.order and run.order.copy(), run.run_seq, run.moved)
                for run_id, run in runs.items()
            },
        )

    def apply(
        self,
        group: _Group,
        stream: _Stream,
        runs: Mapping[str, _Run],
        added: Sequence[NewEvent],
    ) -> None:
        """Go back to it; `added` are the events taken since."""
        del group.rows[self.rows :]
        stream.seq, stream.last_ms, stream.moved = self.stream
        for run_id, run in runs.items():
            run.order, run.run_seq, run.moved = self.runs[run_id]
        for new in added:
            runs[new.run_id].keys.discard((new.step, new.ordinal))
            del group.fresh[new.run_id, new.step, new.ordinal]
