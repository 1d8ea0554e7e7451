"""BaseAgent: a typed piece of work with a lifecycle, events, a time limit and honest health."""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

import msgspec

from netra_backend.agents.context import AgentContext
from netra_backend.errors import AgentFailedError, FencedError, LifecycleError, ReplayMismatchError

Req = TypeVar("Req")
Res = TypeVar("Res")


class Lifecycle(StrEnum):
    """Where an agent stands. It moves forward only."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SHUTDOWN = "shutdown"


_MOVES: dict[Lifecycle, frozenset[Lifecycle]] = {
    Lifecycle.PENDING: frozenset({Lifecycle.RUNNING, Lifecycle.SHUTDOWN}),
    Lifecycle.RUNNING: frozenset({Lifecycle.COMPLETED, Lifecycle.FAILED, Lifecycle.CANCELLED}),
    Lifecycle.COMPLETED: frozenset({Lifecycle.SHUTDOWN}),
    Lifecycle.FAILED: frozenset({Lifecycle.SHUTDOWN}),
    Lifecycle.CANCELLED: frozenset({Lifecycle.SHUTDOWN}),
    Lifecycle.SHUTDOWN: frozenset(),
}


class AgentHealth(msgspec.Struct, frozen=True):
    """A snapshot: `healthy` is False only for an agent that failed; `error` says why."""

    name: str
    state: Lifecycle
    healthy: bool
    error: str | None


class BaseAgent(ABC, Generic[Req, Res]):
    """An agent implements `run`; `execute` does the rest.

    One instance serves one user and one execution: it is never shared and never used again.
    Between tools `run` follows from its request and from what its tools answered (see
    AgentContext), because it is executed again when a run is recovered.
    """

    name: ClassVar[str]
    timeout_s: ClassVar[float] = 300.0

    def __init__(self) -> None:
        self._state = Lifecycle.PENDING
        self._error: str | None = None

    @property
    def state(self) -> Lifecycle:
        """Where the agent stands."""
        return self._state

    @abstractmethod
    async def run(self, ctx: AgentContext, request: Req) -> Res:
        """The agent's own work."""

    def announce(self, request: Req) -> str:
        """What `agent_started` says."""
        return f"{self.name} starts"

    def show(self, result: Res) -> object:
        """What `agent_completed` holds of the result, as JSON under 64 KiB."""
        return msgspec.to_builtins(result)

    async def execute(self, ctx: AgentContext, request: Req) -> Res:
        """Run once, between `agent_started` and `agent_completed`.

        Raises AgentFailedError with what went wrong as its cause, after the event that says so (the
        run's own closing says it for the root). On a cancelled run RunCancelledSignal passes
        through, and whoever ends the run closes what is open; a host that goes down leaves
        everything open for the next execution.
        """
        self._move(Lifecycle.RUNNING)
        try:
            await ctx.started(self.announce(request), timeout_s=self.timeout_s)
            result = await self.run(ctx, request)
            await ctx.ended(True, self.show(result))
        except (FencedError, ReplayMismatchError) as error:
            self._fail(error)
            raise
        except Exception as error:
            self._fail(error)
            if not ctx.is_root:
                await ctx.ended(False, {"error": _reason(error)})
            raise AgentFailedError(f"The agent {self.name!r} failed: {_reason(error)}") from error
        except BaseException:
            self._move(Lifecycle.CANCELLED)
            raise
        self._move(Lifecycle.COMPLETED)
        return result

    async def shutdown(self) -> None:
        """Let go of what the agent holds; again does nothing. A running agent refuses."""
        if self._state is not Lifecycle.SHUTDOWN:
            self._move(Lifecycle.SHUTDOWN)
            await self.cleanup()

    async def cleanup(self) -> None:
        """What an agent with resources of its own overrides."""
        return

    def health(self) -> AgentHealth:
        """How it is."""
        return AgentHealth(self.name, self._state, self._error is None, self._error)

    def _fail(self, error: Exception) -> None:
        self._error = _reason(error)
        self._move(Lifecycle.FAILED)

    def _move(self, to: Lifecycle) -> None:
        if to not in _MOVES[self._state]:
            raise LifecycleError(f"The agent {self.name!r} is {self._state} and cannot be {to}.")
        self._state = to


def _reason(error: Exception) -> str:
    return getattr(error, "message", None) or f"unexpected {type(error).__name__}"
