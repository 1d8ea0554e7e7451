"""A workspace's usage: stored, read and analysed in threads, for the caller's workspace only."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from netra_backend.usage.facts import Failures, LoadProfile, Profile, Repriced
from netra_core.context import UserExecutionContext

if TYPE_CHECKING:
    from netra_optimizer import (
        Analysis,
        AnalysisOptions,
        PriceTable,
        TenantUsage,
        UsageFrame,
        UsageStore,
    )

T = TypeVar("T")
Stop = Callable[[], bool]
"""Asked now and then by long work in a thread; True means that nobody wants the answer."""

_THREADS = 2


class WorkAbandonedError(Exception):
    """Nobody waits for this thread's work any more."""


class UsageService:
    """The one door to the usage store.

    The tenant is the context's workspace, bound here, so no caller can name another. The store,
    chDB and numpy are loaded at the first use, and work runs in a few threads of its own.
    """

    def __init__(self, open_store: "Callable[[], UsageStore]") -> None:
        self._open_store = open_store
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="usage")
        self._opening = Lock()
        self._store: UsageStore | None = None
        self._prices: PriceTable | None = None
        self._frames: dict[str, tuple[object, UsageFrame]] = {}

    @property
    def opened(self) -> bool:
        """True once analytics have been used."""
        return self._store is not None

    async def run(
        self, ctx: UserExecutionContext, work: "Callable[[TenantUsage, PriceTable], T]"
    ) -> T:
        """Run `work` in a thread on this workspace's usage."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._call, ctx.workspace_id, work)

    async def has_usage(self, ctx: UserExecutionContext) -> bool:
        """True when the workspace has one record or more."""
        return await self.run(ctx, lambda tenant, _: tenant.summary().requests > 0)

    async def profile(self, ctx: UserExecutionContext) -> Profile:
        """The workspace's usage at a glance."""
        return await self.on_frame(ctx, lambda columns, frame, _: columns.profile(frame))

    async def load_profile(self, ctx: UserExecutionContext, features: list[str]) -> LoadProfile:
        """Traffic over time of some features, or of all."""
        return await self.on_frame(
            ctx, lambda columns, frame, _: columns.load_profile(frame), features
        )

    async def failures(self, ctx: UserExecutionContext) -> Failures:
        """Failed calls and repeats."""
        return await self.on_frame(ctx, lambda columns, frame, _: columns.failures(frame))

    async def reprice(
        self, ctx: UserExecutionContext, models: list[str], features: list[str], alternatives: int
    ) -> list[Repriced]:
        """The same tokens at the price of other models, and of some cheaper ones beside them."""

        def work(columns: Any, frame: "UsageFrame", prices: "PriceTable") -> list[Repriced]:
            return columns.reprice(frame, prices, models, alternatives)

        return await self.on_frame(ctx, work, features)

    async def audit_caching(self, ctx: UserExecutionContext) -> dict[str, Any]:
        """Every use of caching, as the optimizer judges it."""

        def work(_: Any, frame: "UsageFrame", prices: "PriceTable") -> dict[str, Any]:
            from netra_optimizer import audit_caching

            return msgspec.to_builtins(audit_caching(frame, prices=prices))

        return await self.on_frame(ctx, work)

    async def review_change(
        self, ctx: UserExecutionContext, change_at: str | None
    ) -> dict[str, Any]:
        """Before against after a change, with the traffic's mix corrected."""

        def work(_: Any, frame: "UsageFrame", prices: "PriceTable") -> dict[str, Any]:
            from netra_optimizer import review_change

            return msgspec.to_builtins(review_change(frame, prices=prices, at=change_at))

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
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        if self._store is not None:
            await asyncio.to_thread(self._store.close)
            self._store = None

    def _call(self, workspace_id: str, work: "Callable[[TenantUsage, PriceTable], T]") -> T:
        from netra_optimizer import PriceTable

        with self._opening:
            if self._store is None:
                self._store = self._open_store()
            if self._prices is None:
                self._prices = PriceTable.load()
        return work(self._store.for_tenant(workspace_id), self._prices)

    def _frame(
        self, workspace_id: str, tenant: "TenantUsage", prices: "PriceTable"
    ) -> "UsageFrame":
        """The records, kept for the next question until they change."""
        state = tenant.summary()
        kept = self._frames.get(workspace_id)
        if kept is not None and kept[0] == state:
            return kept[1]
        frame = tenant.frame()
        if bool(frame.cost_usd[:1].size) and frame.cost_usd[0] != frame.cost_usd[0]:
            frame = frame.priced(prices)
        self._frames = {workspace_id: (state, frame)}  # one: a frame may be large
        return frame


def _stopper(stop: Stop) -> Callable[[str, float], None]:
    def progress(_what: str, _share: float) -> None:
        if stop():
            raise WorkAbandonedError

    return progress
