"""The live protocol over real sockets against a real server."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from netra_core.context import UserExecutionContext
from netra_core.events import InProcessFanOut, encode_event
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.live_node import LiveNode, live_node
from netra_core.testing.runs import reference_run
from netra_core.testing.socket_app import token_of
from netra_core.websocket import SocketLimits

pytestmark = pytest.mark.integration


def person(user: str = "ada", workspace: str = "w1") -> UserExecutionContext:
    return UserExecutionContext(user_id=user, workspace_id=workspace, request_id="test")


class Service:
    """One node over a log in memory."""

    def __init__(self, node: LiveNode, log: MemoryEventLog) -> None:
        self.manager = node.manager
        self.handlers = node.handlers
        self.server = node.server
        self.log = log

    def connect(self, user: str = "ada", **token: Any) -> "websockets.connect":
        return websockets.connect(
            self.server.ws_url,
            additional_headers={"Authorization": f"Bearer {token_of(user, **token)}"},
            compression=None,
        )


@contextlib.asynccontextmanager
async def up(log: MemoryEventLog, limits: SocketLimits) -> AsyncIterator[Service]:
    log.fan_out = InProcessFanOut()
    async with live_node(log, log.fan_out, limits=limits) as node:
        yield Service(node, log)


@pytest.fixture
def limits() -> SocketLimits:
    return SocketLimits(resume_grace_s=0.05)


@pytest.fixture
async def service(limits: SocketLimits) -> AsyncGenerator[Service]:
    async with up(MemoryEventLog(), limits) as service:
        yield service


async def receive(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(await socket.recv())


async def receive_until(socket: ClientConnection, kind: str) -> list[dict[str, Any]]:
    got = [await receive(socket)]
    while got[-1]["type"] != kind:
        got.append(await receive(socket))
    return got


async def receive_events(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [await receive(socket) for _ in range(count)]


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def closed_with(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code or 0


def seqs(messages: list[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in messages]


async def test_a_message_is_accepted_and_its_run_arrives_in_order(service: Service) -> None:
    async with service.connect() as socket:
        hello = await receive(socket)
        await say(socket, type="user_message", content="cheaper?", client_message_id="m1")
        accepted = await receive(socket)
        events = await receive_events(socket, 7)
    assert hello["type"] == "connection_established" and hello["seq"] == 0
    assert accepted == {
        "type": "message_accepted",
        "client_message_id": "m1",
        "thread_id": "thread-ada",
        "run_id": "run-ada-m1",
        "duplicate": False,
    }
    assert seqs(events) == [1, 2, 3, 4, 5, 6, 7]
    assert {event["epoch"] for event in events} == {hello["epoch"]}
    assert [event["type"] for event in events] == [
        "agent_started",
        "agent_started",
        "agent_thinking",
        "tool_executing",
        "tool_completed",
        "agent_completed",
        "agent_completed",
    ]


async def test_the_same_client_message_id_starts_no_second_run(service: Service) -> None:
    async with service.connect() as socket:
        await receive(socket)
        await say(socket, type="user_message", content="x", client_message_id="m1")
        await receive_until(socket, "message_accepted")
        await receive_events(socket, 7)
        await say(socket, type="user_message", content="x", client_message_id="m1")
        again = await receive(socket)
    assert (again["type"], again["duplicate"]) == ("message_accepted", True)
    assert len(service.log.all_events(person().stream)) == 7


async def test_three_tabs_get_every_event_once_and_another_user_none(service: Service) -> None:
    async with contextlib.AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(service.connect()) for _ in range(3)]
        stranger = await stack.enter_async_context(service.connect("bob"))
        elsewhere = await stack.enter_async_context(service.connect(workspace="w2"))
        for socket in (*tabs, stranger, elsewhere):
            await receive(socket)
        await service.log.append_many(person(), reference_run("r1"))
        got = [await receive_events(tab, 7) for tab in tabs]
        for socket in (stranger, elsewhere):
            await say(socket, type="ping")
            assert await receive(socket) == {"type": "pong"}
    assert got[0] == got[1] == got[2]
    assert seqs(got[0]) == [1, 2, 3, 4, 5, 6, 7]
    assert service.manager.get_stats().encoded == 7


async def test_resume_replays_exactly_what_was_missed(service: Service) -> None:
    run = reference_run("r1")
    async with service.connect() as socket:
        epoch = (await receive(socket))["epoch"]
        await service.log.append_many(person(), run[:3])
        await receive_events(socket, 3)
    await service.log.append_many(person(), run[3:6])
    async with service.connect() as socket:
        hello = await receive(socket)
        await say(socket, type="resume", epoch=epoch, after_seq=3)
        replay = await receive_until(socket, "resumed")
        await service.log.append(person(), run[6])
        live = await receive(socket)
    assert (hello["epoch"], hello["seq"]) == (epoch, 6)
    assert seqs(replay[:-1]) == [4, 5, 6]
    assert replay[-1] == {"type": "resumed", "from_seq": 4, "to_seq": 6}
    assert live["seq"] == 7


async def test_a_restarted_server_continues_where_the_old_one_stood(
    limits: SocketLimits,
) -> None:
    log = MemoryEventLog()
    run = reference_run("r1")
    async with up(log, limits) as old, old.connect() as socket:
        epoch = (await receive(socket))["epoch"]
        await log.append_many(person(), run[:4])
        await receive_events(socket, 4)
    await log.append(person(), run[4])
    async with up(log, limits) as new, new.connect() as socket:
        await receive(socket)
        await say(socket, type="resume", epoch=epoch, after_seq=4)
        replay = await receive_until(socket, "resumed")
        await log.append_many(person(), run[5:])
        live = await receive_events(socket, 2)
    assert seqs(replay[:-1]) == [5]
    assert seqs(live) == [6, 7]


@pytest.mark.parametrize(
    ("epoch", "after_seq", "reason"),
    [("another", 0, "epoch_changed"), (None, 99, "position_unknown")],
)
async def test_a_position_that_cannot_be_continued_needs_a_resync(
    service: Service, epoch: str | None, after_seq: int, reason: str
) -> None:
    await service.log.append_many(person(), reference_run("r1"))
    async with service.connect() as socket:
        hello = await receive(socket)
        await say(socket, type="resume", epoch=epoch or hello["epoch"], after_seq=after_seq)
        answer = await receive(socket)
        await service.log.append_many(person(), reference_run("r2")[:1])
        live = await receive(socket)
    assert answer == {
        "type": "resync_required",
        "reason": reason,
        "epoch": hello["epoch"],
        "seq": 7,
    }
    assert live["seq"] == 8


async def test_events_logged_while_the_replay_is_read_follow_it_without_a_seam(
    limits: SocketLimits,
) -> None:
    run = reference_run("r1", thoughts=600)
    gate = asyncio.Event()
    gate.set()

    async def around_read() -> None:
        await gate.wait()

    log = MemoryEventLog(around_read=around_read)
    async with up(log, limits) as service:
        await log.append_many(person(), run[:400])
        async with service.connect() as socket:
            hello = await receive(socket)
            gate.clear()
            await say(socket, type="resume", epoch=hello["epoch"], after_seq=0)
            await log.append_many(person(), run[400:500])
            gate.set()
            await log.append_many(person(), run[500:])
            got: list[dict[str, Any]] = []
            while len(got) <= len(run):
                got.append(await receive(socket))
    assert seqs([m for m in got if m["type"] != "resumed"]) == list(range(1, len(run) + 1))
    assert [m["type"] for m in got].count("resumed") == 1


async def test_sse_gives_the_same_bytes_as_the_socket(service: Service) -> None:
    run = reference_run("r1")
    async with (
        service.connect() as socket,
        httpx.AsyncClient(base_url=service.server.url) as http,
    ):
        await receive(socket)
        await service.log.append_many(person(), run[:3])
        headers = {"Authorization": f"Bearer {token_of('ada')}"}
        async with http.stream("GET", "/api/runs/r1/events", headers=headers) as response:
            await service.log.append_many(person(), run[3:])
            lines = [line async for line in response.aiter_lines()]
        on_socket = [await socket.recv() for _ in run]
        headers["Last-Event-ID"] = "5"
        rest = await http.get("/api/runs/r1/events", headers=headers)
        headers["Last-Event-ID"] = "7"
        nothing = await http.get("/api/runs/r1/events", headers=headers)
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    ids = [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]
    stored = [encode_event(e).decode() for e in service.log.all_events(person().stream)]
    assert data == on_socket == stored
    assert ids == ["1", "2", "3", "4", "5", "6", "7"]
    assert rest.text.count("data: ") == 2 and stored[5] in rest.text
    assert (nothing.status_code, nothing.content) == (204, b"")


async def test_a_ticket_opens_one_socket_and_no_second(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.server.url) as http:
        headers = {"Authorization": f"Bearer {token_of('ada')}"}
        ticket = (await http.post("/api/ws/ticket", headers=headers)).json()["ticket"]
    address = f"{service.server.ws_url}?ticket={ticket}"
    async with websockets.connect(address) as socket:
        assert (await receive(socket))["type"] == "connection_established"
    async with websockets.connect(address) as socket:
        assert (await receive(socket))["code"] == "WS-005"
        assert await closed_with(socket) == 4401


async def test_without_a_valid_token_the_socket_is_closed_with_4401(service: Service) -> None:
    async with websockets.connect(service.server.ws_url) as socket:
        assert await closed_with(socket) == 4401
    bad = {"Authorization": "Bearer nonsense"}
    async with websockets.connect(service.server.ws_url, additional_headers=bad) as socket:
        assert await closed_with(socket) == 4401
    assert service.manager.get_stats().opened == 0


async def test_a_foreign_page_is_refused_before_the_socket_opens(service: Service) -> None:
    bearer = {"Authorization": f"Bearer {token_of('ada')}"}
    url = service.server.ws_url
    with pytest.raises(InvalidStatus) as refused:
        await websockets.connect(url, additional_headers=bearer, origin="https://evil.example")
    assert refused.value.response.status_code == 403
    for origin in ("https://app.example", service.server.url):
        async with websockets.connect(url, additional_headers=bearer, origin=origin) as socket:
            assert (await receive(socket))["type"] == "connection_established"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"ping"',
        '{"type": "shout"}',
        '{"type": "user_message", "content": "", "client_message_id": "m"}',
        '{"type": "resume", "epoch": "e", "after_seq": -1}',
        '{"type": "cancel_run"}',
    ],
)
async def test_a_malformed_message_is_answered_and_the_socket_lives_on(
    service: Service, text: str
) -> None:
    async with service.connect() as socket:
        await receive(socket)
        await socket.send(text)
        error = await receive(socket)
        await say(socket, type="ping")
        assert await receive(socket) == {"type": "pong"}
    assert (error["type"], error["code"], error["retryable"]) == ("error", "WS-001", False)


async def test_a_message_whose_id_alone_can_be_read_is_refused_under_its_id(
    service: Service,
) -> None:
    async with service.connect() as socket:
        await receive(socket)
        await say(socket, type="user_message", content=7, client_message_id="m1")
        about = await receive(socket)
        await say(socket, type="user_message", content="x", client_message_id="m" * 129)
        unnamed = await receive(socket)
    assert (about["code"], about["client_message_id"]) == ("WS-001", "m1")
    assert (unnamed["code"], unnamed["client_message_id"]) == ("WS-001", None)


async def test_a_failing_request_names_what_it_was_about(service: Service) -> None:
    async with service.connect() as socket:
        await receive(socket)
        await say(socket, type="cancel_run", run_id="nobody's")
        error = await receive(socket)
    assert (error["code"], error["run_id"]) == ("RUN-404", "nobody's")


async def test_a_revoked_session_closes_its_sockets_and_no_other(service: Service) -> None:
    async with (
        service.connect(session="s1") as revoked,
        service.connect(session="s2") as kept,
        service.connect("bob", session="s9") as other,
    ):
        for socket in (revoked, kept, other):
            await receive(socket)
        assert await service.manager.close_where(session_id="s1") == 1
        assert await closed_with(revoked) == 4423
        for socket in (kept, other):
            await say(socket, type="ping")
            assert await receive(socket) == {"type": "pong"}


async def test_a_revoked_session_ends_its_event_source_too(service: Service) -> None:
    await service.log.append_many(person(), reference_run("r1")[:2])
    headers = {"Authorization": f"Bearer {token_of('ada')}"}
    async with httpx.AsyncClient(base_url=service.server.url, headers=headers) as http:
        async with http.stream("GET", "/api/runs/r1/events") as response:
            lines = response.aiter_lines()
            first = await anext(lines)
            await service.manager.close_where(session_id="s1")
            rest = [line async for line in lines]
    assert first == "id: 1"
    assert [line for line in rest if line.startswith("id: ")] == ["id: 2"]
    assert service.manager.get_stats().subscribers == 0


async def test_an_expired_token_closes_its_socket(service: Service) -> None:
    async with service.connect(expires_at=time.time() + 0.2) as socket:
        await receive(socket)
        assert await closed_with(socket) == 4419


async def test_shutdown_closes_every_socket_with_restart(service: Service) -> None:
    async with service.connect() as first, service.connect("bob") as second:
        await receive(first)
        await receive(second)
        await service.log.append_many(person(), reference_run("r1"))
        await service.manager.shutdown(drain_s=5)
        assert seqs(await receive_events(first, 7)) == [1, 2, 3, 4, 5, 6, 7]
        assert [await closed_with(first), await closed_with(second)] == [1012, 1012]
    stats = service.manager.get_stats()
    assert (stats.connections, stats.users, stats.streams, stats.subscribers) == (0, 0, 0, 0)


class TestLimits:
    @pytest.fixture
    def limits(self) -> SocketLimits:
        return SocketLimits(
            connections_per_user=2,
            messages_per_minute=5,
            refused_before_close=10,
            message_bytes=10_000,
        )

    async def test_a_user_over_the_limit_of_connections_is_turned_away(
        self, service: Service
    ) -> None:
        async with service.connect() as one, service.connect() as two, service.connect("bob"):
            await receive(one)
            await receive(two)
            async with service.connect() as third:
                assert (await receive(third))["code"] == "WS-004"
                assert await closed_with(third) == 4430
        assert service.manager.get_stats().connections <= 2

    async def test_messages_over_the_rate_are_refused_then_the_socket_is_closed(
        self, service: Service
    ) -> None:
        async with service.connect() as socket:
            await receive(socket)
            for _ in range(16):
                await say(socket, type="ping")
            got = await receive_events(socket, 6)
            assert [m["type"] for m in got] == ["pong"] * 5 + ["error"]
            assert (got[5]["code"], got[5]["retryable"]) == ("WS-003", True)
            assert await closed_with(socket) == 4429

    async def test_a_message_over_the_limit_of_bytes_closes_with_1009(
        self, service: Service
    ) -> None:
        async with service.connect() as socket, service.connect("bob") as other:
            await receive(socket)
            await receive(other)
            await socket.send("x" * 10_001)
            assert await closed_with(socket) == 1009
            await say(other, type="ping")
            assert await receive(other) == {"type": "pong"}
