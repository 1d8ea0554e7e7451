"""A Starlette WebSocket as the manager's transport."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from starlette.websockets import WebSocket

from netra_core.websocket.feed import Frame
from netra_core.websocket.wire import text_frame

SERVER_EXTENSION = "apex.socket"


class ServerSocket(Protocol):
    """What `uvicorn_protocol.SocketProtocol` offers beyond ASGI."""

    async def write_frames(self, frames: Sequence[bytes]) -> None:
        """Send frames that are ready."""
        ...

    def abort(self) -> None:
        """Drop the socket now."""
        ...


class StarletteTransport:
    """Sends through ASGI, or straight through a server that takes ready frames.

    Made in the task that reads the socket, which `abort` ends where the server cannot.
    """

    __slots__ = ("_reader", "_server", "_websocket", "aborted")

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._reader = asyncio.current_task()
        self._server: ServerSocket | None = websocket.scope.get("extensions", {}).get(
            SERVER_EXTENSION
        )
        self.aborted = False

    async def send_text(self, text: str) -> None:
        """Hand over one message; waits while the peer does not read."""
        await self._websocket.send({"type": "websocket.send", "text": text})

    async def send_frames(self, frames: Sequence[Frame]) -> None:
        """Hand over events, one message each, in this order."""
        if self._server is None:
            for frame in frames:
                await self._websocket.send({"type": "websocket.send", "text": frame.text})
            return
        ready: list[bytes] = []
        for frame in frames:
            if frame.wire is None:
                frame.wire = text_frame(frame.text.encode())
            ready.append(frame.wire)
        await self._server.write_frames(ready)

    async def close(self, code: int, reason: str) -> None:
        """Close with a code; may wait for a peer that does not read."""
        await self._websocket.close(code, reason)

    def abort(self) -> None:
        """Drop the socket, or end the task that reads it, at which the server drops it."""
        if self._server is not None:
            self._server.abort()
        elif not self.aborted and self._reader is not None:
            self.aborted = True
            self._reader.cancel()
