"""Usage that comes in small pieces, stored in large ones."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter

from netra_backend.errors import IngestFullError
from netra_backend.usage.service import UsageService
from netra_core.context import UserExecutionContext

if TYPE_CHECKING:
    from netra_optimizer.usage.record import UsageRecord

MAX_WAITING: Final = 100_000
_MAX_BATCH: Final = 20_000
_DECODERS: Final = 4


@dataclass(slots=True, eq=False)
class _Piece:
    ctx: UserExecutionContext
    records: "list[UsageRecord]"
    done: "asyncio.Future[None]"


class Ingest:
    """Gathers records while a batch is being stored; a caller returns once its own are stored.

    At most `max_waiting` records wait; more is refused with IngestFullError.
    """

    def __init__(self, usage: UsageService, *, max_waiting: int = MAX_WAITING) -> None:
        self._usage = usage
        self._max_waiting = max_waiting
        self._pieces: deque[_Piece] = deque()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self.decoders = CapacityLimiter(_DECODERS)
        """Bodies unpacked at once: each may be large, and more would not be quicker."""

    def require_room(self) -> None:
        """Raise IngestFullError where nothing more may wait; asked before a body is unpacked."""
        if self._waiting >= self._max_waiting:
            raise _full()

    async def add(self, ctx: UserExecutionContext, records: "list[UsageRecord]") -> None:
        """Store records of the context's workspace; one that is there already changes nothing."""
        if not records:
            return
        if self._waiting + len(records) > self._max_waiting and self._waiting:
            raise _full()
        piece = _Piece(ctx, records, asyncio.get_running_loop().create_future())
        self._pieces.append(piece)
        self._waiting += len(records)
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name="apex-ingest")
        await piece.done

    async def close(self) -> None:
        """Wait until everything that was taken is stored."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _drain(self) -> None:
        try:
            while self._pieces:
                await self._store(self._next_batch())
        finally:
            self._task = None

    def _next_batch(self) -> list[_Piece]:
        """The oldest piece and what follows of the same workspace, up to a limit."""
        first = self._pieces[0]
        batch: list[_Piece] = []
        rest: deque[_Piece] = deque()
        size = 0
        for piece in self._pieces:
            fits = size + len(piece.records) <= _MAX_BATCH or not batch
            if piece.ctx.workspace_id == first.ctx.workspace_id and fits:
                batch.append(piece)
                size += len(piece.records)
            else:
                rest.append(piece)
        self._pieces = rest
        return batch

    async def _store(self, batch: list[_Piece]) -> None:
        records = [record for piece in batch for record in piece.records]
        try:
            await self._usage.run(batch[0].ctx, lambda tenant, _: tenant.insert([records]))
        except Exception as error:  # every caller of the batch gets what went wrong
            for piece in batch:
                if not piece.done.done():
                    piece.done.set_exception(error)
        else:
            for piece in batch:
                if not piece.done.done():
                    piece.done.set_result(None)
        finally:
            self._waiting -= len(records)


def _full() -> IngestFullError:
    return IngestFullError("Too much usage waits to be stored.", hint="Send it again later.")
