"""A platform process that kills itself at the n-th event of its question.

The one argument is a Plan as JSON. It first brings the run that its predecessor left to its end and
says `recovered`; then it asks, and gets its signal, or says `done`. Every begun and every finished
step goes to `<home>/steps.log`.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from netra_backend.composition import Platform
from netra_backend.tests.kit import ended, person, stack
from netra_core.context import UserExecutionContext
from netra_core.events.port import EventLog, NewEvent
from netra_core.events.types import Event
from netra_core.testing.postgres import TestDatabase


class DeadlyLog:
    """The event log, until the n-th new event is committed."""

    def __init__(self, log: Any, at: int, number: int) -> None:
        self._log = log
        self._at = at
        self._number = number
        self._seen: set[str] = set()
        self.armed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, ctx: UserExecutionContext, new: NewEvent) -> Event:
        event = await self._log.append(ctx, new)
        self._count([event])
        return event

    async def append_many(self, ctx: UserExecutionContext, new: Sequence[NewEvent]) -> list[Event]:
        events = await self._log.append_many(ctx, new)
        self._count(events)
        return events

    def _count(self, events: Sequence[Event]) -> None:
        if self.armed:
            self._seen.update(event.event_id for event in events)
            if self._at and len(self._seen) >= self._at:
                self._at = 0
                os.kill(os.getpid(), self._number)


def watch_steps(platform: Platform, file: Path) -> None:
    """Note each step as it begins and once it is recorded."""
    engine = platform.engine
    step = engine.step
    note = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def noted(name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        run = next(iter(platform.runs.live))

        async def body() -> Any:
            os.write(note, f"begin {run} {name}\n".encode())
            return await fn()

        value = await step(name, body)
        os.write(note, f"end {run} {name}\n".encode())
        return value

    engine.step = noted  # type: ignore[method-assign]


class Plan(msgspec.Struct):
    """What one process does: its question's number, and at which event it gets which signal."""

    home: str
    number: int
    at: int
    signal: int = signal.SIGKILL
    database: tuple[str, str, int] | None = None
    node_id: str | None = None


async def main(plan: Plan) -> None:
    home, number = Path(plan.home), plan.number
    database = TestDatabase(*plan.database) if plan.database else None
    deadly: list[DeadlyLog] = []

    def change(deps: Any) -> Any:
        log: EventLog = DeadlyLog(deps.events, plan.at, plan.signal)
        deadly.append(log)  # type: ignore[arg-type]
        return replace(deps, events=log)

    how = "register" if number == 0 else "login"
    async with stack(
        home,
        change=change,
        database=database,
        node_id=plan.node_id,
        before_start=lambda platform: watch_steps(platform, home / "steps.log"),
    ) as made:
        began = time.monotonic()
        async with person(made.url, "ada", how=how) as ada:
            runs = (await ada.http.get("/api/runs?limit=1")).json()["items"]
            left = runs[0]["id"] if runs else ""
            if left:
                run = await ended(ada, left)
                took = time.monotonic() - began
                events = await ada.events(left)
                say("recovered", run=run, events=events, seconds=took)
            deadly[0].armed = True
            accepted = await ada.ask("Where can we save money?", client_message_id=f"q{number}")
            await ended(ada, accepted["run_id"])
            say("done", run=await ada.run(accepted["run_id"]))


def say(what: str, **more: Any) -> None:
    print(json.dumps({"what": what, **more}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
