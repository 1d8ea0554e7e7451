"""A Starlette WebSocket as the manager's transport."""

import asyncio
from collections.abc import Sequence

from starlette.websockets import WebSocket

from netra_core.websocket.feed import Frame


class StarletteTransport:
    """Sends through ASGI; made in the task that reads the socket, which `abort` ends."""

    __slots__ = ("_reader", "_websocket", "aborted")

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._reader = asyncio.current_task()
        self.aborted = False

    async def send_text(self, text: str) -> None:
        """Hand over one message; waits while the peer does not read."""
        await self._websocket.send({"type": "websocket.send", "text": text})

    async def send_frames(self, frames: Sequence[Frame]) -> None:
        """Hand over events, one message each, in this order."""
        for frame in frames:
            await self._websocket.send({"type": "websocket.send", "text": frame.text})

    async def close(self, code: int, reason: str) -> None:
        """Close with a code; may wait for a peer that does not read."""
        await self._websocket.close(code, reason)

    def abort(self) -> None:
        """End the reading task; the server then drops the socket."""
        if not self.aborted and self._reader is not None:
            self.aborted = True
            self._reader.cancel()
