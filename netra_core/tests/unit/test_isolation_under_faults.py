"""Random events of many users while notices are lost and sockets break: none reaches another."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from netra_core.context import UserExecutionContext
from netra_core.events import FanOutMessage, InProcessFanOut, Missed, NewEvent, Notice
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.runs import random_run
from netra_core.websocket import SocketLimits, UnifiedWebSocketManager
from netra_core.websocket.feed import Frame


class LossyFanOut(InProcessFanOut):
    """Loses a tenth of the notices, strips, doubles and misaddresses nothing."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng

    async def publish(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            luck = self.rng.random()
            if luck < 0.1:
                continue
            told: list[FanOutMessage] = [notice]
            if luck < 0.2:
                told = [Notice(notice.stream, notice.seq)]
            elif luck < 0.25:
                told = [notice, notice]
            elif luck < 0.26:
                told = [Missed("lost"), notice]
            for message in told:
                await super().publish([message])  # type: ignore[list-item]


class Witness:
    """A socket that checks what it is sent, and breaks now and then."""

    def __init__(self, owner: UserExecutionContext, rng: random.Random) -> None:
        self.owner = owner
        self.rng = rng
        self.last: int | None = None
        self.events = 0
        self.foreign: list[str] = []
        self.out_of_order: list[int] = []

    async def send_text(self, text: str) -> None:
        pass

    async def send_frames(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self.events += 1
            event = frame.event
            if not event.run_id.startswith(mark(self.owner)) or event.workspace_id != (
                self.owner.workspace_id
            ):
                self.foreign.append(event.run_id)
            if self.last is not None and frame.seq != self.last + 1:
                self.out_of_order.append(frame.seq)
            self.last = frame.seq
        if self.rng.random() < 0.001:
            raise BrokenPipeError("injected")

    async def close(self, code: int, reason: str) -> None:
        pass

    def abort(self) -> None:
        pass


def mark(ctx: UserExecutionContext) -> str:
    """What every run id of a stream begins with."""
    return f"{ctx.workspace_id}|{ctx.user_id}|"


@pytest.mark.proof
@pytest.mark.timeout(3600)
async def test_no_event_of_a_million_reaches_another_user(full_counts: bool) -> None:
    users, total = (1000, 1_000_000) if full_counts else (60, 12_000)
    rng = random.Random(20261122)
    fan_out = LossyFanOut(rng)
    log = MemoryEventLog(fan_out=fan_out)
    limits = SocketLimits(resume_grace_s=0, recent_bytes=20_000, outbox_events=10**9)
    people = [
        UserExecutionContext(
            user_id=f"u{n % (users // 2)}", workspace_id=f"w{n % 7}", request_id="x"
        )
        for n in range(users)
    ]
    waiting: dict[tuple[str, str], list[NewEvent]] = {}
    witnesses: list[Witness] = []
    async with UnifiedWebSocketManager(
        event_log=log, fan_out=fan_out, limits=limits, poll_s=3600, sweep_s=3600
    ) as manager:

        async def connect(person: UserExecutionContext) -> None:
            witness = Witness(person, rng)
            witnesses.append(witness)
            await manager.add_connection(witness, person, hold=False)

        for person in people:
            await connect(person)
        written = 0
        while written < total:
            person = rng.choice(people)
            queue = waiting.setdefault(person.stream, [])
            if not queue:
                queue.extend(random_run(f"{mark(person)}{written}", rng))
            count = min(rng.randint(1, 4), len(queue))
            await log.append_many(person, queue[:count])
            del queue[:count]
            written += count
            if rng.random() < 0.05:
                await asyncio.sleep(0)
            if not manager.get_user_connections(person.user_id, workspace_id=person.workspace_id):
                await connect(person)
        await manager.feeds.compare_heads()
        level = False
        for _ in range(1_000_000):
            level = all(
                connection.outbox.position == len(log.all_events(connection.stream))
                for person in people
                for connection in manager.get_user_connections(
                    person.user_id, workspace_id=person.workspace_id
                )
            )
            if level:
                break
            await asyncio.sleep(0)
        closed = manager.get_stats().closed
    assert level, "the sockets never caught up with the log"
    assert [w.foreign for w in witnesses if w.foreign] == []
    assert [w.out_of_order for w in witnesses if w.out_of_order] == []
    assert sum(w.events for w in witnesses) > written / 2
    assert closed.get(1011, 0) > 0, "no socket broke: the faults were not injected"
