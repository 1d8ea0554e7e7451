"""Server-sent events to events; the position is the last `id`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from netra_client.events import LiveEvent


@dataclass(slots=True)
class SseDecoder:
    """Lines in, events out; `last_id` is what `Last-Event-ID` continues after."""

    last_id: str = ""
    _id: str = ""
    _data: list[str] = field(default_factory=list[str])

    def line(self, line: str) -> str | None:
        """Take one line; the data of an event when the line ends one."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                self._data.append(value)
            elif name == "id":
                self._id = value
            return None
        if not self._data:
            return None
        data, self._data = "\n".join(self._data), []
        self.last_id = self._id
        return data


async def decode_events(lines: AsyncIterator[str], decoder: SseDecoder) -> AsyncIterator[LiveEvent]:
    """The events in a stream of lines."""
    async for line in lines:
        data = decoder.line(line)
        if data is not None:
            yield msgspec.json.decode(data, type=LiveEvent)
