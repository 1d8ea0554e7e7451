"""Peers that do not read, never answer, send too much or vanish: the others notice nothing."""

import asyncio
import contextlib
import json
import socket as sockets
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from netra_core.context import UserExecutionContext
from netra_core.events import InProcessFanOut, NewEvent
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.live_node import LiveNode, live_node
from netra_core.testing.runs import reference_run
from netra_core.testing.socket_app import token_of
from netra_core.websocket import SocketLimits

pytestmark = pytest.mark.integration
ADA = UserExecutionContext(user_id="ada", workspace_id="w1", request_id="test")
MESSAGE_BYTES = 1024 * 1024


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog(fan_out=InProcessFanOut())


@pytest.fixture
async def node(log: MemoryEventLog) -> AsyncGenerator[LiveNode]:
    limits = SocketLimits(
        resume_grace_s=0,
        messages_per_minute=50,
        message_bytes=MESSAGE_BYTES,
        outbox_events=50,
        slow_after_s=1.0,
        send_timeout_s=1.0,
        close_timeout_s=0.2,
        heartbeat_s=1.0,
        recent_bytes=64 * 1024,
    )
    assert log.fan_out is not None
    async with live_node(log, log.fan_out, limits=limits) as node:
        yield node


def connect(node: LiveNode, user: str = "ada") -> websockets.connect:
    return websockets.connect(
        node.server.ws_url,
        additional_headers={"Authorization": f"Bearer {token_of(user)}"},
        compression=None,
    )


class Bare:
    """A TCP connection that was upgraded and reads only what it is told to."""

    def __init__(self, node: LiveNode, *, user: str = "ada", buffer: int = 4096) -> None:
        self.raw = sockets.socket()
        self.raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, buffer)
        self.raw.connect((node.server.host, node.server.port))
        self.raw.setblocking(False)
        self.user = user

    async def upgrade(self) -> None:
        await self.send(
            (
                "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {token_of(self.user)}\r\n\r\n"
            ).encode()
        )
        answer = await asyncio.get_running_loop().sock_recv(self.raw, 200)
        assert b"101 Switching Protocols" in answer

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.raw, data)

    async def flood(self, head: bytes, chunk: bytes, count: int) -> int:
        """Send until the server has had enough; how many chunks went."""
        await self.send(head)
        for number in range(count):
            try:
                await self.send(chunk)
            except (ConnectionResetError, BrokenPipeError):
                return number
        return count

    def reset(self) -> None:
        """Vanish with a reset, as a crashed process does."""
        linger = struct.pack("ii", 1, 0)
        self.raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, linger)
        self.raw.close()


@contextlib.asynccontextmanager
async def bare(node: LiveNode, **options: Any) -> AsyncIterator[Bare]:
    peer = Bare(node, **options)
    try:
        await peer.upgrade()
        yield peer
    finally:
        peer.raw.close()


