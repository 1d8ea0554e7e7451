"""Runs: begun when it is their turn, executed durably, ended exactly once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import structlog

from netra_backend.agents.context import RunScope
from netra_backend.agents.recorder import RunRecorder
from netra_backend.agents.writing import Writing
from netra_backend.chat.store import ChatStore
from netra_backend.errors import (
    AgentFailedError,
    FencedError,
    RunEndedError,
    RunFormatError,
    RunLostError,
    RunStillOpenError,
)
from netra_backend.report import answer_words
from netra_backend.runs.approvals import Approvals
from netra_backend.runs.durable import RUN_FORMAT, DurableEngine
from netra_backend.runs.effects import RunEffects
from netra_backend.runs.limits import RunLimits
from netra_backend.runs.records import Outcome, RunRecord, RunStatus
from netra_backend.runs.store import RunStore
from netra_backend.runs.token import CancelToken, RunCancelledSignal
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, SystemContext
from netra_core.errors import ApexError
from netra_core.events.fanout import FanOut
from netra_core.events.port import EventLog
from netra_core.events.types import AgentStarted, Event, JsonObject
from netra_core.state import UnifiedStateManager

KIND = "chat"
ROOT_AGENT = "supervisor"

_SYSTEM = SystemContext(actor="runs")
_log = structlog.get_logger(__name__)


class Answerer(Protocol):
    """Answers a run through its scope; what it does is logged by what it calls."""

    async def __call__(self, scope: RunScope, run: RunRecord) -> None:
        """Work until the root agent has completed."""
        ...


class RunService:
    """The one owner of a run's life. The log's terminal event says how a run ended."""

    def __init__(
        self,
        *,
        engine: DurableEngine,
        store: RunStore,
        chat: ChatStore,
        sessions: DatabaseSessionManager,
        log: EventLog,
        limits: RunLimits,
        answer: Answerer,
        approvals: Approvals,
        clock: Callable[[], datetime],
        state: UnifiedStateManager | None = None,
        fan_out: FanOut | None = None,
        uses: Callable[[], frozenset[tuple[str, str]]] = frozenset,
    ) -> None:
        self._engine = engine
        self._store = store
        self._chat = chat
        self._sessions = sessions
        self._log = log
        self.limits = limits
        self._answer = answer
        self._approvals = approvals
        self._clock = clock
        self._state = state
        self._fan_out = fan_out
        self._uses = uses
        self._tokens: dict[str, CancelToken] = {}
        self._fences: dict[str, int] = {}
        engine.register(KIND, self._execute)

    def use_limits(self, limits: RunLimits) -> None:
        """Begin runs within these limits from now on; what runs already goes on."""
        self.limits = limits

    @property
    def live(self) -> tuple[str, ...]:
        """Ids of the runs that execute in this process."""
        return tuple(self._tokens)

    @property
    def waiting_per_user(self) -> int:
        """How many runs of one user may wait."""
        return self.limits.waiting_per_user

    async def dispatch(self) -> None:
        """Begin the waiting runs whose turn it is.

        The first event is written before the run is handed to its engine, which writes the same
        key again: whoever waits for an answer sees at once that it has begun.
        """
        begun = await self._store.begin_next(self._engine.node_id, self.limits, self._uses())
        for run in begun:
            await self._announce(run, RunRecorder(self._log, run.context()))
            await self._submit(run)

    async def cancel(self, ctx: UserExecutionContext, run_id: str, *, reason: str) -> RunRecord:
        """Stop a run of this user; answers the run as it is then. Raises NotFoundError."""
        run, begun = await self._store.ask_cancel(
            ctx, run_id, reason=reason, node=self._engine.node_id
        )
        if begun:
            await self._submit(run)
        elif (token := self._tokens.get(run_id)) is not None and not run.status.terminal:
            token.cancel(reason)
        return run

    async def reconcile(self) -> None:
        """End visibly what cannot go on, begin what was accepted and never begun.

        After a start, and now and then for what an error of the database left behind.
        """
        for run in await self._store.open_of(self._engine.node_id):
            if run.id in self._tokens:
                continue
            if run.format != RUN_FORMAT:
                await self._give_up(
                    run, RunFormatError("The run was begun by another version of the platform.")
                )
                continue
            status = await self._engine.status(run.id)
            if status is None:
                await self._submit(run)
            elif status not in ("PENDING", "ENQUEUED"):
                await self._give_up(run, RunLostError("The run could not be recovered."))
        await self.dispatch()

    async def watch(self) -> None:
        """Hear what other nodes decided: wishes to stop, runs taken over. Called now and then."""
        live = self.live
        if not live:
            return
        states = await self._store.watch(live)
        for run_id in live:
            fence, reason = states.get(run_id, (-1, None))
            if (token := self._tokens.get(run_id)) is None:
                continue
            if fence != self._fences[run_id]:
                self._engine.interrupt(run_id)
            elif reason is not None:
                token.cancel(reason)

    async def fork(
        self, ctx: UserExecutionContext, run_id: str, *, question: str | None
    ) -> RunRecord:
        """A new run from one that has ended: of another question, or of the same from its start.

        Raises NotFoundError, RunStillOpenError, RunLimitError.
        """
        return await self._again(ctx, run_id, question=question, reuse_steps=False)

    async def resume(self, ctx: UserExecutionContext, run_id: str) -> RunRecord:
        """A new run that goes on where a failed or cancelled one stopped.

        Steps that had finished are not done again; a failed one is. Raises NotFoundError,
        RunStillOpenError, RunEndedError for one that completed, RunLimitError.
        """
        return await self._again(ctx, run_id, question=None, reuse_steps=True)

    async def _again(
        self, ctx: UserExecutionContext, run_id: str, *, question: str | None, reuse_steps: bool
    ) -> RunRecord:
        run = await self._store.get(ctx, run_id)
        if not run.status.terminal:
            raise RunStillOpenError(f"The run {run_id!r} has not ended.", hint="Cancel it first.")
        if reuse_steps and run.status is RunStatus.COMPLETED:
            raise RunEndedError(f"The run {run_id!r} completed.", hint="Fork it instead.")
        again = await self._chat.run_again(
            ctx,
            run,
            question=question or run.question,
            steps_from=run.id if reuse_steps and run.format == RUN_FORMAT else None,
            waiting_limit=self.limits.waiting_per_user,
        )
        await self.dispatch()
        return await self._store.get(ctx, again)

    async def _submit(self, run: RunRecord) -> None:
        if run.steps_from is None:
            await self._engine.submit(KIND, run.id)
        else:
            await self._engine.submit_again(KIND, run.id, steps_from=run.steps_from)

    async def _execute(self, run_id: str) -> None:
        run = await self._store.claim(run_id, self._engine.node_id)
        if run is None:
            return
        token = self._tokens[run_id] = CancelToken()
        self._fences[run_id] = run.fence
        try:
            if run.cancel_reason is not None:
                token.cancel(run.cancel_reason)
            recorder = RunRecorder(self._log, run.context())
            error = await self._attempt(run, recorder, token)
            await self._finish(run, recorder, error)
        except FencedError:
            _log.info("run_taken_over", run_id=run_id)
            return
        except Exception:
            _log.exception("run_not_ended", run_id=run_id)
            raise
        finally:
            self._tokens.pop(run_id, None)
            self._fences.pop(run_id, None)
        await self.dispatch()

    async def _attempt(
        self, run: RunRecord, recorder: RunRecorder, token: CancelToken
    ) -> ApexError | None:
        scope = RunScope(
            user=run.context(),
            recorder=recorder,
            steps=self._engine,
            token=token,
            fence=_RunFence(self._store, run, token),
            approvals=self._approvals,
            effects=RunEffects(self._sessions, self._store, run, self._clock),
            state=self._state,
            writing=None if self._fan_out is None else Writing(self._fan_out, run.context()),
        )
        try:
            await self._answer(scope, run)
        except RunCancelledSignal as signal:
            await self._close_cancelled(run, recorder, signal.reason)
        except FencedError:
            raise
        except ApexError as error:
            await recorder.close("failed", error.message, code=error.code)
            return error
        except Exception as error:  # whatever an agent's code did, the run ends and says so
            _log.exception("run_failed", run_id=run.id)
            failure = AgentFailedError(f"unexpected {type(error).__name__}")
            await recorder.close("failed", failure.message, code=failure.code)
            return failure
        return None

    async def _close_cancelled(self, run: RunRecord, recorder: RunRecorder, reason: str) -> None:
        await self._announce(run, recorder)
        await recorder.close("cancelled", reason)

    async def _announce(self, run: RunRecord, recorder: RunRecorder) -> None:
        await recorder.record(
            AgentStarted(run.question), agent=ROOT_AGENT, step=ROOT_AGENT, ordinal=0
        )

    async def _finish(self, run: RunRecord, recorder: RunRecorder, error: ApexError | None) -> None:
        outcome = _outcome(await recorder.events(), error)
        async with self._sessions.session(_SYSTEM) as session:
            await self._store.finish(session, run, outcome)
            await self._approvals.withdraw(session, run)
            if (text := _answer_text(outcome)) is not None:
                await self._chat.answer(session, run, text)

    async def _give_up(self, run: RunRecord, error: ApexError) -> None:
        claimed = await self._store.claim(run.id, self._engine.node_id)
        if claimed is None:
            return
        recorder = RunRecorder(self._log, claimed.context())
        await self._announce(claimed, recorder)
        await recorder.close("failed", error.message, code=error.code)
        await self._finish(claimed, recorder, error)


class _RunFence:
    """Looks at the run's row before each tool: is it still ours, still wanted."""

    def __init__(self, store: RunStore, run: RunRecord, token: CancelToken) -> None:
        self._store = store
        self._run = run
        self._token = token

    async def check(self) -> None:
        """Raise FencedError, or RunCancelledSignal."""
        states = await self._store.watch([self._run.id])
        fence, reason = states.get(self._run.id, (-1, None))
        if fence != self._run.fence:
            raise FencedError(f"The run {self._run.id!r} belongs to another execution by now.")
        if reason is not None:
            self._token.cancel(reason)
        self._token.check()


