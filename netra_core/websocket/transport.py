"""The port to one socket."""

from collections.abc import Sequence
from typing import Protocol

from netra_core.websocket.feed import Frame


class SocketTransport(Protocol):
    """One open socket. Each method raises when the socket is gone."""

    async def send_text(self, text: str) -> None:
        """Hand over one message; waits while the peer does not read."""
        ...

    async def send_frames(self, frames: Sequence[Frame]) -> None:
        """Hand over events, one message each, in this order."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close with a code; may wait for a peer that does not read."""
        ...

    def abort(self) -> None:
        """Drop the socket now, whatever is unsent."""
        ...
