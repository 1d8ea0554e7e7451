"""Imports: a file of usage read into the workspace, in the background, once, with its audit."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from netra_backend.errors import FencedError, ImportLostError, RunLostError
from netra_backend.jobs.store import ImportOutcome, ImportRecord, ImportStatus, ImportStore
from netra_backend.runs.durable import DurableEngine
from netra_backend.runs.token import CancelToken, RunCancelledSignal
from netra_backend.usage.service import UsageService, WorkAbandonedError, reading
from netra_core.context import UserExecutionContext
from netra_core.errors import ApexError
from netra_core.events.types import JsonObject
from netra_optimizer.errors import InputError, OptimizerError

if TYPE_CHECKING:
    from netra_optimizer import PriceTable, TenantUsage

KIND: Final = "import"
MOST_BEGUN: Final = 5
"""An import that was begun so often, and cut off each time, most likely takes its server along."""
_TELL_EVERY_S: Final = 0.5

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ReadSoFar:
    """Written by the thread that reads, seen by the loop that tells."""

    rows: int = 0
    bytes: int = 0
    format: str | None = None
    stop: Callable[[], bool] = field(default=lambda: False)


class ImportService:
    """Begins, follows, cancels and recovers imports.

    An import interrupted by a crash is read again from its start: records have stable ids, so the
    second reading changes nothing that the first one had stored. One that was cut off MOST_BEGUN
    times is begun no more; orderly stops do not count.
    """

    def __init__(
        self,
        *,
        engine: DurableEngine,
        store: ImportStore,
        usage: UsageService,
    ) -> None:
        self._engine = engine
        self._store = store
        self._usage = usage
        self._tokens: dict[str, CancelToken] = {}
        engine.register(KIND, self._execute)

    async def begin(
        self,
        ctx: UserExecutionContext,
        *,
        file_name: str,
        path: Path,
        size: int,
        options: JsonObject,
    ) -> ImportRecord:
        """Record the import and start it."""
        record = await self._store.create(
            ctx,
            file_name=file_name,
            path=str(path),
            size=size,
            options=options,
            node=self._engine.node_id,
        )
        await self._engine.submit(KIND, record.id)
        return record

    async def cancel(self, ctx: UserExecutionContext, import_id: str) -> ImportRecord:
        """Stop an import; what it has stored stays. Answers the import as it is then."""
        record = await self._store.ask_cancel(ctx, import_id, reason="cancelled by the user")
        if (token := self._tokens.get(import_id)) is not None:
            token.cancel("cancelled by the user")
        return record

    async def reconcile(self) -> None:
        """After a start: begin again what was recorded and never begun."""
        for record in await self._store.open_of(self._engine.node_id):
            status = await self._engine.status(record.id)
            if status is None:
                await self._engine.submit(KIND, record.id)
            elif status not in ("PENDING", "ENQUEUED"):
                await self._store.finish(
                    record.id,
                    _failed(RunLostError("The import could not be recovered.")),
                )

    async def give_up(self, nodes: Sequence[str]) -> None:
        """End the imports of nodes that are gone, and the files of these imports with them."""
        for record in await self._store.stranded_with(nodes):
            _log.warning("import_lost", import_id=record.id)
            await self._settle(record)
            await self._store.finish(record.id, _failed(_file_gone()))

    async def _execute(self, import_id: str) -> None:
        record = await self._store.claim(import_id, self._engine.node_id)
        if record is None:
            return
        if (refusal := await self._refusal(record)) is not None:
            await self._end(record, _failed(refusal))
            return
        token = self._tokens[import_id] = CancelToken()
        if record.cancel_reason is not None:
            token.cancel(record.cancel_reason)
        try:
            token.check()
            body: JsonObject = await self._engine.step("import", lambda: self._read(record, token))
            outcome = msgspec.convert(body, ImportOutcome)
        except RunCancelledSignal:
            outcome = ImportOutcome(status=ImportStatus.CANCELLED)
        except FencedError:
            return
        except asyncio.CancelledError:
            await self._store.interrupted(import_id)
            raise
        finally:
            self._tokens.pop(import_id, None)
        await self._end(record, outcome)

    async def _refusal(self, record: ImportRecord) -> ApexError | None:
        """Why an import is not begun, not again; None where nothing speaks against it."""
        if not await asyncio.to_thread(Path(record.path).exists):
            return _file_gone()
        if record.begun > MOST_BEGUN:
            return RunLostError(
                f"The import was cut off {MOST_BEGUN} times, each time with its server.",
                hint="Its memory may not do for this file: send it in smaller parts.",
            )
        return None

    async def _settle(self, record: ImportRecord) -> None:
        """Have nothing count twice of which a crash left a part beside an earlier export of it."""
        if self._usage.empty:
            return
        try:
            await self._usage.run(record.context(), lambda tenant, _: tenant.settle(record.id))
        except (OptimizerError, ApexError) as error:  # the import has to end nevertheless
            _log.warning("import_not_settled", import_id=record.id, code=error.code)

    async def _end(self, record: ImportRecord, outcome: ImportOutcome) -> None:
        if outcome.status is not ImportStatus.COMPLETED:
            await self._settle(record)
        await self._store.finish(record.id, outcome)
        await asyncio.to_thread(Path(record.path).unlink, missing_ok=True)

    async def _read(self, record: ImportRecord, token: CancelToken) -> JsonObject:
        so_far = ReadSoFar(stop=lambda: token.cancelled)
        ended = asyncio.Event()
        teller = asyncio.create_task(self._tell(record, so_far, token, ended))
        try:
            outcome = await token.guard(
                self._usage.run_import(
                    record.context(), lambda tenant, prices: _load(record, so_far, tenant, prices)
                )
            )
        except WorkAbandonedError:
            raise RunCancelledSignal(token.reason or "cancelled") from None
        except (OptimizerError, ApexError) as error:
            outcome = ImportOutcome(
                status=ImportStatus.FAILED,
                error_code=error.code,
                error_message=_said_of(record, f"{error.message} {error.hint}".strip()),
                rows_read=so_far.rows,
                bytes_read=so_far.bytes,
                format=so_far.format,
            )
        except Exception as error:  # whatever the file holds, the import ends and says so
            _log.exception("import_failed", import_id=record.id)
            outcome = ImportOutcome(
                status=ImportStatus.FAILED,
                error_code="OPT-100",
                error_message=f"The file could not be read: unexpected {type(error).__name__}.",
            )
        finally:
            so_far.stop = lambda: True  # nobody waits for the thread any more, if it still reads
            ended.set()
            await teller  # in the middle of a write, perhaps, which is not to be cut off
        return msgspec.to_builtins(outcome)

    async def _tell(
        self, record: ImportRecord, so_far: ReadSoFar, token: CancelToken, ended: asyncio.Event
    ) -> None:
        """Tell how far it is, and hear whether another node was asked to stop it."""
        while not await _set_within(ended, _TELL_EVERY_S):
            try:
                stop = await self._store.progress(
                    record.id,
                    rows_read=so_far.rows,
                    bytes_read=min(so_far.bytes, record.bytes_total),
                    file_format=so_far.format,
                )
            except ApexError as error:  # the next time tells as much
                _log.warning("import_progress_not_told", import_id=record.id, code=error.code)
                continue
            if stop is not None:
                token.cancel(stop)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _file_gone() -> ImportLostError:
    return ImportLostError(
        "The file of this import lay on a machine that is gone.",
        hint="Send it again: what was stored of it is recognized.",
    )


def _failed(error: ApexError) -> ImportOutcome:
    return ImportOutcome(
        status=ImportStatus.FAILED,
        error_code=error.code,
        error_message=f"{error.message} {error.hint}".strip(),
    )


def _said_of(record: ImportRecord, message: str) -> str:
    """With the name that the file came with, not the one it is stored under."""
    return message.replace(Path(record.path).name, record.file_name)


def _load(
    record: ImportRecord, so_far: ReadSoFar, tenant: "TenantUsage", _: "PriceTable"
) -> ImportOutcome:
    """In a thread: read the file and insert it; of a file that is refused nothing stays."""
    from netra_optimizer import read_files
    from netra_optimizer.usage.filters import UsageFilter

    imported = read_files(
        [Path(record.path)],
        **reading(record.options),
        progress=_progress(so_far),
        import_id=record.id,
    )
    try:
        tenant.insert(_counted(imported.batches(), so_far), import_id=record.id)
    except InputError:
        tenant.erase(UsageFilter(import_id=record.id))
        raise
    audit = imported.audit
    return ImportOutcome(
        status=ImportStatus.COMPLETED,
        format=str(imported.format),
        rows_read=audit.rows_read,
        rows_kept=audit.rows_kept,
        bytes_read=record.bytes_total,
        audit=msgspec.to_builtins(audit),
    )


def _progress(so_far: ReadSoFar) -> Callable[[int, int], None]:
    def tell(bytes_done: int, _bytes_total: int) -> None:
        if so_far.stop():
            raise WorkAbandonedError
        so_far.bytes = bytes_done

    return tell


def _counted(batches: "Iterator[Any]", so_far: ReadSoFar) -> "Iterator[Any]":
    # Any: pyarrow, whose batches these are, has no types.
    for batch in batches:
        if so_far.stop():
            raise WorkAbandonedError
        so_far.rows += batch.num_rows
        yield batch