async def receive(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(await socket.recv())


async def answers(socket: ClientConnection) -> bool:
    await socket.send('{"type": "ping"}')
    return await receive(socket) == {"type": "pong"}


async def gone(node: LiveNode, connection_id: str) -> int:
    """Wait until a connection has ended; its close code."""
    connection = node.manager.get_connection(connection_id)
    assert connection is not None
    await connection.wait_ended()
    return connection.close_code or 0


def the_other(node: LiveNode, known: str) -> str:
    ids = [c.connection_id for c in node.manager.get_user_connections("ada")]
    (found,) = [connection_id for connection_id in ids if connection_id != known]
    return found


def long_run(count: int, size: int) -> list[NewEvent]:
    """A run whose thoughts are long."""
    run = reference_run("r1", thoughts=count)
    return [
        NewEvent(**{**_fields(new), "payload": {**new.payload, "thought": "x" * size}})
        if new.type == "agent_thinking"
        else new
        for new in run
    ]


def _fields(new: NewEvent) -> dict[str, Any]:
    return {name: getattr(new, name) for name in new.__struct_fields__}


async def test_a_reader_that_stops_is_closed_and_holds_nothing_up(
    node: LiveNode, log: MemoryEventLog
) -> None:
    run = long_run(4000, 2000)
    async with connect(node) as healthy:
        mine = (await receive(healthy))["connection_id"]
        async with bare(node):
            slow = the_other(node, mine)
            got: list[int] = []
            for start in range(0, len(run), 100):
                part = run[start : start + 100]
                await log.append_many(ADA, part)
                got += [(await receive(healthy))["seq"] for _ in part]
            assert got == list(range(1, len(run) + 1))
            if node.manager.is_connection_active(slow):
                assert await gone(node, slow) == 4408
    stats = node.manager.get_stats()
    assert stats.closed.get(4408) == 1


async def test_a_reader_that_stops_costs_no_more_than_its_buffers(
    node: LiveNode, log: MemoryEventLog
) -> None:
    async with bare(node):
        (connection,) = node.manager.get_user_connections("ada")
        for start in range(0, 2000, 100):
            run = long_run(100, 2000)
            renamed = [
                NewEvent(**{**_fields(new), "run_id": f"r{start}", "step": f"s{start}"})
                for new in run
            ]
            await log.append_many(ADA, renamed)
        kept = sum(len(frame.text) for frame in connection.feed.recent)
        assert kept <= 64 * 1024 + 3000
        await connection.wait_ended()
    assert node.manager.get_stats().connections == 0


async def test_a_peer_that_resets_mid_stream_is_gone_and_the_others_get_everything(
    node: LiveNode, log: MemoryEventLog
) -> None:
    run = long_run(500, 500)
    async with connect(node) as healthy:
        mine = (await receive(healthy))["connection_id"]
        async with bare(node) as doomed:
            other = the_other(node, mine)
            await log.append_many(ADA, run[:100])
            doomed.reset()
            await log.append_many(ADA, run[100:])
            seqs = [(await receive(healthy))["seq"] for _ in run]
            if node.manager.is_connection_active(other):
                await gone(node, other)
    assert seqs == list(range(1, len(run) + 1))


@pytest.mark.parametrize("fragmented", [False, True])
async def test_a_message_of_twenty_megabytes_is_cut_off_while_it_arrives(
    node: LiveNode, fragmented: bool
) -> None:
    chunk = bytes(64 * 1024)
    async with connect(node, "bob") as other:
        await receive(other)
        async with bare(node) as peer:
            (connection,) = node.manager.get_user_connections("ada")
            if fragmented:
                frame = b"\x80" + bytes([0xFF]) + struct.pack("!Q", len(chunk)) + bytes(4) + chunk
                head, chunk = b"", b"\x00" + frame[1:]
                head = b"\x01" + frame[1:]
            else:
                head = b"\x81\xff" + struct.pack("!Q", 20 * MESSAGE_BYTES) + bytes(4)
            sent = await peer.flood(head, chunk, 320)
            await connection.wait_ended()
        assert sent < 320
        assert await answers(other)


async def test_ten_thousand_messages_at_once_are_refused_then_closed(node: LiveNode) -> None:
    async with connect(node, "bob") as other, connect(node) as flood:
        await receive(other)
        await receive(flood)

        async def shout() -> None:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(10_000):
                    await flood.send('{"type": "ping"}')

        shouting = asyncio.create_task(shout())
        assert await answers(other)
        kinds: list[str] = []
        with pytest.raises(ConnectionClosed):
            while True:
                kinds.append((await receive(flood))["type"])
        await shouting
        assert flood.close_code == 4429
        assert kinds.count("error") == 1
        assert 50 <= kinds.count("pong") <= 60
        assert await answers(other)


async def test_a_half_open_connection_is_dropped_even_with_unsent_bytes(
    node: LiveNode, log: MemoryEventLog
) -> None:
    async with bare(node):
        (connection,) = node.manager.get_user_connections("ada")
        await log.append_many(ADA, long_run(300, 3000))
        await connection.wait_ended()
        assert connection.close_code in (1000, 4408)
    assert node.manager.get_stats().subscribers == 0


async def test_answers_that_nobody_reads_close_the_connection(node: LiveNode) -> None:
    async with bare(node, user="ada") as peer:
        (connection,) = node.manager.get_user_connections("ada")
        nonsense = b'{"type":"' + b"x" * 1000 + b'"}'
        frame = b"\x81\xfe" + struct.pack("!H", len(nonsense)) + bytes(4) + nonsense
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(5000):
                await peer.send(frame)
        await connection.wait_ended()
    assert connection.close_code in (1000, 4408, 4429)
