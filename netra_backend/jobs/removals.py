"""Removing usage for good: what is too old, and what somebody asks for.

Each removal is durable work: one that a crash cut off goes on from where it was, and tells what
there was before its first attempt.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from netra_backend.jobs.removal_store import Found, RemovalKind, RemovalRecord, RemovalStore
from netra_backend.runs.durable import DurableEngine
from netra_backend.usage.choice import UsageChoice
from netra_backend.usage.service import UsageService
from netra_core.context import UserExecutionContext
from netra_core.errors import ApexError
from netra_core.events.types import JsonObject
from netra_optimizer.errors import OptimizerError

if TYPE_CHECKING:
    from netra_optimizer import PriceTable, TenantUsage

KIND: Final = "removal"

_log = structlog.get_logger(__name__)


class RemovalService:
    """Begins removals, does them, and looks now and then for what is due.

    `keep_days` says for a workspace how long its calls are kept, None for ever; `limited` whether
    there is any such limit.
    """

    def __init__(
        self,
        *,
        engine: DurableEngine,
        store: RemovalStore,
        usage: UsageService,
        clock: Callable[[], datetime],
        ids: Callable[[], str],
        keep_days: Callable[[str], int | None],
        limited: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._store = store
        self._usage = usage
        self._clock = clock
        self._ids = ids
        self._keep_days = keep_days
        self._limited = limited
        engine.register(KIND, self._execute)

    async def begin(self, ctx: UserExecutionContext, choice: UsageChoice) -> RemovalRecord:
        """Remove the chosen calls of this workspace. Raises for a choice that cannot be meant."""
        choice.as_filter().where()
        removal_id = self._ids()
        await self._begin(removal_id, RemovalKind.REQUEST, ctx.workspace_id, ctx.user_id, choice)
        return await self._store.get(ctx, removal_id)

    def kept_since(self, workspace_id: str) -> datetime | None:
        """The midnight UTC before which calls are removed; None where they are kept for ever."""
        days = self._keep_days(workspace_id)
        if days is None:
            return None
        today = self._clock().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=days)

    async def due(self, ctx: UserExecutionContext) -> int:
        """How many calls of the workspace are older than that."""
        since = self.kept_since(ctx.workspace_id)
        if since is None:
            return 0
        return (await self._usage.totals(ctx, _until(since))).requests

    async def sweep(self) -> None:
        """Begin what is too old, once a workspace and day."""
        if self._usage.empty or not (self._usage.opened or self._limited()):
            return
        for workspace_id, oldest in (await self._usage.oldest()).items():
            since = self.kept_since(workspace_id)
            if since is not None and oldest < since:
                name = f"keep-{workspace_id}-{since:%Y%m%d}"
                await self._begin(name, RemovalKind.RETENTION, workspace_id, choice=_until(since))

    async def reconcile(self) -> None:
        """After a start: begin again what was recorded and never begun."""
        for removal_id in await self._store.open_of(self._engine.node_id):
            status = await self._engine.status(removal_id)
            if status is None:
                await self._engine.submit(KIND, removal_id)
            elif status not in ("PENDING", "ENQUEUED"):
                await self._store.fail(
                    removal_id, code="RUN-009", message="The removal could not be recovered."
                )

    async def _begin(
        self,
        removal_id: str,
        kind: RemovalKind,
        workspace_id: str,
        user_id: str = "",
        choice: UsageChoice | None = None,
    ) -> None:
        named = msgspec.structs.asdict(choice or UsageChoice())
        made = await self._store.create(
            removal_id,
            workspace_id=workspace_id,
            user_id=user_id,
            kind=kind,
            chosen={name: text for name, text in named.items() if text is not None},
            node=self._engine.node_id,
        )
        if made:
            await self._engine.submit(KIND, removal_id)

    async def _execute(self, removal_id: str) -> None:
        record = await self._store.claim(removal_id, self._engine.node_id)
        if record is None:
            return
        try:
            await self._remove(record)
        except (OptimizerError, ApexError) as error:
            await self._store.fail(
                removal_id, code=error.code, message=f"{error.message} {error.hint}".strip()
            )
        except Exception as error:  # whatever it is, the removal ends and says so
            _log.exception("removal_failed", removal_id=removal_id)
            said = f"Unexpected {type(error).__name__}; the server's log says more."
            await self._store.fail(removal_id, code="API-500", message=said)

    async def _remove(self, record: RemovalRecord) -> None:
        step = self._engine.step
        body: JsonObject = await step("find", lambda: self._find(record))
        found = msgspec.convert(body, Found)
        await self._store.found(record.id, found)
        after: int = await step("erase", lambda: self._erase(record))
        await self._store.complete(record.id, removed=found.going, after=after)
        _log.info("usage_removed", removal_id=record.id, kind=str(record.kind), calls=found.going)

    async def _find(self, record: RemovalRecord) -> JsonObject:
        where = UsageChoice(**record.chosen).as_filter()

        def find(tenant: "TenantUsage", prices: "PriceTable") -> Found:
            going = tenant.summary(where, prices=prices)
            return Found(
                calls=tenant.requests(), going=going.requests, first=going.first, last=going.last
            )

        if self._usage.empty:
            return msgspec.to_builtins(Found(calls=0, going=0, first=None, last=None))
        return msgspec.to_builtins(await self._usage.run_import(record.context(), find))

    async def _erase(self, record: RemovalRecord) -> int:
        where = UsageChoice(**record.chosen).as_filter()

        def erase(tenant: "TenantUsage", _: "PriceTable") -> int:
            tenant.erase(where)
            return tenant.requests()

        return 0 if self._usage.empty else await self._usage.run_import(record.context(), erase)


def _until(since: datetime) -> UsageChoice:
    return UsageChoice(end=since.isoformat())
