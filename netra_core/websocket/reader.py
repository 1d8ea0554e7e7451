"""Somebody who reads a stream without a socket."""

import asyncio

from netra_core.context import UserExecutionContext
from netra_core.websocket.feed import StreamFeed


class StreamReader:
    """One reader: `moved` is set by each event, by growing texts of the `feed`, and by the end;
    `ended` once it has to stop.
    """

    __slots__ = ("context", "ended", "expires_at", "feed", "moved")

    def __init__(
        self, context: UserExecutionContext, expires_at: float | None, feed: StreamFeed
    ) -> None:
        self.context = context
        self.feed = feed
        self.expires_at = expires_at
        self.moved = asyncio.Event()
        self.ended = False

    def end(self) -> None:
        """Have the reader stop."""
        self.ended = True
        self.moved.set()
