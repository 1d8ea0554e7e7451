"""Telling the fan-out what was committed, in order, without holding up the writer."""

import asyncio
from collections.abc import Sequence
from typing import Final

from netra_core.events.fanout import FanOut, Notice
from netra_core.events.port import Stream
from netra_core.events.types import Event

_MAX_EVENTS: Final = 256
"""Events attached to one notice at most; beyond, the notice names the seq alone."""


class Announcer:
    """Publishes notices one after the other; those that wait are merged by stream, so what waits
    is bounded by the number of streams, and a slow transport delays nobody's append.
    """

    def __init__(self, fan_out: FanOut) -> None:
        self._fan_out = fan_out
        self._waiting: dict[Stream, list[Event]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, stream: Stream, events: Sequence[Event]) -> None:
        """Announce newly committed events of one stream, ascending by seq."""
        if not events:
            return
        waiting = self._waiting.setdefault(stream, [])
        waiting.extend(events)
        if len(waiting) > _MAX_EVENTS:
            del waiting[:-1]
        if self._task is None:
            self._task = asyncio.create_task(self._publish(), name="apex-event-announcer")

    async def close(self) -> None:
        """Publish what waits."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _publish(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                await self._fan_out.publish(
                    [
                        Notice(stream=stream, seq=events[-1].seq, events=tuple(events))
                        for stream, events in waiting.items()
                    ]
                )
        finally:
            self._task = None
