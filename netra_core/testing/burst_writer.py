"""A process that writes in bursts and says what was acknowledged, until it is killed."""

import asyncio
import os
from typing import Final

from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, GroupCommit
from netra_core.events import AgentStarted, AgentThinking, NewEvent
from netra_core.events.log import SqlEventLog
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore

WRITERS: Final = 6


def writer(number: int) -> UserExecutionContext:
    """One of the people who write."""
    return UserExecutionContext(user_id=f"u{number}", workspace_id="acme", request_id="burst")


def write_burst(url: str, burst: int, acknowledgements: int) -> None:
    """Write without end. Each line on the descriptor `acknowledgements` was committed before:
    `state WRITER VALUE` (keys a and b hold VALUE) or `event WRITER SEQ`.
    """
    asyncio.run(_write(url, burst, acknowledgements))


async def _write(url: str, burst: int, acknowledgements: int) -> None:
    sessions = DatabaseSessionManager(url)
    commits = GroupCommit(sessions)
    manager = UnifiedStateManager(SqlStateStore(sessions, commits))
    log = SqlEventLog(sessions, commits)

    def acknowledge(line: str) -> None:
        os.write(acknowledgements, f"{line}\n".encode())

    async def states(number: int) -> None:
        view = manager.for_context(writer(number))
        while True:
            async with view.transaction() as tx:
                value = (await tx.get("a", default=0)) + 1
                tx.set("a", value)
                tx.set("b", value)
            acknowledge(f"state {number} {value}")

    async def events(number: int) -> None:
        run, ordinal = f"run-{burst}-{number}", 0
        begun = await log.append(writer(number), _event(AgentStarted("go"), run, "start", 0))
        acknowledge(f"event {number} {begun.seq}")
        while True:
            thought = AgentThinking("x" * 200, ordinal + 1)
            event = await log.append(writer(number), _event(thought, run, "think", ordinal))
            acknowledge(f"event {number} {event.seq}")
            ordinal += 1

    await asyncio.gather(*(work(n) for n in range(WRITERS) for work in (states, events)))


def _event(payload: AgentStarted | AgentThinking, run: str, step: str, ordinal: int) -> NewEvent:
    return NewEvent.of(
        payload,
        run_id=run,
        thread_id="t",
        step=step,
        ordinal=ordinal,
        agent_name="supervisor",
    )
