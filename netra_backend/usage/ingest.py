"""Usage that comes in small pieces, stored in large ones."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from anyio import CapacityLimiter

from netra_backend.errors import IngestFullError
from netra_backend.usage.bounds import Held, HeldBytes, Turns
from netra_backend.usage.service import UsageService
from netra_core.context import UserExecutionContext

if TYPE_CHECKING:
    from netra_optimizer.usage.importers import Traces
    from netra_optimizer.usage.record import UsageRecord

MAX_WAITING: Final = 100_000
MAX_BODY: Final = 64 << 20
"""Bytes of one export, packed and unpacked."""
MAX_HELD: Final = 2 * MAX_BODY
"""Bytes of all exports that are being received, unpacked and decoded; one of any size fits."""
BODY_WITHIN_S: Final = 60.0
"""A body that comes more slowly keeps the place of others; exporters give up far sooner."""
_DECODED_AT_ONCE: Final = MAX_BODY + MAX_BODY // 2
"""Decoding takes several times a body's bytes: one of the largest, and small ones beside it."""
_MAX_BATCH: Final = 20_000
_DECODERS: Final = 4
_GATHER_S: Final = 0.025
_WORTH_STORING: Final = 8192
"""Storing takes as long for five hundred records as for some thousand, so where several send, few
records wait for others a moment. Who sends alone never waits."""


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
        self._decoders = CapacityLimiter(_DECODERS)
        self._decoding = Turns(_DECODED_AT_ONCE)
        self.bodies = HeldBytes(MAX_HELD)
        self.body_within_s = BODY_WITHIN_S

    def require_room(self) -> None:
        """Raise IngestFullError where nothing more may wait; asked before a body is unpacked."""
        if self._waiting >= self._max_waiting:
            raise _full()

    async def take(
        self,
        ctx: UserExecutionContext,
        body: "bytearray",
        held: Held,
        *,
        content_type: str,
        content_encoding: str,
    ) -> "Traces":
        """Unpack, decode and store an export, part by part; what was read of it.

        A body that is no export leaves nothing. One that is refused for want of room may have left
        its first parts, which are recognized when it is sent again. Raises IngestFullError, and
        FileDamaged or FileTooLarge for the body itself.
        """

        def unpack() -> "bytes | bytearray":
            from netra_optimizer.usage.importers import unpacked

            return unpacked(body, content_encoding, limit=MAX_BODY, taking=held.take)

        def begin() -> "tuple[Traces, list[UsageRecord]]":
            from netra_optimizer.usage.importers import Traces

            traces = Traces(data, content_type=content_type)
            return traces, traces.part()

        data: bytes | bytearray = body
        if content_encoding:
            data = await anyio.to_thread.run_sync(unpack, limiter=self._decoders)
            held.take(-len(body))
            body = bytearray()  # lets the packed bytes go
        async with self._decoding.turn(len(data)):
            traces, records = await anyio.to_thread.run_sync(begin, limiter=self._decoders)
            await self.add(ctx, records)
            while not traces.ended:
                records = await anyio.to_thread.run_sync(traces.part, limiter=self._decoders)
                await self.add(ctx, records, begun=True)
        return traces

    async def add(
        self, ctx: UserExecutionContext, records: "list[UsageRecord]", *, begun: bool = False
    ) -> None:
        """Store records of the context's workspace; one that is there already changes nothing.

        What goes on from `begun` work is taken though more waits than may.
        """
        if not records:
            return
        if not begun and self._waiting and self._waiting + len(records) > self._max_waiting:
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
                if self._pieces and self._waiting < _WORTH_STORING:
                    await asyncio.sleep(_GATHER_S)
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
