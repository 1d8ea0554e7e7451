"""A workspace's usage: stored, read and analysed in threads, for the caller's workspace only."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import structlog

from netra_backend.errors import InvalidRequestError
from netra_backend.usage.choice import UsageChoice, moment
from netra_backend.usage.facts import NO_USAGE, Failures, LoadProfile, Profile, Repriced, UsageRow
from netra_core.context import UserExecutionContext
from netra_core.events.types import JsonObject

if TYPE_CHECKING:
    from netra_optimizer import (
        Analysis,
        AnalysisOptions,
        Anomalies,
        Forecast,
        Limit,
        PriceTable,
        TenantUsage,
        TimeSpent,
        UsageFrame,
        UsageStore,
    )
    from netra_optimizer.usage.store import BreakdownRow, UsageSummary

T = TypeVar("T")
Stop = Callable[[], bool]
"""Asked now and then by long work in a thread; True means that nobody wants the answer."""

_log = structlog.get_logger(__name__)
_THREADS = 2
_IMPORTS = 1
"""Files read at once: reading keeps a core busy, and questions must not wait for it."""
_REST_S = 0.5
"""After so long without work the memory that work left behind is given back."""
MAX_EXPORTED = 1_000_000
"""Calls that one exported file may hold: they are in memory while it is written."""


class WorkAbandonedError(Exception):
    """Nobody waits for this thread's work any more."""


def reading(options: JsonObject) -> JsonObject:
    """An import's options as `read_files` takes them."""
    given = dict(options)
    return {"fmt": given.pop("format", None), **given}


