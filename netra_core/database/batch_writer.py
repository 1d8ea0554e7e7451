"""BatchWriter: one function writes whatever many callers put in, a group at a time."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from itertools import islice
from typing import Generic, TypeVar

from sqlalchemy import Connection

from netra_core.database.errors import WriteQueueClosedError
from netra_core.database.group_commit import GroupCommit
from netra_core.database.scope import SystemContext

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class BatchWriter(Generic[ItemT, ResultT]):
    """Collects items while a commit is under way and writes them all in the next one.

    `write(connection, items)` answers for each item, in order, its result or the exception that
    this caller alone gets; when `write` itself raises, every caller of the group does and `failed`
    is told, so that caches can be dropped. `committed(items, answers)` runs on the loop after the
    commit, in commit order, before the callers go on; it must not block or raise.
    """

    def __init__(
        self,
        commits: GroupCommit,
        write: Callable[[Connection, Sequence[ItemT]], Sequence[ResultT | Exception]],
        *,
        actor: str,
        committed: Callable[[Sequence[ResultT | Exception]], None] = lambda _answers: None,
        failed: Callable[[], None] = lambda: None,
        max_group: int = 512,
        max_waiting: int = 8192,
    ) -> None:
        self._commits = commits
        self._write = write
        self._ctx = SystemContext(actor=actor)
        self._committed = committed
        self._failed = failed
        self._max_group = max_group
        self._slots = asyncio.Semaphore(max_waiting)
        self._waiting: deque[tuple[ItemT, asyncio.Future[ResultT]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def put(self, item: ItemT) -> ResultT:
        """Write one item; returns its result after the commit."""
        self._commits.refuse_nesting()
        async with self._slots:
            if self._closed:
                raise WriteQueueClosedError("the database's writer was shut down")
            future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
            self._waiting.append((item, future))
            if self._task is None:
                self._task = asyncio.create_task(
                    self._drain(),
                    name=f"apex-{self._ctx.actor}",
                    context=Context(),  # everybody's work: nobody's request
                )
            return await future

    async def close(self) -> None:
        """Write what waits, then refuse more."""
        self._closed = True
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group = list(islice(self._waiting, self._max_group))
                for _ in group:
                    self._waiting.popleft()
                await self._write_group(group)
        finally:
            self._task = None
            for _, future in self._waiting:  # only when this task itself was cancelled
                future.cancel()
            self._waiting.clear()

    async def _write_group(self, group: list[tuple[ItemT, "asyncio.Future[ResultT]"]]) -> None:
        items = [item for item, _ in group]
        try:
            answers = await self._commits.submit(self._ctx, lambda c: self._write(c, items))
        except BaseException as error:
            self._failed()
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        self._committed(answers)
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
