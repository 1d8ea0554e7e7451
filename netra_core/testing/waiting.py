"""Waiting for a condition, bounded, with a failure that names it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Final, TypeVar

import pytest

T = TypeVar("T")
WAIT_S: Final = 30.0
_EVERY_S: Final = 0.01


async def eventually(
    probe: Callable[[], T | Awaitable[T]],
    *,
    what: str = "the condition",
    within_s: float = WAIT_S,
) -> T:
    """The first truthy answer of `probe`, asked again and again; fails the test by name."""
    deadline = time.monotonic() + within_s
    while True:
        answer = probe()
        result: Any = await answer if isawaitable(answer) else answer
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within_s} s in vain for {what}")
        await asyncio.sleep(_EVERY_S)
