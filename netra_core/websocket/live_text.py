"""Texts that agents are writing: not logged, growing, void with their run's next event. No I/O.

Like an event, a text reaches a connection as a position in it and not as a queue of pieces: a slow
reader is sent fewer and larger pieces, one that joins in the middle begins at its start.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final

from netra_core.events.fanout import TextDelta
from netra_core.events.port import Stream
from netra_core.websocket.messages import AgentDelta, encode_message

MAX_CHARS: Final = 32_768
"""A text grows no further; what comes of it stands in the event that ends it."""
MAX_TEXTS: Final = 512
"""Texts of one node; the one begun longest ago makes room."""

Texts = Mapping[str, "LiveText"]
"""The texts of one stream by run: a run writes one at a time."""
NO_TEXTS: Final[Texts] = {}


class LiveText:
    """One text as far as it is known here."""

    __slots__ = ("_begun", "_encoded", "text")

    def __init__(self, begun: TextDelta) -> None:
        self._begun = begun
        self._encoded: tuple[int, int, str] | None = None
        self.text = begun.text[:MAX_CHARS]

    def __len__(self) -> int:
        return len(self.text)

    @property
    def after_seq(self) -> int:
        """It follows this event, the last of its run."""
        return self._begun.after_seq

    def grow(self, delta: TextDelta) -> bool:
        """Append what continues it; False for what does not, or leaves a hole."""
        begun = self._begun
        if (delta.agent_name, delta.after_seq) != (begun.agent_name, begun.after_seq):
            return False
        if delta.offset > len(self.text) or delta.offset + len(delta.text) <= len(self.text):
            return False
        self.text = (self.text[: delta.offset] + delta.text)[:MAX_CHARS]
        return True

    def message(self, sent: int) -> str:
        """The message for one who was sent `sent` characters; encoded once for all of those."""
        if self._encoded is None or self._encoded[:2] != (sent, len(self.text)):
            begun = self._begun
            message = AgentDelta(
                thread_id=begun.thread_id,
                run_id=begun.run_id,
                agent_name=begun.agent_name,
                offset=sent,
                text=self.text[sent:],
            )
            self._encoded = (sent, len(self.text), encode_message(message))
        return self._encoded[2]


class TextCursor:
    """How much of each text one reader was sent."""

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        self._sent: dict[str, tuple[LiveText, int]] = {}

    def next(self, texts: Texts, *, position: int) -> str | None:
        """The next message for a reader who has the events up to `position`; it counts as sent."""
        if not texts:
            self._sent.clear()
            return None
        for run_id, text in texts.items():
            known, sent = self._sent.get(run_id, (text, 0))
            if known is not text:
                sent = 0
            if text.after_seq <= position and sent < len(text):
                self._sent[run_id] = (text, len(text))
                return text.message(sent)
        return None


class LiveTexts:
    """The texts that are being written for anybody, also where nobody looks on yet."""

    def __init__(self, *, max_texts: int = MAX_TEXTS) -> None:
        self._max_texts = max_texts
        self._streams: dict[Stream, MutableMapping[str, LiveText]] = {}
        self._begun: OrderedDict[tuple[Stream, str], None] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(texts) for texts in self._streams.values())

    def of(self, stream: Stream) -> Texts:
        """The texts of a stream: the live mapping, for as long as there is one."""
        return self._streams.get(stream, NO_TEXTS)

    def take(self, delta: TextDelta) -> bool:
        """Begin a text, or let it grow; False for what fits none that is known."""
        texts = self._streams.get(delta.stream, {})
        known = texts.get(delta.run_id)
        if delta.offset:
            return known is not None and known.grow(delta)
        if known is not None and known.after_seq > delta.after_seq:
            return False  # of an execution that was taken over
        self._streams.setdefault(delta.stream, texts)[delta.run_id] = LiveText(delta)
        self._begun[delta.stream, delta.run_id] = None
        self._begun.move_to_end((delta.stream, delta.run_id))
        if len(self._begun) > self._max_texts:
            self._drop(*self._begun.popitem(last=False)[0])
        return True

    def overtake(self, stream: Stream, events: Iterable[tuple[str, int]]) -> None:
        """Drop the texts that events (run_id, seq) follow."""
        texts = self._streams.get(stream)
        if not texts:
            return
        for run_id, seq in events:
            text = texts.get(run_id)
            if text is not None and seq > text.after_seq:
                self._begun.pop((stream, run_id), None)
                self._drop(stream, run_id)

    def forget(self, stream: Stream) -> None:
        """Drop every text of a stream."""
        for run_id in tuple(self.of(stream)):
            self._begun.pop((stream, run_id), None)
            self._drop(stream, run_id)

    def _drop(self, stream: Stream, run_id: str) -> None:
        texts = self._streams.get(stream)
        if texts is not None:
            texts.pop(run_id, None)
            if not texts:
                del self._streams[stream]
