"""The load of the live benchmarks: many plain sockets that count what arrives, and the server."""

import asyncio
import contextlib
import os
import resource
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

SERVER = Path(__file__).with_name("live_server.py")
MARK = b'"payload"'


def pin(core: int) -> None:
    """Keep this process on one core, where there is more than one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core % len(cores)]})


class Server:
    """A server process on a core of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def tell(self, line: str) -> str:
        """Have it do something; its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        return (await self.process.stdout.readline()).decode().strip()


@contextlib.asynccontextmanager
async def server(*arguments: str) -> AsyncGenerator[Server]:
    """Start a server; it ends with the block. The load stays on the other core."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    pin(0)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SERVER),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    pin(1)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        yield Server(process, port)
    finally:
        process.kill()
        await process.wait()


class Peer(asyncio.Protocol):
    """A socket that counts events, keeps the newest bytes and tells when enough have come."""

    def __init__(self, user: str, on_data: Callable[["Peer", bytes], None] | None = None) -> None:
        self.user = user
        self.events = 0
        self.wanted = 0
        self.enough = asyncio.Event()
        self.opened = asyncio.Event()
        self.lost = asyncio.Event()
        self.head = b""
        self._tail = b""
        self._on_data = on_data
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(
            (
                "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {self.user}/w1/s\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self.opened.is_set():
            self.head += data
            if b'established"' in self.head and self.head.endswith(b"}"):
                self.opened.set()
            return
        joined = self._tail + data
        self.events += joined.count(MARK)
        self._tail = joined[-(len(MARK) - 1) :]
        if self._on_data is not None:
            self._on_data(self, data)
        if self.events >= self.wanted:
            self.enough.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def expect(self, more: int) -> None:
        """Clear `enough` until `more` events have come."""
        self.wanted = self.events + more
        self.enough.clear()

    def say(self, text: bytes) -> None:
        """Send one short text message."""
        mask = bytes(4)
        size = len(text)
        head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        self.transport.write(head + mask + text)


async def connect(
    port: int, user: str, on_data: Callable[[Peer, bytes], None] | None = None
) -> Peer:
    """One open socket."""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_connection(lambda: Peer(user, on_data), "127.0.0.1", port)
    await peer.opened.wait()
    return peer


async def connect_many(
    port: int, users: list[str], on_data: Callable[[Peer, bytes], None] | None = None
) -> list[Peer]:
    """Many open sockets, a hundred at a time."""
    peers: list[Peer] = []
    for start in range(0, len(users), 100):
        part = users[start : start + 100]
        peers += await asyncio.gather(*[connect(port, user, on_data) for user in part])
    return peers


async def timed_push(target: Server, peers: list[Peer], count: int, batch: int) -> float:
    """Seconds from the order to push until every socket has `count` events."""
    for peer in peers:
        peer.expect(count)
    began = time.perf_counter()
    await target.tell(f"push {count} {batch}")
    await asyncio.gather(*[peer.enough.wait() for peer in peers])
    return time.perf_counter() - began
