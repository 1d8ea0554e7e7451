"""uvicorn's WebSocket protocol with two doors more: ready frames, and dropping a socket."""

import asyncio
from collections.abc import Sequence
from typing import Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from netra_core.websocket.starlette_transport import SERVER_EXTENSION

LINGER_S: Final = 1.0
"""How long a peer that was told goodbye may take to read it."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """As uvicorn's, with more doors.

    `write_frames` sends frames that were encoded once for all sockets, where compression is off;
    `abort` drops the socket with whatever is unsent. A peer that does not read is dropped
    `LINGER_S` after its closing began, where uvicorn would wait for it to read.
    """

    async def run_asgi(self) -> None:
        """Show the application the extra doors, then run it."""
        extensions = self.scope.get("extensions")
        if extensions is not None and not self.config.ws_per_message_deflate:
            extensions[SERVER_EXTENSION] = self  # type: ignore[typeddict-unknown-key]
        await super().run_asgi()

    async def write_frames(self, frames: Sequence[bytes]) -> None:
        """Hand over encoded frames; waits while the peer does not read."""
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        self.transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def abort(self) -> None:
        """Drop the socket now."""
        self.transport.abort()

    def keepalive_timeout(self) -> None:
        """The peer answered no ping: tell it, and drop it whether it reads that or not."""
        super().keepalive_timeout()
        self._drop_later()

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn; after a close the peer has `LINGER_S` to read it."""
        await super().send(message)
        if message["type"] == "websocket.accept" and self.handshake_complete:
            # The handshake's headers are not looked at again; they are kilobytes a connection.
            del self.request, self.response
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self._drop_later()

    def _drop_later(self) -> asyncio.TimerHandle:
        return self.loop.call_later(LINGER_S, self.transport.abort)
