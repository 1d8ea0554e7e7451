"""The ledger of effects: what a tool is about to do to the world outside, before it does it.

Between an effect and the record of its step a process may die. The intent is committed before the
effect, under the fence of the execution that begins it; an intent without an outcome says that the
effect may have happened, and whoever finds it does not repeat it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_backend.errors import FencedError
from netra_backend.runs.records import RunRecord
from netra_backend.runs.store import RunStore
from netra_backend.tables import effects, runs
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager
from netra_core.events.types import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What the ledger says of one call.

    `key` is the same for each attempt, also in runs that go on from this one. `outcome` is what an
    earlier attempt recorded; `unknown` is True when one began and recorded nothing.
    """

    key: str
    outcome: JsonObject | None = None
    unknown: bool = False


class RunEffects:
    """The ledger as one execution of one run writes it.

    Runs that resume another share its intents: a call whose outcome is unknown stays so.
    """

    def __init__(
        self,
        sessions: DatabaseSessionManager,
        store: RunStore,
        run: RunRecord,
        clock: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._run = run
        self._clock = clock
        self._origin: str | None = None

    async def begin(
        self, ctx: UserExecutionContext, call: str, *, tool: str, repeatable: bool
    ) -> Intent:
        """Commit the intent, or tell what became of an earlier one. Raises FencedError."""
        origin = await self._first_run()
        key = f"{origin}:{call}"
        async with self._sessions.session(ctx) as session:
            await self._own(session, origin)
            found = (
                await session.execute(
                    select(effects.c.by_run, effects.c.outcome).where(
                        effects.c.run_id == origin, effects.c.call == call
                    )
                )
            ).one_or_none()
            if found is None:
                await session.execute(
                    insert(effects).values(
                        run_id=origin,
                        call=call,
                        workspace_id=ctx.workspace_id,
                        user_id=ctx.user_id,
                        tool=tool,
                        by_run=self._run.id,
                        fence=self._run.fence,
                        begun_at=self._clock(),
                    )
                )
                return Intent(key=key)
            outcome: JsonObject | None = found.outcome
            resumed = found.by_run != self._run.id
            if outcome is not None and (outcome["ok"] or not resumed):
                return Intent(key=key, outcome=outcome)
            if outcome is None and not repeatable:
                return Intent(key=key, unknown=True)
            await session.execute(
                update(effects)
                .where(effects.c.run_id == origin, effects.c.call == call)
                .values(by_run=self._run.id, fence=self._run.fence, outcome=None)
            )
        return Intent(key=key)

    async def settle(self, ctx: UserExecutionContext, call: str, outcome: JsonObject) -> None:
        """Record what became of the effect that this execution began; nothing when another
        execution has begun it again.
        """
        origin = await self._first_run()
        async with self._sessions.session(ctx) as session:
            await session.execute(
                update(effects)
                .where(
                    effects.c.run_id == origin,
                    effects.c.call == call,
                    effects.c.by_run == self._run.id,
                    effects.c.fence == self._run.fence,
                )
                .values(outcome=outcome, settled_at=self._clock())
            )

    async def _own(self, session: AsyncSession, origin: str) -> None:
        """Hold the run's row, so that nobody takes it over before the intent is committed, and the
        first run's: of two runs that go on from it, one begins a call and the other finds it.
        """
        query = (
            select(runs.c.id, runs.c.fence)
            .where(runs.c.id.in_({origin, self._run.id}))
            .order_by(runs.c.created_at, runs.c.id)
            .with_for_update()
        )
        fences = {row.id: row.fence for row in await session.execute(query)}
        if fences.get(self._run.id) != self._run.fence:
            raise FencedError(f"The run {self._run.id!r} belongs to another execution by now.")

    async def _first_run(self) -> str:
        """The run at the root of those that this one goes on from."""
        if self._origin is None:
            origin = self._run
            while origin.steps_from is not None:
                before = await self._store.load(origin.steps_from)
                if before is None:
                    break
                origin = before
            self._origin = origin.id
        return self._origin
