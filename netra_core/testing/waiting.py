"""Waiting in tests for what nobody announces: the condition itself is looked at again."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def until(look: Callable[[], Any], *, every_s: float = 0.02) -> Any:
    """The first answer of `look` that is true; the test's own time limit ends the wait.

    `look` may be a function or a coroutine function.
    """
    # Any: whatever is looked for.
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(every_s)
