"""What an agent acts through: thoughts, tools, other agents. Every act is an event and a step."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
import structlog

from netra_backend.agents.recorder import RunRecorder
from netra_backend.agents.redaction import redact, shown
from netra_backend.errors import (
    FencedError,
    LifecycleError,
    OutcomeUnknownError,
    ReplayMismatchError,
    ToolFailedError,
    ToolTimeoutError,
)
from netra_backend.runs.approvals import request_id_of
from netra_backend.runs.effects import Intent
from netra_backend.runs.token import CancelToken
from netra_core.context import UserExecutionContext
from netra_core.errors import ApexError
from netra_core.events.types import (
    AgentCompleted,
    AgentStarted,
    AgentThinking,
    JsonObject,
    ToolCompleted,
    ToolExecuting,
    Usage,
)
from netra_core.state import StateView, UnifiedStateManager
from netra_optimizer.errors import OptimizerError

if TYPE_CHECKING:
    from netra_backend.agents.base import BaseAgent

T = TypeVar("T")
Req = TypeVar("Req")
Res = TypeVar("Res")

_log = structlog.get_logger(__name__)

_UNKNOWN = "The outcome is unknown: the call was interrupted before it was recorded."
_FAILURES = {error.code: error for error in (ToolTimeoutError, OutcomeUnknownError)}
_UNSETTLED = frozenset(_FAILURES)
"""Failures after which nobody can say whether the effect has happened."""


class Steps(Protocol):
    """Runs a function until it has finished once, and keeps its outcome."""

    async def step(self, name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        """The recorded outcome of `fn`."""
        ...


class Fence(Protocol):
    """Tells whether this execution still owns its run."""

    async def check(self) -> None:
        """Raise FencedError when another execution has taken over, hear of a cancellation."""
        ...


class Approver(Protocol):
    """Asks the run's author."""

    async def ask(
        self, ctx: UserExecutionContext, request_id: str, *, title: str, detail: JsonObject
    ) -> bool:
        """Wait for the decision; True when approved."""
        ...


class TextSink(Protocol):
    """Shows texts while they are written."""

    async def show(self, text: str, *, agent: str, after_seq: int) -> None:
        """All of the text so far; it follows event `after_seq`."""
        ...


class Effects(Protocol):
    """Keeps what tools are about to do outside."""

    async def begin(
        self, ctx: UserExecutionContext, call: str, *, tool: str, repeatable: bool
    ) -> Intent:
        """Commit the intent, or tell what became of an earlier one. Raises FencedError."""
        ...

    async def settle(self, ctx: UserExecutionContext, call: str, outcome: JsonObject) -> None:
        """Record what became of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScope:
    """One execution of one run: identity, pen, steps, cancel token, fence."""

    user: UserExecutionContext
    recorder: RunRecorder
    steps: Steps
    token: CancelToken
    fence: Fence
    approvals: Approver
    effects: Effects | None = None
    state: UnifiedStateManager | None = None
    writing: TextSink | None = None
    monotonic: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Tally:
    """What an agent and those it called have used."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def add(self, usage: "Usage | Tally") -> None:
        """Count more in."""
        self.requests += usage.requests
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cost_usd += usage.cost_usd

    def usage(self) -> Usage:
        """As it is sent."""
        return Usage(self.requests, self.input_tokens, self.output_tokens, self.cost_usd)


class Effect(StrEnum):
    """What a tool does to the world outside of the run, and so what a crash in it means."""

    NONE = "none"
    """It reads, or writes what is keyed by the run: an interrupted call runs again."""
    ONCE = "once"
    """It happens at most once: an interrupted call is not repeated, its outcome is unknown."""
    REPEATABLE = "repeatable"
    """It may be repeated under one key: `fn` is called with `idempotency_key`, always the same."""


@dataclass(slots=True, kw_only=True)
class ToolPolicy:
    """How a tool call is repeated: `attempts` in all, only on the errors named, which must say
    that nothing has happened; `effect` for what a crash interrupts. With `ask_again` the run's
    author is asked whether a call of unknown outcome is to be made again.
    """

    attempts: int = 1
    retry_on: tuple[type[Exception], ...] = ()
    effect: Effect = Effect.NONE
    ask_again: bool = True


_ONCE = ToolPolicy()


