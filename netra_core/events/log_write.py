"""What one group of appends does inside its transaction."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, String, bindparam, insert, select, tuple_, update

from netra_core.database.bulk import BulkStatement
from netra_core.errors import EventError
from netra_core.events.codec import Upcast
from netra_core.events.errors import EventOrderError, ForeignRunError
from netra_core.events.log_rows import event_of, missing_streams, payload_of, timestamp_of
from netra_core.events.order import RunOrder
from netra_core.events.port import NewEvent, Stream
from netra_core.events.tables import event_runs, event_streams, events
from netra_core.events.types import WIRE_VERSION, Event

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
        table = event_streams.c
        query = (
            select(event_streams)
            .where(tuple_(table.workspace_id, table.user_id).in_(sorted(wanted)))
            .order_by(table.workspace_id, table.user_id)
            .with_for_update()
        )

        def load() -> dict[Stream, _Stream]:
            return {
                (row.workspace_id, row.user_id): _Stream(row.epoch, row.seq, row.last_ms)
                for row in connection.execute(query)
            }

        found = load()
        if missing := sorted(wanted - found.keys()):
            missing_streams(connection, {stream: self._new_id() for stream in missing})
            found = load()
        return found

    def _runs(self, connection: Connection, appends: Sequence[Append]) -> dict[str, _Run]:
        wanted = {new.run_id: append.stream for append in appends for new in append.new}
        table = event_runs.c
        rows = connection.execute(select(event_runs).where(table.run_id.in_(list(wanted))))
        stored = {row.run_id: ((row.workspace_id, row.user_id), row.run_seq) for row in rows}
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
        """All of one caller's events or, by an exception before anything is kept, none."""
        runs = {new.run_id: group.runs[new.run_id] for new in append.new}
        for run in runs.values():
            if run.stream != append.stream:
                raise ForeignRunError("no such run")
        single = len(append.new) == 1  # accept() moves whole or not at all: no copy to try it on
        orders = {
            run_id: run.order if single or run.order is None else run.order.copy()
            for run_id, run in runs.items()
        }
        stream = group.streams[append.stream]
        time_ms = max(group.now_ms, stream.last_ms)
        stamp = group.stamp if time_ms == group.now_ms else timestamp_of(time_ms)
        batch = _Batch(append.stream, stream.epoch, stream.seq, time_ms, stamp)
        taken: list[tuple[Event, bool]] = []
        for new, payload in zip(append.new, append.payloads, strict=True):
            key = (new.run_id, new.step, new.ordinal)
            if key in batch.fresh or key[1:] in runs[new.run_id].keys:
                taken.append((batch.fresh.get(key) or self._stored(connection, group, key), False))
                continue
            order = orders[new.run_id]
            if order is None:
                raise EventOrderError(f"The run {new.run_id!r} was erased and takes no events.")
            order.accept(new.type, new.agent_name, new.payload, timestamp=batch.stamp)
            event = batch.add(new, payload, event_id=self._new_id(), run_seq=order.run_seq)
            taken.append((event, True))
        if batch.rows:
            stream.seq, stream.last_ms, stream.moved = batch.seq, time_ms, True
            _keep(group, batch, runs, orders)
        return taken

    def _stored(self, connection: Connection, group: _Group, key: tuple[str, str, int]) -> Event:
        if (event := group.fresh.get(key)) is not None:
            return event
        run_id, step, ordinal = key
        row = connection.execute(
            select(events).where(
                events.c.run_id == run_id, events.c.step == step, events.c.ordinal == ordinal
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
class _Batch:
    """One caller's new events, until they are kept."""

    stream: Stream
    epoch: str
    seq: int
    time_ms: int
    stamp: str
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    fresh: dict[tuple[str, str, int], Event] = field(default_factory=dict)

    def add(self, new: NewEvent, payload: str, *, event_id: str, run_seq: int) -> Event:
        """Number one more event."""
        self.seq += 1
        workspace_id, user_id = self.stream
        event = Event(
            type=new.type,
            event_id=event_id,
            epoch=self.epoch,
            seq=self.seq,
            workspace_id=workspace_id,
            thread_id=new.thread_id,
            run_id=new.run_id,
            run_seq=run_seq,
            agent_name=new.agent_name,
            timestamp=self.stamp,
            payload=payload_of(payload),
        )
        self.fresh[(new.run_id, new.step, new.ordinal)] = event
        self.rows.append(
            (  # in the order of the table's columns
                workspace_id,
                user_id,
                self.seq,
                self.epoch,
                event_id,
                WIRE_VERSION,
                new.type,
                new.thread_id,
                new.run_id,
                run_seq,
                new.step,
                new.ordinal,
                new.agent_name,
                self.time_ms,
                payload,
                False,
            )
        )
        return event


def _keep(
    group: _Group,
    batch: _Batch,
    runs: Mapping[str, _Run],
    orders: Mapping[str, RunOrder | None],
) -> None:
    group.rows.extend(batch.rows)
    group.fresh.update(batch.fresh)
    for run_id, step, ordinal in batch.fresh:
        runs[run_id].keys.add((step, ordinal))
    for run_id, run in runs.items():
        order = orders[run_id]
        if order is not None and order.run_seq != run.run_seq:
            run.order, run.run_seq, run.moved = order, order.run_seq, True
