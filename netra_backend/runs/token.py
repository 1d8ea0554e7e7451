"""The cancel token of one execution: asked to stop once, heard by whatever works."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class RunCancelledSignal(BaseException):
    """The run was cancelled. Not an Exception: an agent's own `except Exception` lets it pass."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CancelToken:
    """Cancels what runs under it, within one turn of the event loop.

    Threads cannot be stopped: long work in a thread asks `cancelled` now and then.
    """

    def __init__(self) -> None:
        self._reason: str | None = None
        self._event = asyncio.Event()

    @property
    def reason(self) -> str | None:
        """Why, or None while nobody asked."""
        return self._reason

    @property
    def cancelled(self) -> bool:
        """True once somebody asked. Safe to read from any thread."""
        return self._reason is not None

    def cancel(self, reason: str) -> None:
        """Ask to stop; the first reason stands. From the event loop only."""
        if self._reason is None:
            self._reason = reason
            self._event.set()

    def check(self) -> None:
        """Raise RunCancelledSignal when somebody asked."""
        if self._reason is not None:
            raise RunCancelledSignal(self._reason)

    async def guard(self, work: Awaitable[T]) -> T:
        """Await `work`, but stop it and raise RunCancelledSignal when asked to."""
        task = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise RunCancelledSignal(self._reason or "cancelled")
        finally:
            asked.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