class AgentContext:
    """One agent at work in one run.

    What happens outside of `tool` must follow from the request and from what tools answered: it is
    executed again when a run is recovered, and has to write the same events.
    """

    def __init__(
        self,
        scope: RunScope,
        *,
        agent: str,
        parent: "AgentContext | None",
        path: str,
        limit_s: float | None = None,
    ) -> None:
        self._scope = scope
        self._agent = agent
        self._parent = parent
        self._path = path
        self._limit_s = limit_s
        self._ordinal = 0
        self._thoughts = 0
        self._calls = 0
        self._delegations = 0
        self._deadline: float | None = parent._deadline if parent else None
        self._started_at = scope.monotonic()
        self.tally = Tally()

    @classmethod
    def root(cls, scope: RunScope, agent: str, *, limit_s: float | None = None) -> "AgentContext":
        """The context of a run's first agent; `limit_s` stands in for the agent's own limit."""
        return cls(scope, agent=agent, parent=None, path=agent, limit_s=limit_s)

    @property
    def user(self) -> UserExecutionContext:
        """For whom the agent works."""
        return self._scope.user

    @property
    def agent_name(self) -> str:
        """Under which name its events appear."""
        return self._agent

    @property
    def is_root(self) -> bool:
        """True for the agent that answers the run."""
        return self._parent is None

    @property
    def token(self) -> CancelToken:
        """The run's cancel token, for work in threads that has to look at it."""
        return self._scope.token

    @property
    def state(self) -> StateView:
        """Shared state as this agent of this user may reach it. Write it within a tool.

        Raises LifecycleError where the platform was built without shared state.
        """
        if self._scope.state is None:
            raise LifecycleError("This platform has no shared state for agents.")
        return self._scope.state.for_context(self.user, agent=self._agent)

    async def think(self, text: str) -> None:
        """Say what the agent is about to do or has found."""
        self._scope.token.check()
        self._thoughts += 1
        await self._record(AgentThinking(text, self._thoughts))

    async def write(self, text: str) -> None:
        """Show a text while it is made: all of it so far.

        It is not logged, reaches whoever looks on now, and is void with the run's next event, which
        should hold what came of it. A shorter or another text begins anew.
        """
        self._scope.token.check()
        if self._scope.writing is not None:
            after_seq = self._scope.recorder.last_seq
            await self._scope.writing.show(text, agent=self._agent, after_seq=after_seq)

    async def tool(
        self,
        name: str,
        fn: Callable[..., Awaitable[T]],
        /,
        *,
        returns: type[T],
        show: Callable[[T], object] | None = None,
        policy: ToolPolicy = _ONCE,
        timeout_s: float | None = None,
        **args: Any,  # Any: a tool's own arguments
    ) -> T:
        """Call a tool as one durable step, between its pair of events.

        `show` makes what the event holds of the answer. Raises ToolFailedError, after the event
        that says so; ToolTimeoutError when `timeout_s` or the agent's own time has run out;
        OutcomeUnknownError when an effect was interrupted and the author, where asked, did not
        have it repeated.
        """
        while True:
            try:
                return await self._tool(name, fn, returns, show, policy, timeout_s, args)
            except OutcomeUnknownError as error:
                if not policy.ask_again:
                    raise
                asked = f"Call {name} again? Whether its effect has happened is not known."
                if not await self.approve(asked, tool=name, args=redact(args)):
                    raise OutcomeUnknownError(f"{error.message} It was not repeated.") from error

    async def _tool(
        self,
        name: str,
        fn: Callable[..., Awaitable[T]],
        returns: type[T],
        show: Callable[[T], object] | None,
        policy: ToolPolicy,
        timeout_s: float | None,
        args: JsonObject,
    ) -> T:
        self._scope.token.check()
        await self._scope.fence.check()
        self._calls += 1
        call = f"{self._path}:{self._calls}"
        call_id = f"{self.user.run_id}:{call}"
        await self._record(ToolExecuting(name, call_id, redact(args)))
        intent = await self._intend(name, call, policy)

        async def attempt() -> JsonObject:
            if intent is None:
                return await self._attempt(fn, args, policy, timeout_s)
            return await self._attempt_effect(fn, args, policy, timeout_s, call, intent)

        try:
            outcome = await self._scope.steps.step(f"{self._path}.{name}", attempt)
        except (FencedError, ReplayMismatchError):
            raise
        except Exception as error:  # not the tool's doing: its outcome could not be kept
            _log.exception("step_failed", agent=self._agent, tool=name, run_id=self.user.run_id)
            message = f"The step could not be kept: unexpected {type(error).__name__}"
            await self._record(ToolCompleted(name, call_id, False, 0.0, error=message))
            raise
        self._scope.token.check()
        duration_ms: float = outcome["duration_ms"]
        if not outcome["ok"]:
            await self._record(
                ToolCompleted(name, call_id, False, duration_ms, error=outcome["message"])
            )
            failure = _FAILURES.get(outcome["code"], ToolFailedError)
            raise failure(outcome["message"], cause_code=outcome["code"])
        value = msgspec.convert(outcome["value"], returns, strict=False)
        result = shown(msgspec.to_builtins(show(value)) if show else outcome["value"])
        await self._record(ToolCompleted(name, call_id, True, duration_ms, result=result))
        return value

    async def approve(self, title: str, **detail: Any) -> bool:  # Any: JSON of what is asked
        """Ask the run's author, and wait as long as it takes, also over restarts.

        A tool call named `request_approval`; the time waited does not count against the agent's.
        """
        began = self._scope.monotonic()
        request_id = request_id_of(f"{self.user.run_id}:{self._path}:{self._calls + 1}")
        deadline, self._deadline = self._deadline, None

        async def request_approval(title: str, **asked: Any) -> bool:
            return await self._scope.approvals.ask(self.user, request_id, title=title, detail=asked)

        try:
            return await self.tool(
                "request_approval", request_approval, returns=bool, title=title, **detail
            )
        finally:
            if deadline is not None:
                self._deadline = deadline + self._scope.monotonic() - began

    async def delegate(self, agent: "BaseAgent[Req, Res]", request: Req) -> Res:
        """Have another agent work within this one."""
        self._delegations += 1
        child = AgentContext(
            self._scope,
            agent=agent.name,
            parent=self,
            path=f"{self._path}/{self._delegations}.{agent.name}",
        )
        try:
            return await agent.execute(child, request)
        finally:
            self.tally.add(child.tally)

    async def started(self, message: str, *, timeout_s: float) -> None:
        """The agent begins; called by BaseAgent."""
        deadline = self._scope.monotonic() + (self._limit_s or timeout_s)
        self._deadline = min(deadline, self._deadline) if self._deadline else deadline
        parent = self._parent.agent_name if self._parent else None
        await self._record(AgentStarted(message, parent))

    async def ended(self, completed: bool, result: object) -> None:
        """The agent ends; called by BaseAgent. `result` is what the event holds."""
        duration_ms = round((self._scope.monotonic() - self._started_at) * 1000, 1)
        status = "completed" if completed else "failed"
        await self._record(AgentCompleted(status, duration_ms, result, self.tally.usage()))

    async def _record(
        self,
        payload: AgentStarted | AgentThinking | ToolExecuting | ToolCompleted | AgentCompleted,
    ) -> None:
        ordinal, self._ordinal = self._ordinal, self._ordinal + 1
        await self._scope.recorder.record(
            payload, agent=self._agent, step=self._path, ordinal=ordinal
        )

    async def _intend(self, name: str, call: str, policy: ToolPolicy) -> Intent | None:
        """The intent of an effect, committed before it; outside of the step, whose record would
        keep the error of an execution that was fenced for the one that took over.
        """
        if policy.effect is Effect.NONE:
            return None
        if self._scope.effects is None:
            raise LifecycleError("This platform keeps no ledger of effects.")
        return await self._scope.effects.begin(
            self.user, call, tool=name, repeatable=policy.effect is Effect.REPEATABLE
        )

    async def _attempt_effect(
        self,
        fn: Callable[..., Awaitable[Any]],
        args: JsonObject,
        policy: ToolPolicy,
        timeout_s: float | None,
        call: str,
        intent: Intent,
    ) -> JsonObject:
        """The body of a step with an effect: an earlier outcome stands, an unknown one too."""
        if intent.outcome is not None:
            return intent.outcome
        if intent.unknown:
            return {**_failure(_UNKNOWN, OutcomeUnknownError.code), "duration_ms": 0.0}
        if policy.effect is Effect.REPEATABLE:
            args = {**args, "idempotency_key": intent.key}
        outcome = await self._attempt(fn, args, policy, timeout_s)
        if outcome["ok"] or outcome["code"] not in _UNSETTLED:
            assert self._scope.effects is not None
            await self._scope.effects.settle(self.user, call, outcome)
        return outcome

    async def _attempt(
        self,
        fn: Callable[..., Awaitable[Any]],
        args: JsonObject,
        policy: ToolPolicy,
        timeout_s: float | None,
    ) -> JsonObject:
        """The step's body: an outcome that can be recorded, whatever the tool did."""
        began = self._scope.monotonic()
        outcome: JsonObject
        try:
            async with asyncio.timeout(self._remaining(timeout_s)):
                value = await self._scope.token.guard(_call(fn, args, policy))
            outcome = {"ok": True, "value": msgspec.to_builtins(value)}
        except TimeoutError:
            limit = round(self._scope.monotonic() - began, 1)
            outcome = _failure(f"took longer than {limit} s", ToolTimeoutError.code)
        except (ApexError, OptimizerError) as error:
            outcome = _failure(_sentence(error), error.code)
        except Exception as error:  # the tool's own fault becomes an event, not the end of the loop
            _log.exception("tool_failed", agent=self._agent, run_id=self.user.run_id)
            outcome = _failure(f"unexpected {type(error).__name__}", ToolFailedError.code)
        outcome["duration_ms"] = round((self._scope.monotonic() - began) * 1000, 1)
        return outcome

    def _remaining(self, timeout_s: float | None) -> float | None:
        if self._deadline is None:
            return timeout_s
        remaining = max(0.0, self._deadline - self._scope.monotonic())
        return remaining if timeout_s is None else min(timeout_s, remaining)


def _failure(message: str, code: str) -> JsonObject:
    return {"ok": False, "message": message, "code": code}


def _sentence(error: ApexError | OptimizerError) -> str:
    return f"{error.message} {error.hint}".strip()


async def _call(
    fn: Callable[..., Awaitable[Any]], args: JsonObject, policy: ToolPolicy
) -> Any:  # Any: whatever the tool answers
    if policy.attempts <= 1 or not policy.retry_on:
        return await fn(**args)
    import stamina  # 2 MB that tools which are called once do without

    async for attempt in stamina.retry_context(
        on=policy.retry_on, attempts=policy.attempts, wait_initial=0.05, wait_max=2.0
    ):
        with attempt:
            return await fn(**args)
    raise AssertionError("unreachable: retry_context raises after its last attempt")
