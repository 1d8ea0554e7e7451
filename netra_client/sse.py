"""Server-sent events to events; the position is the last `id`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from netra_client.events import LiveEvent, TextDelta


@dataclass(slots=True)
class SseDecoder:
    """Lines in, events out; `last_id` is what `Last-Event-ID` continues after."""

    last_id: str = ""
    name: str = ""
    """Of the event whose data came last."""
    _id: str = ""
    _name: str = ""
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
            elif name == "event":
                self._name = value
            return None
        self.name, self._name = self._name, ""
        if not self._data:
            return None
        data, self._data = "\n".join(self._data), []
        self.last_id = self._id
        return data


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Lines as event streams have them: ended by a line feed, whatever else a text may hold.

    The lines of Python and httpx end at U+2028, U+0085 and others too, which JSON keeps as they
    are.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode()


async def decode_events(
    lines: AsyncIterator[str], decoder: SseDecoder
) -> AsyncIterator[LiveEvent | TextDelta]:
    """The events in a stream of lines, and the texts between them."""
    async for line in lines:
        data = decoder.line(line)
        if data is not None:
            text = decoder.name == "agent_delta"
            yield msgspec.json.decode(data, type=TextDelta if text else LiveEvent)
