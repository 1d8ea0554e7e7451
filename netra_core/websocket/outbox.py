"""What one connection is to be sent next: answers, replay, live events, growing texts. No I/O.

The outbox stores no events. It is a position in the stream's log; the feed's memory or the log
gives what follows. So it cannot lose, repeat or reorder an event, and a slow reader costs nothing.
"""

from dataclasses import dataclass
from typing import TypeAlias

from netra_core.websocket.feed import Frame, StreamFeed
from netra_core.websocket.live_text import TextCursor
from netra_core.websocket.messages import Resumed, encode_message


@dataclass(frozen=True, slots=True)
class SendText:
    """Send this text."""

    text: str


@dataclass(frozen=True, slots=True)
class SendFrames:
    """Send these events, which move the position on."""

    frames: list[Frame]


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Read the log after `after_seq` and hand the answer to `replayed`."""

    after_seq: int
    limit: int


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to send now."""


IDLE = Idle()
Step: TypeAlias = SendText | SendFrames | ReadLog | Idle


class Outbox:
    """Decides the next step of one connection.

    Guarantee: the events sent between two rewinds have seq position+1, position+2, … exactly.
    """

    __slots__ = (
        "_answers",
        "_batch",
        "_cursor",
        "_limit",
        "_replay",
        "_transient",
        "held",
        "position",
    )

    def __init__(self, position: int, *, answers: int, batch: int) -> None:
        self.position = position
        self.held = 0
        """Events wait while this is above zero; answers do not."""
        # Lists, though they are queues: short, nearly always empty, a tenth of a deque's memory.
        self._answers: list[str] = []
        self._transient: list[tuple[int, str]] = []
        self._cursor: TextCursor | None = None
        self._replay: tuple[int, int] | None = None
        self._limit = answers
        self._batch = batch

    @property
    def replaying(self) -> bool:
        """True until `resumed` was sent."""
        return self._replay is not None

    @property
    def waiting(self) -> int:
        """Answers and transient messages not yet sent."""
        return len(self._answers) + len(self._transient)

    def answer(self, text: str) -> bool:
        """Queue an answer, ahead of events; False when the client leaves too many unread."""
        if len(self._answers) >= self._limit:
            return False
        self._answers.append(text)
        return True

    def last_words(self) -> list[str]:
        """The answers not yet sent, for a connection that is about to be closed."""
        words, self._answers = self._answers, []
        return words

    def transient(self, text: str, *, after_seq: int) -> bool:
        """Queue a message that is not logged, to follow event `after_seq`; False when full."""
        if len(self._transient) >= self._limit:
            return False
        self._transient.append((after_seq, text))
        return True

    def rewind(self, after_seq: int, *, to_seq: int) -> None:
        """Continue after `after_seq`; `resumed` follows once `to_seq` was sent."""
        self.position = after_seq
        self._replay = (after_seq + 1, to_seq)

    def skip_to(self, seq: int) -> None:
        """Continue after `seq` without what lies between."""
        self.position = seq
        self._replay = None

    def lag(self, feed: StreamFeed) -> int:
        """How many events of the feed were not sent; 0 while replaying."""
        return 0 if self.replaying else feed.head - self.position

    def next(self, feed: StreamFeed) -> Step:
        """The next step; texts and frames count as sent when they are returned."""
        if self._answers:
            return SendText(self._answers.pop(0))
        if self.held:
            return IDLE
        if self._replay is not None and self.position >= self._replay[1]:
            first, last = self._replay
            self._replay = None
            return SendText(encode_message(Resumed(first, last)))
        if self._transient and self._transient[0][0] <= self.position:
            return SendText(self._transient.pop(0)[1])
        to = feed.head if self._replay is None else self._replay[1]
        if self._transient:
            to = min(to, self._transient[0][0])
        if self.position < to:
            frames = feed.after(self.position, to=to, limit=self._batch)
            if frames is None:
                return ReadLog(self.position, min(self._batch, to - self.position))
            return self._send(frames)
        text = self._growing(feed)
        return IDLE if text is None else SendText(text)

    def replayed(self, after_seq: int, frames: list[Frame]) -> Step:
        """Frames read from the log after `after_seq`; IDLE when the position has moved since."""
        if after_seq != self.position or self.held or not frames:
            return IDLE
        return self._send(frames)

    def _send(self, frames: list[Frame]) -> SendFrames:
        self.position = frames[-1].seq
        return SendFrames(frames)

    def _growing(self, feed: StreamFeed) -> str | None:
        """More of a text that is being written; after all events, and only while it is not void."""
        if not feed.texts:
            self._cursor = None
            return None
        self._cursor = self._cursor or TextCursor()
        return self._cursor.next(feed.texts, position=self.position)
