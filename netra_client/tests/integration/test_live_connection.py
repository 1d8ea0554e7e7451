"""The client over real sockets: it outlives drops, restarts and refusals."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from netra_client import (
    ApexClient,
    ApiError,
    LiveConnection,
    LiveEvent,
    LiveProtocol,
    RunView,
    SignedOutError,
    UnreachableError,
    Update,
)
from netra_core.context import UserExecutionContext
from netra_core.events import InProcessFanOut
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.live_node import LiveNode, live_node
from netra_core.testing.runs import reference_run
from netra_core.testing.socket_app import token_of
from netra_core.websocket import SocketLimits

pytestmark = pytest.mark.integration
ADA = UserExecutionContext(user_id="ada", workspace_id="w1", request_id="test")


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog(fan_out=InProcessFanOut())


@pytest.fixture
async def node(log: MemoryEventLog) -> AsyncGenerator[LiveNode]:
    assert log.fan_out is not None
    async with live_node(log, log.fan_out) as node:
        yield node


def bearer(user: str = "ada", **more: str) -> Callable[[bool], Awaitable[str]]:
    async def token(_: bool) -> str:
        return token_of(user, **more)

    return token


def live(node: LiveNode, **options: object) -> LiveConnection:
    return LiveConnection(node.server.ws_url, token=bearer(), **options)  # type: ignore[arg-type]


async def events_of(connection: LiveConnection, count: int) -> list[LiveEvent]:
    got: list[LiveEvent] = []
    async for update in connection.updates():
        if isinstance(update, LiveEvent):
            got.append(update)
            if len(got) == count:
                break
    return got


async def first(connection: LiveConnection) -> Update:
    return await anext(aiter(connection.updates()))


async def test_a_question_is_answered_by_its_run(node: LiveNode) -> None:
    async with live(node) as connection:
        accepted = await connection.ask("cheaper?", client_message_id="m1")
        view = RunView(accepted.run_id)
        for event in await events_of(connection, 7):
            view.take(event)
    assert view.status == "completed" and view.report == {"headline": "Done"}
    assert view.agents["data"].thoughts == ["Thought 1."]
    assert view.tools["call-1"].ok is True


async def test_a_question_that_the_server_cannot_read_is_refused_and_not_sent_again(
    node: LiveNode,
) -> None:
    async with live(node) as connection:
        for content in ("", "x" * 32_001):
            with pytest.raises(ApiError) as refused:
                await connection.ask(content)
            assert refused.value.code == "WS-001"
        assert (await connection.ask("cheaper?")).duplicate is False


async def test_dropped_sockets_cost_no_event_and_repeat_none(
    node: LiveNode, log: MemoryEventLog
) -> None:
    run = reference_run("r1", thoughts=40)
    async with live(node, backoff_s=0.01) as connection:
        await first(connection)
        got: list[LiveEvent] = []
        for start in range(0, len(run), 10):
            part = run[start : start + 10]
            await connection.drop()
            await log.append_many(ADA, part)
            got += await events_of(connection, len(part))
    assert [event.seq for event in got] == list(range(1, len(run) + 1))
    assert connection.connects >= 3


async def test_a_restarted_server_is_found_again_and_continued(log: MemoryEventLog) -> None:
    run = reference_run("r1")
    fan_out = InProcessFanOut()
    log.fan_out = fan_out
    async with live_node(log, fan_out) as old:
        port = old.server.port
        connection = live(old, backoff_s=0.02)
        await connection.__aenter__()
        await first(connection)
        await log.append_many(ADA, run[:3])
        before = await events_of(connection, 3)
    await log.append_many(ADA, run[3:5])
    async with live_node(log, fan_out, port=port):
        await log.append_many(ADA, run[5:])
        after = await events_of(connection, 4)
        await connection.__aexit__(None, None, None)
    assert [event.seq for event in before + after] == [1, 2, 3, 4, 5, 6, 7]


async def test_a_client_starting_from_a_stored_position_gets_what_it_missed(
    node: LiveNode, log: MemoryEventLog
) -> None:
    events = await log.append_many(ADA, reference_run("r1"))
    protocol = LiveProtocol(epoch=events[0].epoch, seq=2)
    async with live(node, protocol=protocol) as connection:
        got = await events_of(connection, 5)
    assert [event.seq for event in got] == [3, 4, 5, 6, 7]


async def test_an_ended_session_is_an_error_and_no_endless_reconnect(node: LiveNode) -> None:
    async with live(node) as connection:
        await first(connection)
        await node.manager.close_where(user_id="ada")
        with pytest.raises(SignedOutError):
            await events_of(connection, 1)
        with pytest.raises(SignedOutError):
            await connection.ask("still there?")


async def test_a_token_that_is_never_valid_ends_in_signed_out(node: LiveNode) -> None:
    async def nonsense(_: bool) -> str:
        return "nonsense"

    async with LiveConnection(node.server.ws_url, token=nonsense, backoff_s=0.01) as connection:
        with pytest.raises(SignedOutError):
            await events_of(connection, 1)


async def test_a_server_that_stays_away_is_named(node: LiveNode) -> None:
    closed = LiveConnection("ws://127.0.0.1:1/ws", token=bearer(), patience_s=0.05, backoff_s=0.01)
    async with closed as connection:
        with pytest.raises(UnreachableError, match=r"ws://127\.0\.0\.1:1/ws"):
            await connection.ask("anybody?")


async def test_a_message_over_the_rate_is_sent_again_and_answered(log: MemoryEventLog) -> None:
    assert log.fan_out is not None
    limits = SocketLimits(messages_per_minute=60, resume_grace_s=0.01)
    async with live_node(log, log.fan_out, limits=limits) as node:
        async with LiveConnection(node.server.ws_url, token=bearer(), jitter=lambda: 0) as c:
            accepted = await asyncio.gather(
                *[c.ask("x", client_message_id=f"m{n}") for n in range(62)]
            )
    assert len({answer.run_id for answer in accepted}) == 62


async def test_sse_continues_where_it_was_left(node: LiveNode, log: MemoryEventLog) -> None:
    await log.append_many(ADA, reference_run("r1"))
    async with ApexClient(node.server.url, access_token=token_of("ada")) as client:
        all_events = [event async for event in client.run_events("r1")]
        rest = [event async for event in client.run_events("r1", after_run_seq=4)]
    assert [event.run_seq for event in all_events] == [1, 2, 3, 4, 5, 6, 7]
    assert rest == all_events[4:]


async def test_an_http_error_is_told_in_the_servers_words(node: LiveNode) -> None:
    async with ApexClient(node.server.url, access_token=token_of("ada")) as client:
        assert len(await client.socket_ticket()) > 20
        with pytest.raises(ApiError) as refused:
            await client.get("/api/nothing")
    assert refused.value.status == 404
    async with ApexClient("http://127.0.0.1:1", access_token="x") as client:
        with pytest.raises(UnreachableError):
            await client.me()