def _outcome(events: list[Event], error: ApexError | None) -> Outcome:
    """How the log says that the run ended."""
    last = events[-1]
    payload = last.payload
    match last.type:
        case "agent_completed":
            result: JsonObject = payload.get("result") or {}
            return Outcome(
                status=RunStatus.COMPLETED,
                report=result.get("report"),
                usage=payload.get("usage"),
            )
        case "run_cancelled":
            return Outcome(status=RunStatus.CANCELLED, usage=_usage_so_far(events))
        case "agent_error":
            return Outcome(
                status=RunStatus.FAILED,
                usage=_usage_so_far(events),
                error_code=payload.get("code") or (error.code if error else None),
                error_message=payload.get("message"),
            )
        case other:
            raise RunLostError(f"The log of the run ends with {other!r}.")


def _usage_so_far(events: list[Event]) -> JsonObject:
    """What the agents that completed had used; kept for failed and cancelled runs."""
    total: JsonObject = {"requests": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}
    for event in events:
        if event.type == "agent_completed":
            usage: JsonObject = event.payload.get("usage") or {}
            for key in total:
                total[key] += usage.get(key, 0)
    return total


def _answer_text(outcome: Outcome) -> str | None:
    match outcome.status:
        case RunStatus.COMPLETED:
            report = outcome.report or {}
            return answer_words(report.get("headline", ""), report.get("summary", []))
        case RunStatus.FAILED:
            return f"The run failed: {outcome.error_message}"
        case _:
            return None


async def every(seconds: float, work: Callable[[], Awaitable[object]], name: str) -> None:
    """Call `work` again and again until cancelled; an error is logged and the next turn comes."""
    while True:
        try:
            await work()
        except Exception:
            _log.exception("periodic_work_failed", work=name)
        await asyncio.sleep(seconds)
