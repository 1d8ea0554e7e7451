"""BaseAgent, its context and the registry, over a log in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest

from netra_backend.agents.base import BaseAgent, Lifecycle
from netra_backend.agents.context import AgentContext, RunScope, ToolPolicy
from netra_backend.agents.recorder import RunRecorder
from netra_backend.agents.registry import AgentRegistry
from netra_backend.agents.session import AgentSession
from netra_backend.errors import (
    AgentFailedError,
    AgentLimitError,
    LifecycleError,
    ReplayMismatchError,
    ToolFailedError,
    ToolTimeoutError,
)
from netra_backend.runs.token import CancelToken, RunCancelledSignal
from netra_core.context import UserExecutionContext
from netra_core.errors import ApexError
from netra_core.registry import FactoryError, NotRegisteredError, RejectedItemError
from netra_core.testing.event_log import MemoryEventLog

ADA = UserExecutionContext(
    user_id="ada", workspace_id="w", request_id="r", run_id="run", thread_id="t"
)
Work = Callable[[AgentContext], Awaitable[Any]]


class RecordedSteps:
    """Steps as a durable engine keeps them: each name's outcome is there for the next execution."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Any] = {}
        self.executed: list[str] = []

    async def step(self, name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        if name not in self.outcomes:
            self.executed.append(name)
            self.outcomes[name] = await fn()
        return self.outcomes[name]


class OpenFence:
    async def check(self) -> None:
        return


class Nobody:
    async def ask(self, ctx: object, request_id: str, *, title: str, detail: object) -> bool:
        return False


class Doing(BaseAgent[str, str]):
    """Does what the test says."""

    name: ClassVar[str] = "doing"

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work
        self.cleaned = 0

    async def run(self, ctx: AgentContext, request: str) -> str:
        return await self._work(ctx)

    async def cleanup(self) -> None:
        self.cleaned += 1


class World:
    """One run over a log in memory; `execute` may be called again, as after a crash."""

    def __init__(self) -> None:
        self.log = MemoryEventLog()
        self.steps = RecordedSteps()
        self.token = CancelToken()

    def context(self, agent: str = "doing") -> AgentContext:
        scope = RunScope(
            user=ADA,
            recorder=RunRecorder(self.log, ADA),
            steps=self.steps,
            token=self.token,
            fence=OpenFence(),
            approvals=Nobody(),
        )
        return AgentContext.root(scope, agent)

    async def execute(self, work: Work) -> Doing:
        agent = Doing(work)
        await agent.execute(self.context(), "request")
        return agent

    async def types(self) -> list[str]:
        return [event.type for event in await self.log.read_run(ADA, "run")]


@pytest.fixture
def world() -> World:
    return World()


async def _answer(value: Any = "ok") -> Any:
    return value


async def test_an_agent_runs_once_from_pending_to_shutdown(world: World) -> None:
    async def work(ctx: AgentContext) -> str:
        await ctx.think("thinking")
        return "done"

    agent = Doing(work)
    states = [agent.state]
    await agent.execute(world.context(), "request")
    states.append(agent.state)
    await agent.shutdown()
    await agent.shutdown()
    states.append(agent.state)
    assert states == [Lifecycle.PENDING, Lifecycle.COMPLETED, Lifecycle.SHUTDOWN]
    assert agent.cleaned == 1
    assert await world.types() == ["agent_started", "agent_thinking", "agent_completed"]
    with pytest.raises(LifecycleError):
        await agent.execute(world.context(), "again")


async def test_an_execution_again_repeats_no_event_and_no_finished_step(world: World) -> None:
    async def work(ctx: AgentContext) -> str:
        await ctx.think("first")
        return await ctx.tool("lookup", _answer, returns=str)

    await world.execute(work)
    before = await world.log.read_run(ADA, "run")
    await world.execute(work)
    assert await world.log.read_run(ADA, "run") == before
    assert world.steps.executed == ["doing.lookup"]


async def test_a_run_that_does_not_repeat_itself_is_found_out(world: World) -> None:
    async def first(ctx: AgentContext) -> str:
        await ctx.think("a thought")
        return await ctx.tool("lookup", _answer, returns=str)

    async def other(ctx: AgentContext) -> str:
        return await ctx.tool("lookup", _answer, returns=str)

    await world.execute(first)
    with pytest.raises(ReplayMismatchError):
        await world.execute(other)


async def test_a_tool_that_raises_closes_its_pair_and_tells_no_secret(world: World) -> None:
    async def leaky() -> str:
        raise RuntimeError("connection refused for key sk-very-secret")

    async def work(ctx: AgentContext) -> str:
        with pytest.raises(ToolFailedError) as failure:
            await ctx.tool("leaky", leaky, returns=str)
        return failure.value.message

    agent = await world.execute(work)
    events = await world.log.read_run(ADA, "run")
    assert agent.state is Lifecycle.COMPLETED
    assert [event.type for event in events[1:3]] == ["tool_executing", "tool_completed"]
    assert events[2].payload["error"] == "unexpected RuntimeError"
    assert "sk-very-secret" not in str(events)


async def test_a_tool_is_retried_where_that_is_declared(world: World) -> None:
    tries: list[int] = []

    async def flaky() -> str:
        tries.append(len(tries))
        if len(tries) < 3:
            raise ConnectionError("later")
        return "at last"

    async def work(ctx: AgentContext) -> str:
        policy = ToolPolicy(attempts=3, retry_on=(ConnectionError,))
        return await ctx.tool("flaky", flaky, returns=str, policy=policy)

    await world.execute(work)
    assert tries == [0, 1, 2]


async def test_a_tool_out_of_time_fails_and_what_it_did_is_cancelled(world: World) -> None:
    cancelled = asyncio.Event()

    async def endless() -> str:
        try:
            return await asyncio.Future()
        finally:
            cancelled.set()

    async def work(ctx: AgentContext) -> str:
        with pytest.raises(ToolTimeoutError):
            await ctx.tool("endless", endless, returns=str, timeout_s=0.01)
        return "went on"

    await world.execute(work)
    assert cancelled.is_set()


async def test_a_cancelled_run_stops_its_tool_and_is_closed_innermost_first(world: World) -> None:
    started = asyncio.Event()

    async def endless() -> str:
        started.set()
        return await asyncio.Future()

    async def inner(ctx: AgentContext) -> str:
        return await ctx.tool("endless", endless, returns=str)

    class Inner(Doing):
        name: ClassVar[str] = "inner"

    async def outer(ctx: AgentContext) -> str:
        return await ctx.delegate(Inner(inner), "request")

    execution = asyncio.create_task(world.execute(outer))
    await started.wait()
    world.token.cancel("the user said so")
    with pytest.raises(RunCancelledSignal):
        await execution
    await RunRecorder(world.log, ADA).close("cancelled", "the user said so")
    await RunRecorder(world.log, ADA).close("cancelled", "again")
    events = await world.log.read_run(ADA, "run")
    assert [(event.type, event.agent_name) for event in events[3:]] == [
        ("tool_completed", "inner"),
        ("agent_completed", "inner"),
        ("run_cancelled", "doing"),
    ]


async def test_a_failing_agent_says_so_and_its_caller_may_go_on(world: World) -> None:
    async def failing(ctx: AgentContext) -> str:
        raise ValueError("no")

    class Inner(Doing):
        name: ClassVar[str] = "inner"

    async def outer(ctx: AgentContext) -> str:
        inner = Inner(failing)
        with pytest.raises(AgentFailedError):
            await ctx.delegate(inner, "request")
        assert (inner.state, inner.health().healthy) == (Lifecycle.FAILED, False)
        return "without it"

    await world.execute(outer)
    events = await world.log.read_run(ADA, "run")
    assert [event.payload.get("status") for event in events if event.type == "agent_completed"] == [
        "failed",
        "completed",
    ]


async def test_arguments_are_shown_without_secrets(world: World) -> None:
    async def call(query: str, api_key: str, nested: dict[str, str]) -> str:
        return f"{query} {len(api_key)} {len(nested)}"

    async def work(ctx: AgentContext) -> str:
        return await ctx.tool(
            "call", call, returns=str, query="q", api_key="sk-1", nested={"password": "p", "a": "b"}
        )

    await world.execute(work)
    executing = (await world.log.read_run(ADA, "run"))[1]
    assert executing.payload["args"] == {
        "query": "q",
        "api_key": "***",
        "nested": {"password": "***", "a": "b"},
    }


async def test_each_user_gets_agents_of_their_own(world: World) -> None:
    registry = AgentRegistry(agents_per_user=2)
    registry.register_factory("doing", lambda session: Doing(lambda _: _answer(session.user)))
    eve = UserExecutionContext(user_id="eve", workspace_id="w", request_id="r")
    mine, theirs = registry.session(ADA), registry.session(eve)
    one, two = await mine.create("doing"), await theirs.create("doing")
    await mine.create("doing")
    with pytest.raises(AgentLimitError):
        await mine.create("doing")
    assert one is not two
    assert registry.session(ADA) is mine
    assert (registry.state().sessions, registry.state().agents) == (2, 3)
    assert await registry.close_session(ADA) == []
    assert (len(mine), len(theirs), one.state) == (0, 1, Lifecycle.SHUTDOWN)
    await registry.close()
    assert registry.state().sessions == 0


async def test_an_agent_given_to_one_user_is_never_given_to_another() -> None:
    shared = Doing(lambda _: _answer())
    registry = AgentRegistry()
    registry.register_factory("shared", lambda _: shared)
    registry.register_factory("text", lambda _: "no agent")  # type: ignore[arg-type,return-value]
    session = registry.session(ADA)
    assert await session.create("shared") is shared
    with pytest.raises(RejectedItemError):
        await session.create("shared")
    with pytest.raises(RejectedItemError):
        await session.create("text")
    with pytest.raises(NotRegisteredError):
        await session.create("nobody")


async def test_a_broken_factory_is_reported_as_what_it_is() -> None:
    def broken(_: AgentSession) -> Doing:
        raise ZeroDivisionError("inside the plugin")

    registry = AgentRegistry()
    registry.register_factory("broken", broken)
    with pytest.raises(FactoryError) as failure:
        await registry.session(ADA).create("broken")
    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    state = registry.state()
    assert (state.healthy, list(state.problems)) == (False, ["broken"])


async def test_a_clean_up_that_fails_costs_the_other_agents_nothing() -> None:
    class Messy(Doing):
        async def cleanup(self) -> None:
            raise OSError("cannot close")

    registry = AgentRegistry()
    registry.register_factory("messy", lambda _: Messy(lambda _: _answer()))
    registry.register_factory("tidy", lambda _: Doing(lambda _: _answer()))
    session = registry.session(ADA)
    messy, tidy = await session.create("messy"), await session.create("tidy")
    problems = await registry.close_session(ADA)
    assert [str(problem) for problem in problems] == ["cannot close"]
    assert (messy.state, tidy.state) == (Lifecycle.SHUTDOWN, Lifecycle.SHUTDOWN)
    assert tidy.cleaned == 1


def test_errors_of_the_platform_have_codes_of_their_own() -> None:
    import netra_backend.errors as module

    codes = [
        value.code
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ApexError)
        and value.__module__ == module.__name__
    ]
    assert len(codes) == len(set(codes))