class UsageService:
    """The one door to the usage store.

    The tenant is the context's workspace, bound here, so no caller can name another. The store,
    chDB and numpy are loaded at the first use, and work runs in a few threads of its own. Where
    `kept` tells, without opening it, that the store was never written, questions are answered
    without loading anything.
    """

    def __init__(
        self, open_store: "Callable[[], UsageStore]", *, kept: Callable[[], bool] = lambda: True
    ) -> None:
        self._open_store = open_store
        self._kept = kept
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="usage")
        self._imports = ThreadPoolExecutor(_IMPORTS, thread_name_prefix="usage-import")
        self._opening = Lock()
        self._store: UsageStore | None = None
        self._prices: PriceTable | None = None
        self._frames: dict[str, tuple[object, UsageFrame]] = {}
        self._at_work = 0
        self._rest: asyncio.TimerHandle | None = None

    @property
    def opened(self) -> bool:
        """True once analytics have been used."""
        return self._store is not None

    @property
    def empty(self) -> bool:
        """True when no workspace can have usage."""
        return not self.opened and not self._kept()

    async def warm(self) -> None:
        """Load what the first analysis needs, so that it does not wait for it."""

        def load() -> None:
            from netra_optimizer import analyze

            self._open()
            assert analyze

        if self.empty:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, load)
        except Exception:
            # Whoever uses it next gets the error; starting does not depend on it.
            _log.exception("usage_not_warmed")

    async def run(
        self, ctx: UserExecutionContext, work: "Callable[[TenantUsage, PriceTable], T]"
    ) -> T:
        """Run `work` in a thread on this workspace's usage."""
        return await self._run_in(self._threads, ctx, work)

    async def run_import(
        self, ctx: UserExecutionContext, work: "Callable[[TenantUsage, PriceTable], T]"
    ) -> T:
        """The same for work that takes minutes; it waits for others of its kind alone."""
        return await self._run_in(self._imports, ctx, work)

    async def check_reading(self, options: JsonObject) -> None:
        """Look at an import's options before its file is kept. Raises OptimizerError."""

        def check() -> None:
            from netra_optimizer.usage.reading import check_reading

            check_reading(**reading(options))

        await asyncio.get_running_loop().run_in_executor(self._threads, check)

    async def totals(self, ctx: UserExecutionContext, choice: UsageChoice) -> "UsageSummary":
        """Totals of the chosen calls; zeros where there are none."""
        where = choice.as_filter()
        if self.empty:
            return _no_totals()
        return await self.run(ctx, lambda tenant, prices: tenant.summary(where, prices=prices))

    async def oldest(self) -> dict[str, datetime]:
        """When each workspace's first call began; for the platform, which asks for nobody."""

        def look() -> dict[str, datetime]:
            store, _ = self._open()
            return store.oldest()

        return await self._work(self._threads, look)

    async def breakdown(
        self, ctx: UserExecutionContext, by: str, choice: UsageChoice, *, limit: int
    ) -> list[UsageRow]:
        """Totals by group, at most `limit`, the dearest first; over time in time's order."""

        def work(tenant: "TenantUsage", prices: "PriceTable") -> list[UsageRow]:
            found = tenant.breakdown(by, where, prices=prices, limit=limit)
            return [_usage_row(by, row) for row in found]

        where = choice.as_filter()
        if self.empty:
            return []
        return await self.run(ctx, work)

    async def export(
        self, ctx: UserExecutionContext, path: Path, fmt: str, choice: UsageChoice
    ) -> int:
        """Write the chosen calls (csv, parquet) or their cost rows (focus) to `path`; the rows.

        Nothing stays there when it fails or is cancelled. Raises InvalidRequestError for more calls
        than one file may hold.
        """

        def work(tenant: "TenantUsage", prices: "PriceTable") -> int:
            from netra_optimizer.usage.export import export_usage

            where = choice.as_filter()
            if fmt != "focus" and (calls := tenant.count(where)) > MAX_EXPORTED:
                raise InvalidRequestError(
                    f"These are {calls:,} calls; a file holds {MAX_EXPORTED:,} at most.",
                    hint="Choose a shorter period, or export FOCUS, which sums by day.",
                )
            rows = export_usage(tenant, path, prices=prices, fmt=fmt, where=where)
            if left.is_set():
                path.unlink(missing_ok=True)
            return rows

        def leave() -> None:
            # Work in a thread goes on when its caller was cancelled: whoever is later removes it.
            left.set()
            path.unlink(missing_ok=True)

        left = Event()
        try:
            return await self.run(ctx, work)
        except BaseException:
            leave()
            raise

    async def profile(self, ctx: UserExecutionContext) -> Profile:
        """The workspace's usage at a glance."""
        if self.empty:
            return NO_USAGE

        def work(tenant: "TenantUsage", prices: "PriceTable") -> Profile:
            # Nothing of an empty workspace takes the place of the records that are kept.
            if tenant.summary(prices=prices).requests == 0:
                return NO_USAGE
            from netra_backend.usage import columns

            return columns.profile(self._frame(ctx.workspace_id, tenant, prices))

        return await self.run(ctx, work)

    async def load_profile(self, ctx: UserExecutionContext, features: list[str]) -> LoadProfile:
        """Traffic over time of some features, or of all."""
        return await self.on_frame(
            ctx, lambda columns, frame, _: columns.load_profile(frame), features
        )

    async def failures(self, ctx: UserExecutionContext) -> Failures:
        """Failed calls and repeats."""
        return await self.on_frame(ctx, lambda columns, frame, _: columns.failures(frame))

    async def reprice(
        self,
        ctx: UserExecutionContext,
        models: list[str],
        features: list[str],
        alternatives: int,
        *,
        away: bool = False,
    ) -> list[Repriced]:
        """The same tokens at the price of other models, and of some cheaper ones beside them.

        `away`: of the calls that run on the models named, where there are any.
        """

        def work(columns: Any, frame: "UsageFrame", prices: "PriceTable") -> list[Repriced]:
            return columns.reprice(frame, prices, models, alternatives, away)

        return await self.on_frame(ctx, work, features)

    async def anomalies(self, ctx: UserExecutionContext, features: list[str]) -> "Anomalies":
        """What left its pattern, over all of the records or those of some features."""

        def work(_: Any, frame: "UsageFrame", _prices: "PriceTable") -> "Anomalies":
            from netra_optimizer import find_anomalies

            return find_anomalies(frame)

        return await self.on_frame(ctx, work, features)

    async def time_spent(self, ctx: UserExecutionContext, features: list[str]) -> "TimeSpent":
        """Where the time goes."""

        def work(_: Any, frame: "UsageFrame", _prices: "PriceTable") -> "TimeSpent":
            from netra_optimizer import where_time_goes

            return where_time_goes(frame)

        return await self.on_frame(ctx, work, features)

    async def forecast(
        self,
        ctx: UserExecutionContext,
        features: list[str],
        growth: float,
        limits: "dict[str, Limit]",
    ) -> "Forecast":
        """The month to come; the limit of "" is for every model that has none of its own."""

        def work(_: Any, frame: "UsageFrame", _prices: "PriceTable") -> "Forecast":
            from netra_optimizer import forecast

            names = frame.calls.model.values
            every = limits.get("")
            given = {name: every for name in names if every is not None}
            given |= {
                name: limit
                for name in names
                for wanted, limit in limits.items()
                if wanted and name.lower() == wanted.lower()
            }
            return forecast(frame, growth=growth, limits=given)

        return await self.on_frame(ctx, work, features)

    async def audit_caching(self, ctx: UserExecutionContext) -> dict[str, Any]:
        """Every use of caching, as the optimizer judges it."""

        def work(_: Any, frame: "UsageFrame", prices: "PriceTable") -> dict[str, Any]:
            from netra_optimizer import audit_caching

            return msgspec.to_builtins(audit_caching(frame, prices))

        return await self.on_frame(ctx, work)

    async def review_change(
        self, ctx: UserExecutionContext, change_at: str | None
    ) -> dict[str, Any]:
        """Before against after a change, with the traffic's mix corrected."""
        at = moment(change_at)

        def work(_: Any, frame: "UsageFrame", prices: "PriceTable") -> dict[str, Any]:
            from netra_optimizer import review_change

            return msgspec.to_builtins(review_change(frame, prices, at=at))

        return await self.on_frame(ctx, work)

    async def analyze(
        self,
        ctx: UserExecutionContext,
        options: "AnalysisOptions",
        features: list[str],
        stop: Stop,
    ) -> "Analysis":
        """Savings by replay, of some features or of all."""

        def work(_: Any, frame: "UsageFrame", prices: "PriceTable") -> "Analysis":
            from netra_optimizer import analyze

            return analyze(frame, prices=prices, options=options, progress=_stopper(stop))

        return await self.on_frame(ctx, work, features)

    async def on_frame(
        self,
        ctx: UserExecutionContext,
        work: "Callable[[Any, UsageFrame, PriceTable], T]",
        features: list[str] | None = None,
    ) -> T:
        """Run `work(columns, frame, prices)` in a thread on this workspace's records."""

        def call(tenant: "TenantUsage", prices: "PriceTable") -> T:
            from netra_backend.usage import columns

            frame = self._frame(ctx.workspace_id, tenant, prices)
            if features:
                frame = frame.take(columns.any_of(frame.feature, features))
            return work(columns, frame, prices)

        return await self.run(ctx, call)

    async def close(self) -> None:
        """Wait for what runs in the threads, and close the store."""
        if self._rest is not None:
            self._rest.cancel()
        for threads in (self._threads, self._imports):
            await asyncio.to_thread(threads.shutdown, wait=True, cancel_futures=True)
        if self._store is not None:
            await asyncio.to_thread(self._store.close)
            self._store = None

    def _rest_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._rest is not None:
            self._rest.cancel()
        self._rest = loop.call_later(_REST_S, self._rest_now)

    def _rest_now(self) -> None:
        if self._store is not None and not self._at_work:
            self._threads.submit(self._store.rest)

    async def _run_in(
        self,
        threads: ThreadPoolExecutor,
        ctx: UserExecutionContext,
        work: "Callable[[TenantUsage, PriceTable], T]",
    ) -> T:
        return await self._work(threads, lambda: self._call(ctx.workspace_id, work))

    async def _work(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        self._at_work += 1
        try:
            return await loop.run_in_executor(threads, work)
        finally:
            self._at_work -= 1
            self._rest_soon(loop)

    def _call(self, workspace_id: str, work: "Callable[[TenantUsage, PriceTable], T]") -> T:
        store, prices = self._open()
        return work(store.for_tenant(workspace_id), prices)

    def _open(self) -> "tuple[UsageStore, PriceTable]":
        from netra_optimizer import PriceTable

        with self._opening:
            if self._store is None:
                self._store = self._open_store()
                self._store.rest()  # opening runs through code that is not needed again
            if self._prices is None:
                self._prices = PriceTable.load()
            return self._store, self._prices

    def _frame(
        self, workspace_id: str, tenant: "TenantUsage", prices: "PriceTable"
    ) -> "UsageFrame":
        """The records, kept for the next question until they change."""
        totals = tenant.summary(prices=prices)
        # The engine adds in whatever order its threads end: the last digits of a sum may differ.
        state = msgspec.structs.replace(totals, cost_usd=round(totals.cost_usd, 6))
        kept = self._frames.get(workspace_id)
        if kept is not None and kept[0] == state:
            return kept[1]
        frame = tenant.frame(prices=prices)
        self._frames = {workspace_id: (state, frame)}  # one: a frame may be large
        return frame


def _no_totals() -> "UsageSummary":
    from netra_optimizer.usage.store import UsageSummary

    return UsageSummary(
        requests=0,
        errors=0,
        input_tokens=0,
        cached_input_tokens=0,
        output_tokens=0,
        cost_usd=0.0,
        recorded_usd=None,
        first=None,
        last=None,
        unpriced={},
    )


def _usage_row(by: str, row: "BreakdownRow") -> UsageRow:
    key = row.key[by] or "(none)"
    return UsageRow(
        key=f"{key}T00:00:00Z" if by == "day" else key,
        requests=row.requests,
        input_tokens=row.input_tokens,
        cached_input_tokens=row.cached_input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=row.cost_usd,
        p50_ms=row.latency_p50_ms,
        p95_ms=row.latency_p95_ms,
        error_share=row.errors / row.requests if row.requests else 0.0,
        unpriced_requests=row.unpriced_requests,
    )


def _stopper(stop: Stop) -> Callable[[str, float], None]:
    def progress(_what: str, _share: float) -> None:
        if stop():
            raise WorkAbandonedError

    return progress
