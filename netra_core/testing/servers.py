"""A real uvicorn server on loopback, within the test's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any

import uvicorn


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where a test's server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The HTTP address."""
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The address of its sockets."""
        return f"ws://{self.host}:{self.port}/ws"


class _EmbeddedServer(uvicorn.Server):
    """A server that leaves the signals alone and ends when told, without polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop.wait()


@contextlib.asynccontextmanager
async def running(
    app: Any,  # Any: whatever uvicorn takes as an ASGI app
    *,
    port: int = 0,
    lifespan: str = "off",
    **options: Any,  # Any: uvicorn's own options
) -> AsyncGenerator[RunningServer]:
    """Serve an ASGI app until the block ends; the port is chosen by the system unless given."""
    settings: dict[str, Any] = {
        "log_level": "critical",
        "lifespan": lifespan,
        "timeout_graceful_shutdown": 1,
        **options,
    }
    server = _EmbeddedServer(uvicorn.Config(app, **settings))
    # With the protocol named asyncio sets TCP_NODELAY on what it accepts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    address: tuple[str, int] = listener.getsockname()
    serving = asyncio.create_task(server.serve([listener]), name="test server")
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield RunningServer(address[0], address[1])
    finally:
        ready.cancel()
        server.stop.set()
        await serving
        listener.close()
