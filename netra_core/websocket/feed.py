"""A stream as one node sees it while somebody listens: where it stands, its newest events encoded.

No I/O: the manager reads the log and hands in what it read.
"""

from collections import deque
from collections.abc import Callable, Sequence

from netra_core.events.codec import encode_event
from netra_core.events.errors import EventGapError
from netra_core.events.fanout import Notice
from netra_core.events.port import Stream, StreamHead
from netra_core.events.types import Event
from netra_core.websocket.live_text import NO_TEXTS, Texts

Wake = Callable[[], None]


class Frame:
    """An event encoded once, for however many sockets."""

    __slots__ = ("event", "seq", "text", "wire")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.seq = event.seq
        self.text = encode_event(event).decode()
        self.wire: bytes | None = None
        """The same as a WebSocket frame, once a transport has built it."""


class StreamFeed:
    """The newest events of a stream and who is to be woken by the next.

    Invariant: `recent` holds frames with seq rising by one up to `head`; `announced` is the
    highest seq heard of. What is announced and not yet in `recent` has to be read from the log.
    """

    __slots__ = (
        "_recent",
        "_recent_bytes",
        "_recent_limit",
        "announced",
        "encoded",
        "epoch",
        "filling",
        "head",
        "stream",
        "subscribers",
        "texts",
    )

    def __init__(self, stream: Stream, *, recent_bytes: int) -> None:
        self.stream = stream
        self.epoch = ""
        self.head = 0
        self.announced = 0
        self.encoded = 0
        self.filling = False
        self.texts: Texts = NO_TEXTS
        """What agents of this stream are writing."""
        self.subscribers: dict[object, Wake] = {}
        self._recent: deque[Frame] | None = None
        self._recent_bytes = 0
        self._recent_limit = recent_bytes

    @property
    def ready(self) -> bool:
        """True once the head was read."""
        return bool(self.epoch)

    @property
    def recent(self) -> tuple[Frame, ...]:
        """The frames in memory, oldest first."""
        return tuple(self._recent or ())

    @property
    def behind(self) -> bool:
        """True when the log has events that are not here."""
        return self.ready and self.announced > self.head

    def begin(self, head: StreamHead) -> None:
        """Start at the log's head; later calls only raise `announced`."""
        if not self.ready:
            self.epoch = head.epoch
            self.head = head.seq
        self.announced = max(self.announced, head.seq)

    def take(self, notice: Notice) -> bool:
        """Note what was announced; True when its events continued the feed."""
        self.announced = max(self.announced, notice.seq)
        if not self.ready or not notice.events:
            return False
        if notice.events[0].seq > self.head + 1:
            return False
        return self.absorb(notice.events)

    def absorb(self, events: Sequence[Event]) -> bool:
        """Append what is new of `events`; True when the head moved. Raises EventGapError."""
        before = self.head
        if self._recent is None:
            self._recent = deque()  # most streams are idle, and a deque is not small
        for event in events:
            if event.seq <= self.head:
                continue
            if event.seq != self.head + 1:
                raise EventGapError(
                    f"After event {self.head} of a stream the log answered {event.seq}."
                )
            frame = Frame(event)
            self.encoded += 1
            self._recent.append(frame)
            self._recent_bytes += len(frame.text)
            self.head = event.seq
        self.announced = max(self.announced, self.head)
        while self._recent_bytes > self._recent_limit and len(self._recent) > 1:
            self._recent_bytes -= len(self._recent.popleft().text)
        return self.head > before

    def after(self, position: int, *, to: int, limit: int) -> list[Frame] | None:
        """Frames position+1 … at most `to`; None when they are no longer in memory."""
        recent = self._recent
        if not recent or position + 1 < recent[0].seq:
            return None
        start = position + 1 - recent[0].seq
        if start >= len(recent):
            return None
        stop = min(to - recent[0].seq + 1, start + limit, len(recent))
        # The newest events are what is asked for: index from the nearer end of the deque.
        return [recent[i - len(recent)] for i in range(start, stop)]

    def forget_recent(self) -> None:
        """Keep no event in memory."""
        self._recent = None
        self._recent_bytes = 0

    def has_later(self, run_id: str, after_seq: int) -> bool:
        """True when an event of the run follows `after_seq`, or when memory cannot tell."""
        if after_seq >= self.head:
            return False
        recent = self._recent
        if not recent or recent[0].seq > after_seq + 1:
            return True
        newer = (recent[i - len(recent)] for i in range(after_seq + 1 - recent[0].seq, len(recent)))
        return any(frame.event.run_id == run_id for frame in newer)

    def wake(self) -> None:
        """Wake every subscriber."""
        for wake in tuple(self.subscribers.values()):
            wake()
