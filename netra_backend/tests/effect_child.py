"""A platform process that dies, or stops, around an effect of its question.

The one argument is a Plan as JSON. The signal comes after the effect and before anything is
recorded (`after`), or after the ledger has its outcome and before the step has (`settled`).
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from netra_backend.agents.context import Effect, ToolPolicy
from netra_backend.composition import Platform
from netra_backend.tests.agents_kit import with_payment
from netra_backend.tests.kit import ended, person, stack
from netra_core.testing.postgres import TestDatabase


class Plan(msgspec.Struct):
    """What the process does."""

    home: str
    till: str
    effect: Effect = Effect.ONCE
    when: Literal["after", "settled"] = "after"
    signal: int = signal.SIGKILL
    database: tuple[str, str, int] | None = None


def at_the_record(platform: Platform, now: Callable[[], None]) -> None:
    """Call `now` between the end of the payment's step and its record."""
    step = platform.engine.step

    async def watched(name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        async def body() -> Any:
            value = await fn()
            if name.endswith(".pay"):
                now()
            return value

        return await step(name, body)

    platform.engine.step = watched  # type: ignore[method-assign]


async def main(plan: Plan) -> None:
    def now() -> None:
        os.kill(os.getpid(), plan.signal)

    def before_start(platform: Platform) -> None:
        after = now if plan.when == "after" else lambda: None
        with_payment(plan.till, ToolPolicy(effect=plan.effect), after)(platform)
        if plan.when == "settled":
            at_the_record(platform, now)

    database = TestDatabase(*plan.database) if plan.database else None
    node_id = "victim" if plan.database else None
    async with stack(
        Path(plan.home), database=database, node_id=node_id, before_start=before_start
    ) as made:
        async with person(made.url, "ada", how="login" if database else "register") as ada:
            accepted = await ada.ask("Pay, please.")
            await ended(ada, accepted["run_id"])


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
