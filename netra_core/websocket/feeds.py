"""The feeds of the streams somebody on this node listens to."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from netra_core.errors import ApexError
from netra_core.events.errors import EventGapError
from netra_core.events.fanout import FanOut, FanOutMessage, Missed, TextDelta
from netra_core.events.port import EventLog, Stream
from netra_core.events.types import Event
from netra_core.websocket.feed import StreamFeed
from netra_core.websocket.limits import SocketLimits
from netra_core.websocket.live_text import LiveTexts

_log = structlog.get_logger("netra.websocket")

READ_EVENTS = 500
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Feeds:
    """Keeps each listened-to stream level with the log.

    A feed is registered before the head is read, so a notice that comes in between is not lost;
    what is announced and not at hand is read from the log by one task a stream. `Missed` and a
    slow poll read the heads again.
    """

    def __init__(
        self, event_log: EventLog, fan_out: FanOut, *, limits: SocketLimits, poll_s: float
    ) -> None:
        self._event_log = event_log
        self._fan_out = fan_out
        self._limits = limits
        self._poll_s = poll_s
        self._feeds: dict[Stream, StreamFeed] = {}
        self.texts = LiveTexts()
        self._users: dict[Stream, int] = {}
        self._fills: set[asyncio.Task[None]] = set()
        self._check = asyncio.Event()
        self._unsubscribe: Callable[[], None] | None = None
        self._encoded_before = 0
        self.log_reads = 0

    def __len__(self) -> int:
        return len(self._feeds)

    @property
    def subscribers(self) -> int:
        """Connections and SSE readers of all feeds."""
        return sum(self._users.values())

    @property
    def encoded(self) -> int:
        """Events encoded for live delivery."""
        return self._encoded_before + sum(feed.encoded for feed in self._feeds.values())

    async def start(self) -> None:
        """Listen to the fan-out."""
        await self._fan_out.start()
        self._unsubscribe = self._fan_out.subscribe(self.on_message)

    async def stop(self) -> None:
        """Stop listening and end the reads under way."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for task in self._fills:
            task.cancel()
        if self._fills:
            await asyncio.wait(self._fills)

    async def acquire(self, stream: Stream) -> StreamFeed:
        """The feed of a stream, level with the log at some moment within this call."""
        feed = self._feeds.get(stream)
        if feed is None:
            feed = self._feeds[stream] = StreamFeed(stream, recent_bytes=self._limits.recent_bytes)
        self._users[stream] = self._users.get(stream, 0) + 1
        try:
            if not feed.ready:
                feed.begin(await self._event_log.head(stream))
                await self._join_texts(feed)
        except BaseException:
            self.release(feed)
            raise
        self.fill(feed)
        return feed

    def release(self, feed: StreamFeed) -> None:
        """Give one `acquire` back; the last one forgets the feed."""
        self._users[feed.stream] -= 1
        if self._users[feed.stream] == 0:
            del self._users[feed.stream]
            del self._feeds[feed.stream]
            self._encoded_before += feed.encoded

    def forget_recent(self, stream: Stream) -> None:
        """Read the stream's events from the log again; those in memory are not as they were."""
        feed = self._feeds.get(stream)
        if feed is not None:
            feed.forget_recent()

    def on_message(self, message: FanOutMessage) -> None:
        """Take what the fan-out says."""
        if isinstance(message, Missed):
            self._check.set()
            return
        feed = self._feeds.get(message.stream)
        if isinstance(message, TextDelta):
            self._take_text(message, feed)
            return
        self._overtake(message.stream, message.events)
        if feed is None:
            return
        if feed.take(message):
            feed.wake()
        self.fill(feed)

    def _take_text(self, delta: TextDelta, feed: StreamFeed | None) -> None:
        if feed is not None and feed.ready and feed.has_later(delta.run_id, delta.after_seq):
            return
        if self.texts.take(delta) and feed is not None:
            feed.texts = self.texts.of(delta.stream)
            feed.wake()

    def _overtake(self, stream: Stream, events: Sequence[Event]) -> None:
        self.texts.overtake(stream, ((event.run_id, event.seq) for event in events))

    async def _join_texts(self, feed: StreamFeed) -> None:
        """Take over what was being written before anybody looked on, unless events followed it."""
        texts = self.texts.of(feed.stream)
        if texts:
            first = min(text.after_seq for text in texts.values())
            if first < feed.head:
                events = await self._event_log.read(feed.stream, after_seq=first, limit=READ_EVENTS)
                if len(events) < READ_EVENTS:
                    self._overtake(feed.stream, events)
                else:
                    self.texts.forget(feed.stream)
        feed.texts = self.texts.of(feed.stream)

    def fill(self, feed: StreamFeed) -> None:
        """Read what is announced and not at hand, in a task, unless one is at it."""
        if feed.behind and not feed.filling:
            feed.filling = True
            task = asyncio.get_running_loop().create_task(self._fill(feed))
            self._fills.add(task)
            task.add_done_callback(self._fills.discard)

    async def poll_forever(self) -> None:
        """Compare heads after `Missed` and every `poll_s`."""
        while True:
            # Not wait_for: before Python 3.12 it may swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._check.wait()
            self._check.clear()
            await self.compare_heads()

    async def compare_heads(self) -> None:
        """Read the heads of all feeds and fill those that are behind."""
        streams = list(self._feeds)
        for start in range(0, len(streams), READ_EVENTS):
            heads = await self._event_log.heads(streams[start : start + READ_EVENTS])
            for stream, head in heads.items():
                feed = self._feeds.get(stream)
                if feed is not None and feed.ready:
                    feed.begin(head)
                    self.fill(feed)

    async def _fill(self, feed: StreamFeed) -> None:
        failures = 0
        try:
            while feed.behind and self._feeds.get(feed.stream) is feed:
                before = feed.head  # notices may move it while the log is read
                try:
                    self.log_reads += 1
                    events = await self._event_log.read(
                        feed.stream, after_seq=feed.head, limit=READ_EVENTS
                    )
                    feed.absorb(events)
                    self._overtake(feed.stream, events)
                except EventGapError as error:
                    _log.error("the event log has a gap", error=str(error))
                    return
                except (ApexError, OSError) as error:
                    _log.warning("the event log cannot be read", error=str(error))
                if feed.head > before:
                    failures = 0
                    feed.wake()
                else:
                    await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                    failures += 1
        finally:
            feed.filling = False
