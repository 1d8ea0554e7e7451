"""Background tasks that are restarted when they fail and awaited when they end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

_log = structlog.get_logger("netra.tasks")


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """One supervised task."""

    name: str
    running: bool
    restarts: int
    last_error: str


class _Supervised:
    __slots__ = ("last_error", "restarts", "stopping", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.restarts = 0
        self.stopping = False
        self.last_error = ""


class TaskSupervisor:
    """Runs named background tasks of one owner.

    A task that raises is started again after a back-off that doubles from `backoff_s` to
    `max_backoff_s` and starts over after a minute without failure. One that returns is done.
    `stop` cancels and awaits all; it can be called twice and from any task but a supervised one.
    """

    def __init__(
        self,
        *,
        backoff_s: float = 0.1,
        max_backoff_s: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._backoff_s = backoff_s
        self._max_backoff_s = max_backoff_s
        self._sleep = sleep
        self._tasks: dict[str, _Supervised] = {}

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`; ValueError when a task of this name is running."""
        known = self._tasks.get(name)
        if known is not None and known.task is not None and not known.task.done():
            raise ValueError(f"a task named {name!r} is running already")
        supervised = _Supervised()
        self._tasks[name] = supervised
        supervised.task = asyncio.create_task(self._run(name, supervised, work), name=name)

    async def restart(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Cancel and await the task of this name, if any, and start it again."""
        known = self._tasks.pop(name, None)
        if known is not None and known.task is not None:
            known.stopping = True
            known.task.cancel()
            await asyncio.wait([known.task])
        self.start(name, work)

    def health(self) -> list[TaskHealth]:
        """All tasks ever started and not stopped, by name."""
        return [
            TaskHealth(
                name,
                supervised.task is not None and not supervised.task.done(),
                supervised.restarts,
                supervised.last_error,
            )
            for name, supervised in sorted(self._tasks.items())
        ]

    async def stop(self) -> None:
        """Cancel and await every task."""
        stopping = list(self._tasks.values())
        self._tasks.clear()
        tasks = [supervised.task for supervised in stopping if supervised.task is not None]
        for supervised in stopping:
            supervised.stopping = True
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(
        self, name: str, supervised: _Supervised, work: Callable[[], Awaitable[None]]
    ) -> None:
        loop = asyncio.get_running_loop()
        backoff = self._backoff_s
        while True:
            began = loop.time()
            try:
                await work()
                return
            except Exception as error:
                if supervised.stopping:  # work may turn its cancellation into an error
                    return
                supervised.restarts += 1
                supervised.last_error = f"{type(error).__name__}: {error}"
                _log.error("background task failed", task=name, error=supervised.last_error)
            if loop.time() - began > 60:
                backoff = self._backoff_s
            await self._sleep(backoff)
            backoff = min(backoff * 2, self._max_backoff_s)
