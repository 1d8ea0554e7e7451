"""The manager through its own methods, with sockets in memory."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import pytest

from netra_core.context import UserExecutionContext
from netra_core.errors import DatabaseError
from netra_core.events import (
    AgentErrored,
    Event,
    InProcessFanOut,
    NewEvent,
    Stream,
    StreamHead,
)
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.runs import reference_run
from netra_core.websocket import (
    NoSuchConnectionError,
    NotCriticalEventError,
    OperatorPass,
    OperatorsOnlyError,
    Replay,
    Resync,
    SessionRevokedError,
    ShuttingDownError,
    SocketLimits,
    TooManyConnectionsError,
    UnifiedWebSocketManager,
)
from netra_core.websocket.feed import Frame


class Clock:
    """A time that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Pipe:
    """A socket in memory; `gate` blocks its writes, `broken` fails them."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.aborted = False
        self.broken = False
        self.gate = asyncio.Event()
        self.gate.set()
        self._arrived = asyncio.Event()

    async def send_text(self, text: str) -> None:
        await self._write([text])

    async def send_frames(self, frames: Sequence[Frame]) -> None:
        await self._write([frame.text for frame in frames])

    async def _write(self, texts: list[str]) -> None:
        await self.gate.wait()
        if self.broken:
            raise BrokenPipeError
        self.messages.extend(msgspec.json.decode(text) for text in texts)
        self._arrived.set()

    async def close(self, code: int, reason: str) -> None:
        await self.gate.wait()
        self.closed = code

    def abort(self) -> None:
        self.aborted = True

    async def until(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(5):
            while len(self.messages) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.messages

    @property
    def seqs(self) -> list[int]:
        return [m["seq"] for m in self.messages if "run_seq" in m]


def person(
    user: str = "ada", *, workspace: str = "w1", session: str = "s1"
) -> UserExecutionContext:
    return UserExecutionContext(
        user_id=user, workspace_id=workspace, request_id="r", session_id=session
    )


class World:
    """A manager over a log in memory, with hands on the clocks."""

    def __init__(self, **limits: Any) -> None:
        self.fan_out = InProcessFanOut()
        self.log = MemoryEventLog(fan_out=self.fan_out)
        self.clock, self.monotonic = Clock(), Clock()
        self.manager = self.new_manager(**limits)

    def new_manager(self, **limits: Any) -> UnifiedWebSocketManager:
        return UnifiedWebSocketManager(
            event_log=self.log,
            fan_out=self.fan_out,
            limits=SocketLimits(**{"resume_grace_s": 0, "close_timeout_s": 0.01, **limits}),
            thread_owner=self.owner,
            sweep_s=3600,
            clock=self.clock,
            monotonic=self.monotonic,
        )

    async def owner(self, thread_id: str) -> Stream | None:
        return ("w1", "ada") if thread_id == "thread-of-ada" else None

    async def connect(self, ctx: UserExecutionContext | None = None, **more: Any) -> Pipe:
        pipe = Pipe()
        await self.manager.add_connection(pipe, ctx or person(), hold=False, **more)
        await pipe.until(1)
        return pipe


def id_of(pipe: Pipe) -> str:
    return pipe.messages[0]["connection_id"]


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    world = World()
    async with world.manager:
        yield world


async def test_an_event_committed_between_the_head_and_the_registration_is_delivered() -> None:
    """The load-then-subscribe race, at each place where it could open."""

    class RacingLog(MemoryEventLog):
        """Commits one event while somebody looks at the head, before and after the look."""

        async def head(self, stream: Stream) -> StreamHead:
            before = await super().head(stream)
            await self.append(person(), self.queue.pop(0))
            return before

        queue: list[NewEvent]

    world = World()
    log = RacingLog(fan_out=world.fan_out)
    log.queue = reference_run("r1")
    manager = UnifiedWebSocketManager(
        event_log=log, fan_out=world.fan_out, limits=SocketLimits(resume_grace_s=0)
    )
    async with manager:
        pipe = Pipe()
        await manager.add_connection(pipe, person(), hold=False)
        await pipe.until(2)
        assert pipe.messages[0]["seq"] == 0
        assert pipe.seqs == [1]
        await manager.resume(id_of(pipe), epoch=pipe.messages[0]["epoch"], after_seq=0)
        await pipe.until(5)
    assert pipe.seqs == [1, 1, 2]
    assert [m["type"] for m in pipe.messages if "run_seq" not in m] == [
        "connection_established",
        "resumed",
    ]


async def test_reports_say_what_became_of_a_message(world: World) -> None:
    send = world.manager.send_to_user
    nobody = await send(person(), {"type": "notice"})
    assert (nobody.delivered, nobody.dropped, nobody.why) == (0, 1, "not_connected")
    pipes = [await world.connect(), await world.connect()]
    await world.connect(person("bob"))
    report = await send(person(), {"type": "notice", "text": "hi"})
    assert (report.delivered, report.dropped, report.why) == (2, 0, "")
    for pipe in pipes:
        assert (await pipe.until(2))[1] == {"type": "notice", "text": "hi"}


async def test_a_thread_id_is_no_user_id(world: World) -> None:
    pipe = await world.connect()
    sent = await world.manager.send_to_thread("thread-of-ada", {"type": "notice"})
    assert sent.delivered == 1
    assert (await pipe.until(2))[1] == {"type": "notice"}
    unknown = await world.manager.send_to_thread("ada", {"type": "notice"})
    assert (unknown.delivered, unknown.dropped, unknown.why) == (0, 1, "unknown_thread")


async def test_a_critical_event_is_logged_and_delivered_or_kept(world: World) -> None:
    run = reference_run("r1")
    kept = await world.manager.emit_critical_event(person(), run[0])
    assert (kept.delivered, kept.queued, kept.why) == (0, 1, "not_connected")
    pipe = await world.connect()
    sent = await world.manager.emit_critical_event(person(), run[1])
    assert sent.delivered == 1 and sent.event is not None and sent.event.seq == 2
    assert (await pipe.until(2))[1]["seq"] == 2
    error = NewEvent.of(
        AgentErrored("X", "y"), run_id="r1", thread_id="t", step="e", ordinal=0, agent_name="s"
    )
    with pytest.raises(NotCriticalEventError):
        await world.manager.emit_critical_event(person(), error)


async def test_only_the_operator_speaks_to_everybody(world: World) -> None:
    pipes = [await world.connect(), await world.connect(person("bob", workspace="w2"))]
    with pytest.raises(OperatorsOnlyError):
        await world.manager.broadcast({"type": "notice"}, operator=person())  # type: ignore[arg-type]
    report = await world.manager.broadcast({"type": "notice"}, operator=OperatorPass("ops"))
    assert report.delivered == 2
    for pipe in pipes:
        assert (await pipe.until(2))[1] == {"type": "notice"}


async def test_a_message_that_is_not_logged_keeps_its_place_among_the_events(world: World) -> None:
    pipe = await world.connect()
    pipe.gate.clear()
    first, second = reference_run("r1")[:2]
    await world.log.append(person(), first)
    await world.manager.send_to_user(person(), {"type": "notice"})
    await world.log.append(person(), second)
    await world.manager.send_to_user(person(), {"type": "farewell"})
    pipe.gate.set()
    kinds = [m.get("seq", m["type"]) for m in (await pipe.until(5))[1:]]
    assert kinds == [1, "notice", 2, "farewell"]


async def test_waiting_for_a_connection_ends_when_it_comes(world: World) -> None:
    waiting = asyncio.create_task(world.manager.wait_for_connection(person().stream, timeout_s=5))
    await asyncio.sleep(0)
    await world.connect(person("bob"))
    assert not waiting.done()
    pipe = await world.connect()
    assert (await waiting).connection_id == id_of(pipe)
    again = await world.manager.wait_for_connection(person().stream, timeout_s=5)
    assert again.connection_id == id_of(pipe)
    with pytest.raises(TimeoutError):
        await world.manager.wait_for_connection(("w1", "nobody"), timeout_s=0.01)


async def test_a_limit_of_connections_counts_one_user(world: World) -> None:
    manager = world.new_manager(connections_per_user=2)
    async with manager:
        for _ in range(2):
            await manager.add_connection(Pipe(), person())
        with pytest.raises(TooManyConnectionsError):
            await manager.add_connection(Pipe(), person(workspace="w2"))
        other = await manager.add_connection(Pipe(), person("bob"))
        await manager.remove_connection(other.connection_id)
        assert await manager.remove_connection(other.connection_id) is False
        assert manager.get_stats().users == 1


async def test_a_session_revoked_while_it_connects_is_refused(world: World) -> None:
    began = world.monotonic.now
    world.monotonic.now += 1
    assert await world.manager.close_where(session_id="s1") == 0
    with pytest.raises(SessionRevokedError):
        await world.manager.add_connection(Pipe(), person(), authenticated_at=began)
    world.monotonic.now += 1
    await world.manager.add_connection(Pipe(), person(), authenticated_at=world.monotonic.now)
    assert world.manager.get_stats().connections == 1
    with pytest.raises(ValueError, match="close_where needs"):
        await world.manager.close_where()


async def test_expired_silent_and_blocked_connections_are_swept(world: World) -> None:
    expiring = await world.connect(person("a"), expires_at=world.clock.now + 60)
    silent = await world.connect(person("b"))
    quiet = await world.connect(person("c"))
    blocked = await world.connect(person("d"))
    connection = world.manager.get_connection(id_of(silent))
    assert connection is not None
    connection.pinged = True
    blocked.gate.clear()
    await world.log.append(person("d"), reference_run("r1")[0])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.manager.sweep()
    assert world.manager.get_stats().connections == 4
    world.clock.now += 61
    world.monotonic.now += 61
    world.manager.sweep()
    await world.manager.shutdown(drain_s=0)
    assert (expiring.closed, silent.closed, quiet.closed) == (4419, 4410, 1012)
    assert (blocked.closed, blocked.aborted) == (None, True)
    assert world.manager.get_stats().closed == {4419: 1, 4410: 1, 4408: 1, 1012: 1}


async def test_a_connection_that_lags_for_long_is_closed_and_one_that_catches_up_is_not(
    world: World,
) -> None:
    manager = world.new_manager(outbox_events=5, slow_after_s=10, send_timeout_s=10**6)
    async with manager:
        slow, brief = Pipe(), Pipe()
        for pipe in (slow, brief):
            await manager.add_connection(pipe, person(), hold=False)
            await pipe.until(1)
            pipe.gate.clear()
        await world.log.append_many(person(), reference_run("r1", thoughts=100))
        await asyncio.sleep(0)
        manager.sweep()
        world.monotonic.now += 9
        brief.gate.set()
        await brief.until(107)
        manager.sweep()
        world.monotonic.now += 2
        manager.sweep()
        slow.gate.set()
        assert [manager.is_connection_active(id_of(pipe)) for pipe in (slow, brief)] == [
            False,
            True,
        ]
        assert manager.get_stats().closed == {4408: 1}


async def test_a_resume_is_decided_against_the_newest_head(world: World) -> None:
    await world.log.append_many(person(), reference_run("r1"))
    pipe = await world.connect()
    epoch, own = pipe.messages[0]["epoch"], id_of(pipe)
    resume = world.manager.resume
    assert await resume(own, epoch=epoch, after_seq=7) == Replay(7, 7)
    assert await resume(own, epoch=epoch, after_seq=8) == Resync("position_unknown")
    assert await resume(own, epoch="x", after_seq=1) == Resync("epoch_changed")
    with pytest.raises(NoSuchConnectionError):
        await resume("nobody", epoch=epoch, after_seq=0)
    limited = world.new_manager(max_replay_events=3)
    async with limited:
        connection = await limited.add_connection(Pipe(), person())
        far = await limited.resume(connection.connection_id, epoch=epoch, after_seq=3)
    assert far == Resync("too_far_behind")


async def test_a_log_that_fails_for_a_moment_costs_nothing(world: World) -> None:
    class FlakyLog(MemoryEventLog):
        """Fails every other read."""

        failing = True

        async def read(self, stream: Stream, *, after_seq: int, limit: int) -> list[Event]:
            self.failing = not self.failing
            if not self.failing:
                raise DatabaseError("the database is away")
            return await super().read(stream, after_seq=after_seq, limit=limit)

    log = FlakyLog(fan_out=world.fan_out)
    await log.append_many(person(), reference_run("r1", thoughts=100))
    manager = UnifiedWebSocketManager(event_log=log, fan_out=world.fan_out)
    async with manager:
        pipe = Pipe()
        connection = await manager.add_connection(pipe, person())
        await manager.resume(connection.connection_id, epoch=connection.epoch, after_seq=0)
        await pipe.until(108)
    assert pipe.seqs == list(range(1, 107))


async def test_a_gap_in_the_log_is_never_papered_over(world: World) -> None:
    class HoledLog(MemoryEventLog):
        """Has lost event 3."""

        async def read(self, stream: Stream, *, after_seq: int, limit: int) -> list[Event]:
            events = await super().read(stream, after_seq=after_seq, limit=limit)
            return [event for event in events if event.seq != 3]

    log = HoledLog(fan_out=world.fan_out)
    await log.append_many(person(), reference_run("r1"))
    async with UnifiedWebSocketManager(event_log=log, fan_out=world.fan_out) as manager:
        pipe = Pipe()
        connection = await manager.add_connection(pipe, person())
        await manager.resume(connection.connection_id, epoch=connection.epoch, after_seq=0)
        messages = await pipe.until(2)
    assert messages[1]["type"] == "resync_required"
    assert (messages[1]["reason"], pipe.seqs) == ("log_gap", [])


async def test_after_shutdown_nobody_is_taken_in_and_nothing_is_left(world: World) -> None:
    pipe = await world.connect()
    await world.manager.shutdown(drain_s=1)
    await world.manager.shutdown(drain_s=1)
    assert pipe.closed == 1012
    with pytest.raises(ShuttingDownError):
        await world.manager.add_connection(Pipe(), person())
    stats = world.manager.get_stats()
    assert (stats.connections, stats.users, stats.streams, stats.subscribers) == (0, 0, 0, 0)


async def test_a_broken_close_listener_keeps_no_connection_open(world: World) -> None:
    told: list[str] = []

    async def broken(connection: Any) -> None:
        told.append(connection.connection_id)
        raise RuntimeError("a listener's own fault")

    stop = world.manager.on_close(broken)
    pipe = await world.connect()
    await world.manager.remove_connection(id_of(pipe))
    stop()
    other = await world.connect()
    await world.manager.remove_connection(id_of(other))
    assert told == [id_of(pipe)]
    assert world.manager.get_stats().connections == 0
