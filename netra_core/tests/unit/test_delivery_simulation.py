"""The real manager and the real client over a network that loses, repeats, delays and breaks.

Every schedule is one seed: users append events while their sockets drop mid-send, notices are
lost, doubled and reordered, servers restart and tabs join. What each client has folded must equal
the log.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import pytest

from netra_client import LiveEvent, LiveProtocol, RunView
from netra_core.context import UserExecutionContext
from netra_core.events import Event, FanOutMessage, Missed, NewEvent, Notice
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.runs import random_run
from netra_core.websocket import (
    CancelRun,
    Connection,
    MessageAccepted,
    SocketLimits,
    UnifiedWebSocketManager,
    UserMessage,
)
from netra_core.websocket.dispatch import Dispatcher
from netra_core.websocket.feed import Frame

LIMITS = SocketLimits(resume_grace_s=0.0, recent_bytes=3000, batch=3, messages_per_minute=10**9)
USERS = ("ada", "bob")


class Broken(ConnectionError):
    """The simulated network failed."""


class FaultyFanOut:
    """Delays notices; while `faulty` and `lossy` it also loses, doubles and strips them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.faulty = True
        self.lossy = True
        self.subscribers: list[Callable[[FanOutMessage], None]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def subscribe(self, subscriber: Callable[[FanOutMessage], None]) -> Callable[[], None]:
        self.subscribers.append(subscriber)
        return lambda: self.subscribers.remove(subscriber)

    async def publish(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            luck = self.rng.random() if self.faulty and self.lossy else 1.0
            if luck < 0.2:
                continue
            if luck < 0.5:
                notice = Notice(notice.stream, notice.seq)
            for _ in range(2 if luck < 0.6 else 1):
                task = asyncio.create_task(self._tell(notice))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            if luck < 0.65:
                self._all(Missed("simulated"))

    async def _tell(self, message: FanOutMessage) -> None:
        for _ in range(self.rng.randint(0, 3)):
            await asyncio.sleep(0)
        self._all(message)

    def _all(self, message: FanOutMessage) -> None:
        for subscriber in tuple(self.subscribers):
            subscriber(message)


class Wire:
    """A socket in memory: what is sent arrives, later, or the socket breaks."""

    def __init__(self, rng: random.Random, *, fragile: bool) -> None:
        self.rng = rng
        self.fragile = fragile
        self.inbox: deque[str] = deque()
        self.seqs: list[int] = []
        self.violations: list[str] = []
        self.open = True

    async def send_text(self, text: str) -> None:
        await self._travel()
        self.inbox.append(text)
        message = json.loads(text)
        if message["type"] == "resumed":
            replay = list(range(message["from_seq"], message["to_seq"] + 1))
            if replay and self.seqs[-len(replay) :] != replay:
                self.violations.append(f"{message} after {self.seqs}")

    async def send_frames(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            await self._travel()
            self.seqs.append(frame.seq)
            self.inbox.append(frame.text)

    async def close(self, code: int, reason: str) -> None:
        self.open = False

    def abort(self) -> None:
        self.open = False

    async def _travel(self) -> None:
        if self.fragile and self.rng.random() < 0.02:
            self.open = False
        for _ in range(self.rng.randint(0, 2)):
            await asyncio.sleep(0)
        if not self.open:
            raise Broken


class NoRuns:
    """Handlers of a service where nobody asks for anything."""

    async def user_message(
        self, ctx: UserExecutionContext, message: UserMessage
    ) -> MessageAccepted:
        raise AssertionError("nobody sends messages here")

    async def cancel_run(self, ctx: UserExecutionContext, message: CancelRun) -> None:
        raise AssertionError("nobody cancels here")


class Tab:
    """One client over many sockets."""

    def __init__(self, world: "World", user: str) -> None:
        self.world = world
        self.context = UserExecutionContext(user_id=user, workspace_id="w", request_id="sim")
        self.protocol = LiveProtocol()
        self.since: int | None = None
        self.taken: list[LiveEvent] = []
        self.wire: Wire | None = None
        self.connection: Connection | None = None
        self.rewinds = 0

    async def connect(self) -> None:
        self.protocol.disconnected()
        self.wire = Wire(self.world.rng, fragile=self.world.faulty)
        self.rewinds = 0
        self.connection = await self.world.manager.add_connection(self.wire, self.context)

    async def drop(self) -> None:
        if self.connection is not None:
            assert self.wire is not None
            self.wire.open = False
            await self.world.manager.remove_connection(self.connection.connection_id)
            self.connection = None
            self.protocol.disconnected()

    async def read(self) -> bool:
        """Take what has arrived and answer it; False when nothing had."""
        wire, connection = self.wire, self.connection
        if wire is None or connection is None:
            return False
        if not wire.open:
            await self.drop()
            return False
        moved = bool(wire.inbox)
        while wire.inbox:
            for update in self.protocol.receive(wire.inbox.popleft()):
                if isinstance(update, LiveEvent):
                    self.taken.append(update)
            if self.since is None:
                self.since = self.protocol.seq
        if self.since is not None and self.world.faulty and self.world.rng.random() < 0.1:
            await self.rewind(connection)
        dispatcher = Dispatcher(self.world.manager, connection, NoRuns())
        for text in self.protocol.to_send():
            self.rewinds += "resume" in text
            await dispatcher.take(text)
        self.check_wire(wire)
        return moved

    async def rewind(self, connection: Connection) -> None:
        """Ask for an earlier position, as a client with a late resume does, and again at once."""
        for _ in range(2):
            if not connection.is_open:
                return
            self.rewinds += 1
            back = self.world.rng.randint(0, self.protocol.seq)
            await self.world.manager.resume(
                connection.connection_id, epoch=self.protocol.epoch or "", after_seq=back
            )

    def check_wire(self, wire: Wire) -> None:
        breaks = sum(b != a + 1 for a, b in zip(wire.seqs, wire.seqs[1:], strict=False))
        assert not wire.violations, wire.violations
        assert breaks <= self.rewinds, f"{wire.seqs} with {self.rewinds} rewinds"


class World:
    """A log that survives, servers that do not, tabs in between."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.fan_out = FaultyFanOut(self.rng)
        self.fan_out.lossy = bool(seed % 2)
        self.log = MemoryEventLog(
            fan_out=self.fan_out, around_read=self._pause, after_commit=self._pause
        )
        self.tabs: list[Tab] = []
        self.runs: dict[str, deque[NewEvent]] = {user: deque() for user in USERS}
        self.run_count = 0
        self.writers: dict[str, asyncio.Task[None]] = {}
        self.manager = self._new_manager()

    @property
    def faulty(self) -> bool:
        return self.fan_out.faulty

    def _new_manager(self) -> UnifiedWebSocketManager:
        return UnifiedWebSocketManager(
            event_log=self.log, fan_out=self.fan_out, limits=LIMITS, poll_s=3600, sweep_s=3600
        )

    async def _pause(self) -> None:
        for _ in range(self.rng.randint(0, 3)):
            await asyncio.sleep(0)

    async def play(self, moves: int) -> None:
        await self.manager.start()
        for _ in range(moves):
            await self.move()
            await self._pause()
        await self.settle()
        for tab in self.tabs:
            self.check(tab)
        await self.manager.shutdown(drain_s=0)

    async def move(self) -> None:
        luck = self.rng.random()
        if luck < 0.45:
            await self.write(self.rng.choice(USERS), self.rng.randint(1, 5))
        elif luck < 0.60 or not self.tabs:
            tab = Tab(self, self.rng.choice(USERS))
            if len(self.tabs) < 6:
                self.tabs.append(tab)
                await tab.connect()
        elif luck < 0.70:
            await self.rng.choice(self.tabs).drop()
        elif luck < 0.74:
            await self.restart()
        else:
            tab = self.rng.choice(self.tabs)
            if tab.connection is None:
                await tab.connect()
            await tab.read()

    async def write(self, user: str, count: int) -> None:
        """Append while everything else goes on, one batch of a user after the other."""
        writer = self.writers.get(user)
        if writer is not None:
            await writer
        self.writers[user] = asyncio.create_task(self.append(user, count))

    async def append(self, user: str, count: int) -> None:
        queue = self.runs[user]
        while len(queue) < count:
            self.run_count += 1
            queue.extend(random_run(f"{user}-{self.run_count}", self.rng))
        context = UserExecutionContext(user_id=user, workspace_id="w", request_id="sim")
        new = [queue.popleft() for _ in range(count)]
        if self.rng.random() < 0.5:
            await self.log.append_many(context, new)
        else:
            for event in new:
                await self.log.append(context, event)

    async def restart(self) -> None:
        await self.manager.shutdown(drain_s=0)
        for tab in self.tabs:
            tab.connection = None
        self.manager = self._new_manager()
        await self.manager.start()

    async def settle(self) -> None:
        """The faults end: everybody reconnects and reads to the end."""
        await asyncio.gather(*self.writers.values())
        self.fan_out.faulty = False
        if self.fan_out.tasks:
            await asyncio.wait(self.fan_out.tasks)
        for tab in self.tabs:
            if tab.wire is not None:
                tab.wire.fragile = False
        if self.fan_out.lossy:
            await self.manager.feeds.compare_heads()
        for _ in range(3000):
            for tab in self.tabs:
                if tab.connection is None or tab.wire is None or not tab.wire.open:
                    await tab.drop()
                    await tab.connect()
                await tab.read()
            if all(self.level(tab) for tab in self.tabs):
                return
            await asyncio.sleep(0)
        raise AssertionError("the clients never caught up")

    def level(self, tab: Tab) -> bool:
        return tab.protocol.caught_up and tab.protocol.seq == len(self.logged(tab))

    def logged(self, tab: Tab) -> list[Event]:
        return self.log.all_events(tab.context.stream)

    def check(self, tab: Tab) -> None:
        assert tab.since is not None
        expected = self.logged(tab)[tab.since :]
        assert [e.event_id for e in tab.taken] == [e.event_id for e in expected]
        assert fold(tab.taken, self.first_seqs(tab)) == fold(
            [as_live(event) for event in expected], self.first_seqs(tab)
        )

    def first_seqs(self, tab: Tab) -> set[str]:
        return {e.run_id for e in self.logged(tab)[: tab.since]}


def as_live(event: Event) -> LiveEvent:
    return msgspec.convert(msgspec.to_builtins(event), LiveEvent)


def fold(events: list[LiveEvent], known: set[str]) -> dict[str, RunView]:
    """The runs that began after the tab joined."""
    views: dict[str, RunView] = {}
    for event in events:
        if event.run_id not in known:
            views.setdefault(event.run_id, RunView(event.run_id)).take(event)
    return views


@pytest.mark.proof
@pytest.mark.timeout(3600)
async def test_whatever_the_schedule_the_client_has_folded_the_log(full_counts: bool) -> None:
    for seed in range(10_000 if full_counts else 300):
        try:
            await World(seed).play(moves=40)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
