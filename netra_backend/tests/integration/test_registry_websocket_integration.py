"""Agents and sockets together: whoever an agent works for sees it work, and nobody else does."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext, RunScope
from netra_backend.agents.recorder import RunRecorder
from netra_backend.agents.registry import AgentRegistry
from netra_backend.agents.session import AgentSession
from netra_backend.errors import AgentFailedError, AgentLimitError
from netra_backend.runs.token import CancelToken
from netra_backend.tests.kit import Person, Socket, is_terminal
from netra_backend.tests.live_kit import LiveStack, live_stack
from netra_core.context import UserExecutionContext
from netra_core.errors import RegistryError
from netra_core.events import CRITICAL_EVENTS
from netra_core.testing import BaseIntegrationTest
from netra_core.testing.postgres import TestDatabase
from netra_core.websocket import Connection

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Task(msgspec.Struct):
    """What the agent of these tests is asked: how often to think and whether to fail."""

    thoughts: int = 2
    fail: bool = False


class Done(msgspec.Struct):
    """What it answers."""

    by: str
    thoughts: int


class WorkingAgent(BaseAgent[Task, Done]):
    """Thinks, uses a tool, and remembers for whom it was made."""

    name = "working"

    def __init__(self, session: AgentSession | None = None) -> None:
        super().__init__()
        self.session = session

    async def run(self, ctx: AgentContext, request: Task) -> Done:
        for number in range(request.thoughts):
            await ctx.think(f"{ctx.user.user_id} thinks {number}")
        if request.fail:
            raise ValueError("a fault of the agent's own")
        return await ctx.tool("look", self._look, returns=Done, thoughts=request.thoughts)

    async def _look(self, thoughts: int) -> Done:
        await asyncio.sleep(0)
        return Done(self.name, thoughts)


class Inline:
    """Steps of a run that needs no recovery: each is called once."""

    async def step(self, name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        return await fn()


class Ours:
    """The fence of a run that nobody else can take."""

    async def check(self) -> None:
        return None


@pytest_asyncio.fixture(scope="class", loop_scope="module")
async def platform(
    tmp_path_factory: pytest.TempPathFactory, new_database: "Callable[[], TestDatabase | None]"
) -> AsyncGenerator[LiveStack]:
    async with live_stack(tmp_path_factory.mktemp("registry"), database=new_database()) as running:
        yield running


def context_of(person: Person, run_id: str) -> UserExecutionContext:
    return UserExecutionContext(
        user_id=person.user_id,
        workspace_id=person.workspace_id,
        request_id=run_id,
        thread_id=f"thread-{run_id}",
        run_id=run_id,
    )


def scope_of(platform: LiveStack, ctx: UserExecutionContext) -> RunScope:
    recorder = RunRecorder(platform.platform.deps.events, ctx)
    return RunScope(
        user=ctx,
        recorder=recorder,
        steps=Inline(),
        token=CancelToken(),
        fence=Ours(),
        approvals=platform.platform.approvals,
    )


async def work(platform: LiveStack, ctx: UserExecutionContext, request: Task | None = None) -> Done:
    """One execution of a fresh agent through the whole bridge: agent, recorder, log, sockets."""
    root = AgentContext.root(scope_of(platform, ctx), WorkingAgent.name)
    return await WorkingAgent().execute(root, request or Task())


async def read(socket: Socket, count: int) -> list[dict[str, Any]]:
    return [await socket.receive() for _ in range(count)]


async def nothing_more(socket: Socket) -> bool:
    """True when a ping is answered before anything else."""
    await socket.send(type="ping")
    return (await socket.receive())["type"] == "pong"


def seqs(events: list[dict[str, Any]]) -> list[int]:
    return [event["seq"] for event in events]


EVENTS_OF_A_TASK = 6  # started, two thoughts, the pair of the tool, completed


@pytest.mark.integration
class TestRegistryAndWebSocket(BaseIntegrationTest):
    """Agents made for users, their events on those users' sockets.

    Segment: every team that shares one Apex between several people
    Goal: a person watches their own agents work, live, and nobody else's
    Value: trust in a shared platform; no support case about missing or foreign events
    Impact: without it teams need one installation a person
    """

    async def test_a_factory_makes_a_separate_instance_for_each_user(
        self, platform: LiveStack
    ) -> None:
        registry = AgentRegistry("separate")
        registry.register_factory("working", WorkingAgent)
        ada, bob = await platform.register("sep-ada"), await platform.register("sep-bob")
        sessions = [registry.session(context_of(person, "r")) for person in (ada, bob)]
        agents = [await session.create("working") for session in sessions for _ in range(2)]
        assert len({id(agent) for agent in agents}) == 4
        assert [agent.session for agent in agents] == [sessions[0]] * 2 + [sessions[1]] * 2
        await registry.close_session(context_of(ada, "r"))
        assert [len(session) for session in sessions] == [0, 2]

    async def test_the_bridge_is_injected_into_real_agents(self, platform: LiveStack) -> None:
        ada = await platform.register("bridge")
        ctx = context_of(ada, "run-bridge")
        async with ada.socket(speak=True) as socket:
            assert await work(platform, ctx) == Done("working", 2)
            on_socket = await read(socket, EVENTS_OF_A_TASK)
        logged = await platform.platform.deps.events.read_run(ctx, "run-bridge")
        assert on_socket == [msgspec.to_builtins(event) for event in logged]

    async def test_connections_are_found_by_id_and_by_user(self, platform: LiveStack) -> None:
        manager = platform.platform.sockets
        ada, bob = await platform.register("find-ada"), await platform.register("find-bob")
        async with ada.socket() as one, ada.socket() as two, bob.socket() as three:
            ids = [s.established["connection_id"] for s in (one, two, three)]
            mine = [c.connection_id for c in manager.get_user_connections(ada.user_id)]
            assert mine == ids[:2]
            found = manager.get_connection(ids[2])
            assert found is not None and found.context.user_id == bob.user_id
            assert manager.get_connection("no such id") is None
            assert manager.get_user_connections(bob.user_id, workspace_id="another") == []
            assert manager.is_connection_active(ids[0])

    @pytest.mark.both_databases
    async def test_an_agents_run_reaches_its_users_socket_and_no_other(
        self, platform: LiveStack
    ) -> None:
        ada, bob = await platform.register("only-ada"), await platform.register("only-bob")
        async with ada.socket(speak=True) as hers, bob.socket(speak=True) as his:
            await work(platform, context_of(ada, "run-only"))
            events = await read(hers, EVENTS_OF_A_TASK)
            assert {event["run_id"] for event in events} == {"run-only"}
            assert await nothing_more(his)

    @pytest.mark.both_databases
    async def test_ten_concurrent_writers_make_one_gapless_stream(
        self, platform: LiveStack
    ) -> None:
        ada = await platform.register("ten")
        async with ada.socket(speak=True) as socket:
            await asyncio.gather(
                *[work(platform, context_of(ada, f"ten-{n}"), Task(thoughts=5)) for n in range(10)]
            )
            events = await read(socket, 10 * 9)
        assert seqs(events) == list(range(1, 91))
        for n in range(10):
            mine = [e["run_seq"] for e in events if e["run_id"] == f"ten-{n}"]
            assert mine == list(range(1, 10))
        switches = sum(a["run_id"] != b["run_id"] for a, b in pairwise(events))
        assert switches > 10, "the writers did not interleave"

    async def test_clean_up_leaves_no_connection_task_or_feed(self, platform: LiveStack) -> None:
        manager = platform.platform.sockets
        person = await platform.register("clean")
        before, tasks = manager.get_stats(), len(asyncio.all_tasks())
        async with contextlib.AsyncExitStack() as opened:
            sockets = [
                await opened.enter_async_context(person.socket(speak=True)) for _ in range(5)
            ]
            await work(platform, context_of(person, "run-clean"))
            for socket in sockets:
                await read(socket, EVENTS_OF_A_TASK)
            assert manager.get_stats().connections == before.connections + 5
        await self.eventually(lambda: not manager.get_user_connections(person.user_id))
        await self.eventually(lambda: len(asyncio.all_tasks()) <= tasks, what="tasks to end")
        after = manager.get_stats()
        assert (after.connections, after.users, after.streams, after.subscribers) == (
            before.connections,
            before.users,
            before.streams,
            before.subscribers,
        )
        gc.collect()
        connections = [c for c in gc.get_objects() if isinstance(c, Connection)]
        assert not [c for c in connections if c.context.user_id == person.user_id]

    async def test_events_of_a_run_come_in_order_and_without_gaps(
        self, platform: LiveStack
    ) -> None:
        ada = await platform.register("order")
        async with ada.socket(speak=True) as socket:
            await work(platform, context_of(ada, "run-order"))
            events = await read(socket, EVENTS_OF_A_TASK)
        assert seqs(events) == [event["run_seq"] for event in events] == [1, 2, 3, 4, 5, 6]
        assert [event["type"] for event in events] == [
            "agent_started",
            "agent_thinking",
            "agent_thinking",
            "tool_executing",
            "tool_completed",
            "agent_completed",
        ]
        stamps = [event["timestamp"] for event in events]
        assert stamps == sorted(stamps)

    async def test_a_run_without_any_connection_is_delivered_on_connect(
        self, platform: LiveStack
    ) -> None:
        ada = await platform.register("absent")
        async with ada.socket() as socket:
            epoch = socket.established["epoch"]
        await work(platform, context_of(ada, "run-absent"))
        async with ada.socket() as socket:
            await socket.send(type="resume", epoch=epoch, after_seq=0)
            messages = await socket.until(lambda m: m["type"] == "resumed")
        assert seqs(messages[:-1]) == [1, 2, 3, 4, 5, 6]
        assert messages[-1] == {"type": "resumed", "from_seq": 1, "to_seq": 6}

    async def test_what_is_no_agent_is_refused_and_a_broken_factory_is_named(
        self, platform: LiveStack
    ) -> None:
        def broken(_: AgentSession) -> Any:
            raise ZeroDivisionError("the factory is broken")

        registry = AgentRegistry("refusing")
        registry.register_factory("thing", lambda _: object())  # type: ignore[arg-type,return-value]
        registry.register_factory("broken", broken)
        session = registry.session(context_of(await platform.register("refuse"), "r"))
        with pytest.raises(RegistryError, match="no agent"):
            await session.create("thing")
        with pytest.raises(RegistryError, match="raised ZeroDivisionError"):
            await session.create("broken")
        assert len(session) == 0

    async def test_three_users_with_three_sockets_get_each_event_exactly_once(
        self, platform: LiveStack
    ) -> None:
        people = [await platform.register(f"three-{n}") for n in range(3)]
        async with contextlib.AsyncExitStack() as opened:
            sockets = [
                [await opened.enter_async_context(person.socket(speak=True)) for _ in range(3)]
                for person in people
            ]
            await asyncio.gather(
                *[work(platform, context_of(p, f"three-{n}")) for n, p in enumerate(people)]
            )
            for n, mine in enumerate(sockets):
                got = [await read(socket, EVENTS_OF_A_TASK) for socket in mine]
                assert got[0] == got[1] == got[2]
                assert {event["run_id"] for event in got[0]} == {f"three-{n}"}
                for socket in mine:
                    assert await nothing_more(socket)

    @pytest.mark.both_databases
    async def test_a_real_run_sends_all_five_critical_events(self, platform: LiveStack) -> None:
        ada = await platform.register("five")
        async with ada.socket() as socket:
            await socket.send(
                type="user_message", content="Where can we save?", client_message_id="m1"
            )
            accepted, *events = await socket.until_end()
        assert accepted["type"] == "message_accepted"
        assert set(CRITICAL_EVENTS) <= {event["type"] for event in events}
        assert {event["run_id"] for event in events} == {accepted["run_id"]}
        assert seqs(events) == list(range(1, len(events) + 1))
        calls = [e["payload"]["call_id"] for e in events if e["type"] == "tool_executing"]
        returns = [e["payload"]["call_id"] for e in events if e["type"] == "tool_completed"]
        assert sorted(calls) == sorted(returns) and len(set(calls)) == len(calls)

    async def test_twenty_users_with_ten_operations_each_cross_nothing(
        self, platform: LiveStack
    ) -> None:
        deps = platform.platform.deps

        async def one(n: int) -> list[str]:
            runs = [f"twenty-{n}-{k}" for k in range(10)]
            for run_id in runs:
                ctx = UserExecutionContext(
                    user_id=f"user-{n}",
                    workspace_id=f"ws-{n % 4}",
                    request_id=run_id,
                    thread_id=f"t-{n}",
                    run_id=run_id,
                )
                await work(platform, ctx, Task(thoughts=1))
            return runs

        runs = await asyncio.gather(*[one(n) for n in range(20)])
        for n, expected in enumerate(runs):
            events = await deps.events.read((f"ws-{n % 4}", f"user-{n}"), after_seq=0, limit=1000)
            assert [event.seq for event in events] == list(range(1, 51))
            assert [e.run_id for e in events if e.run_seq == 1] == expected

    async def test_a_socket_that_fails_mid_send_costs_the_others_nothing_and_is_gone(
        self, platform: LiveStack
    ) -> None:
        manager = platform.platform.sockets
        ada = await platform.register("fails")
        async with ada.socket(speak=True) as healthy:
            doomed = manager.get_connection((await _dying(platform, ada)).connection_id)
            assert doomed is not None
            await work(platform, context_of(ada, "run-fails"))
            events = await read(healthy, EVENTS_OF_A_TASK)
            assert seqs(events) == [1, 2, 3, 4, 5, 6]
            await asyncio.wait_for(doomed.wait_ended(), 5)
            open_now = manager.get_user_connections(ada.user_id)
            assert [c.connection_id for c in open_now] == [healthy.established["connection_id"]]

    async def test_an_agent_that_fails_closes_what_it_opened_before_the_error(
        self, platform: LiveStack
    ) -> None:
        ada = await platform.register("broken-agent")
        ctx = context_of(ada, "run-broken")
        async with ada.socket(speak=True) as socket:
            with pytest.raises(AgentFailedError):
                await work(platform, ctx, Task(thoughts=1, fail=True))
            await RunRecorder(platform.platform.deps.events, ctx).close("failed", "it broke")
            events = await socket.until(is_terminal)
        assert [event["type"] for event in events][-1] == "agent_error"
        assert events[-1]["payload"]["message"] == "it broke"

    async def test_an_agent_limit_counts_each_user_alone(self, platform: LiveStack) -> None:
        registry = AgentRegistry("limited", agents_per_user=2)
        registry.register_factory("working", WorkingAgent)
        ada, bob = await platform.register("limit-ada"), await platform.register("limit-bob")
        hers = registry.session(context_of(ada, "r"))
        first = await hers.create("working")
        await hers.create("working")
        with pytest.raises(AgentLimitError):
            await hers.create("working")
        assert await registry.session(context_of(bob, "r")).create("working")
        await hers.release(first)
        assert await hers.create("working")

    async def test_a_message_sent_again_from_another_tab_starts_no_second_run(
        self, platform: LiveStack
    ) -> None:
        ada = await platform.register("again")
        message = {"type": "user_message", "content": "Hello?", "client_message_id": "same"}
        async with ada.socket() as one, ada.socket() as two:
            await one.send(**message)
            accepted, *events = await one.until_end()
            assert seqs(await two.until_end()) == seqs(events)
            await two.send(**message)
            again = await two.receive()
            assert again == {**accepted, "duplicate": True}
            assert await nothing_more(two)


class _Doomed:
    """A transport that takes the first message and breaks in the middle of the next."""

    def __init__(self) -> None:
        self.sent = 0

    async def send_text(self, text: str) -> None:
        self.sent += 1

    async def send_frames(self, frames: Any) -> None:
        raise ConnectionResetError("the peer is gone")

    async def close(self, code: int, reason: str) -> None:
        raise ConnectionResetError("still gone")

    def abort(self) -> None:
        self.sent = -1


async def _dying(platform: LiveStack, person: Person) -> Any:
    ctx = UserExecutionContext(
        user_id=person.user_id, workspace_id=person.workspace_id, request_id="doomed"
    )
    return await platform.platform.sockets.add_connection(_Doomed(), ctx, hold=False)


@pytest.mark.integration
@pytest.mark.process
class TestAcrossARestart(BaseIntegrationTest):
    """The registry and the sockets after the server was stopped and started.

    Segment: operators who update a running Apex
    Goal: a restart is not noticed by the people who watch
    Value: updates in working hours
    Impact: without it every update loses the runs on screen
    """

    @pytest.mark.both_databases
    async def test_the_registry_serves_its_users_again_after_a_restart(
        self, tmp_path: Path, platform_at: TestDatabase | None
    ) -> None:
        async with live_stack(tmp_path, database=platform_at) as before:
            ada = await before.register("again")
            async with ada.socket() as socket:
                epoch = socket.established["epoch"]
                first = await _question(socket, "one")
            assert before.platform.agents.state().sessions == 0
        async with live_stack(tmp_path, database=platform_at) as after:
            ada = await after.login("again")
            async with ada.socket() as socket:
                assert socket.established["epoch"] == epoch
                assert socket.established["seq"] == len(first)
                second = await _question(socket, "two")
            state = after.platform.agents.state()
        assert seqs(second) == list(range(len(first) + 1, len(first) + len(second) + 1))
        assert state.healthy and state.kinds == 6


async def _question(socket: Socket, key: str) -> list[dict[str, Any]]:
    await socket.send(type="user_message", content="Where to save?", client_message_id=key)
    return (await socket.until_end())[1:]
