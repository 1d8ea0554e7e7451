"""What the fan-outs over a network share: local delivery, merging, reconnecting."""

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from netra_core.events.errors import FanOutError
from netra_core.events.fanout import (
    FanOutMessage,
    LocalSubscribers,
    Missed,
    Notice,
    Published,
    Subscriber,
    TextDelta,
)
from netra_core.events.port import Stream

CHANNEL: Final = "apex_events"
MAX_PAYLOAD_CHARS: Final = 7_000
"""A PostgreSQL notification carries less than 8,000 bytes."""
TEXT_EVERY_S: Final = 0.05
"""Texts travel at most this often, joined, unless a notice takes them along."""
_TEXT_CHARS: Final = 500
"""Of one text in a payload: six bytes each at worst, and as many ids."""
_WAITING_TEXTS: Final = 256

_log = structlog.get_logger("netra.fanout")


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What travels: who published, (workspace, user, seq) of each stream that moved, texts."""

    node: str
    moved: list[tuple[str, str, int]]
    texts: tuple[TextDelta, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Envelope)


class RelayedFanOut(ABC):
    """A FanOut whose notices travel through a server.

    Local subscribers are told before `publish` returns. What waits for the server is merged to one
    number a stream, so it stays bounded while the server is away; after a reconnect it is sent, and
    every subscriber is told `Missed`. Texts are joined while they wait and dropped by a reconnect.
    """

    def __init__(
        self,
        *,
        node: str | None = None,
        check_s: float = 15.0,
        connect_timeout_s: float = 10.0,
        backoff_s: float = 0.1,
        max_backoff_s: float = 5.0,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._node = node or uuid.uuid4().hex
        self._check_s = check_s
        self._connect_timeout_s = connect_timeout_s
        self._backoff_s = backoff_s
        self._max_backoff_s = max_backoff_s
        self._subscribers = LocalSubscribers(on_error)
        self._waiting: dict[Stream, int] = {}
        self._texts: dict[tuple[Stream, str], list[TextDelta]] = {}
        self._texts_sent_at = float("-inf")
        self._work = asyncio.Event()
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sessions = 0
        self._closing = False

    async def start(self) -> None:
        """Connect; idempotent. Raises FanOutError when the server cannot be reached in time."""
        if self._task is None:
            self._closing = False
            self._task = asyncio.create_task(self._run(), name="event fan-out")
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._connected.wait()
        except TimeoutError:
            await self.close()
            raise FanOutError(
                f"{self._where()} does not answer; events cannot be announced to other nodes.",
                hint="Check that it runs and may be reached from here.",
            ) from None

    async def publish(self, notices: Sequence[Published]) -> None:
        """Tell the local subscribers, and queue for the other nodes."""
        for notice in notices:
            self._subscribers.tell(notice)
            if isinstance(notice, TextDelta):
                self._queue_text(notice)
            else:
                self._waiting[notice.stream] = max(self._waiting.get(notice.stream, 0), notice.seq)
        self._work.set()

    def _queue_text(self, delta: TextDelta) -> None:
        key = (delta.stream, delta.run_id)
        if key not in self._texts and len(self._texts) >= _WAITING_TEXTS:
            return
        waiting = self._texts.setdefault(key, [])
        joined = waiting[-1].joined(delta) if waiting else None
        if joined is not None:
            waiting[-1] = joined
        elif delta.offset == 0:
            waiting[:] = [delta]  # a text begun anew: nobody needs the one before
        else:
            waiting.append(delta)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have `subscriber` called; the answer ends it."""
        return self._subscribers.add(subscriber)

    async def close(self) -> None:
        """Disconnect and forget the subscribers; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            self._closing = True
            task.cancel()
            await asyncio.wait([task])
        self._connected.clear()
        self._subscribers.clear()

    @abstractmethod
    async def _session(self) -> None:
        """Connect, subscribe, call `_ready`, then send and receive until something fails."""

    @abstractmethod
    def _where(self) -> str:
        """The server, as an error may name it: without a secret."""

    def _ready(self) -> None:
        """The session is up: what happened in between may have been missed."""
        self._sessions += 1
        self._texts.clear()
        self._connected.set()
        if self._sessions > 1:
            self._tell(Missed("reconnected"))

    def _tell(self, message: FanOutMessage) -> None:
        self._subscribers.tell(message)

    def _received(self, payload: str | bytes) -> None:
        """Take what another node sent; nonsense on the channel counts as something missed."""
        try:
            envelope = _decoder.decode(payload)
        except msgspec.DecodeError:
            self._tell(Missed("unreadable notice"))
            return
        if envelope.node != self._node:
            for workspace_id, user_id, seq in envelope.moved:
                self._tell(Notice((workspace_id, user_id), seq))
            for delta in envelope.texts:
                self._tell(delta)

    async def _send_forever(self, send: Callable[[str], Awaitable[object]]) -> None:
        """Send what waits, as it comes; check the connection when nothing does."""
        while not self._closing:
            idle = not await self._worked()
            self._look()
            if idle:
                await self._check()
            batch = dict(self._waiting)
            # Texts first: the notice may be of the event that makes them void.
            texts = self._pack_texts(self._texts_due(hurry=bool(batch)))
            for payload in (*texts, *self._pack(batch)):
                await send(payload)
            for stream, seq in batch.items():
                if self._waiting[stream] == seq:
                    del self._waiting[stream]

    async def _worked(self) -> bool:
        """True when woken, False after `check_s` without."""
        try:
            async with asyncio.timeout(self._check_s):
                await self._work.wait()
        except TimeoutError:
            return False
        self._work.clear()
        return True

    @abstractmethod
    def _look(self) -> None:
        """Raise when the connection is known to be gone."""

    @abstractmethod
    async def _check(self) -> None:
        """Ask the server; raise when it does not answer."""

    def _wake(self) -> None:
        """Let the session look at its connection."""
        self._work.set()

    def _texts_due(self, *, hurry: bool) -> list[TextDelta]:
        if not self._texts:
            return []
        loop = asyncio.get_running_loop()
        due_in = self._texts_sent_at + TEXT_EVERY_S - loop.time()
        if due_in > 0 and not hurry:
            loop.call_later(due_in, self._work.set)
            return []
        self._texts_sent_at = loop.time()
        texts, self._texts = self._texts, {}
        return [delta for waiting in texts.values() for delta in waiting]

    def _pack_texts(self, texts: Sequence[TextDelta]) -> list[str]:
        return [
            _encoder.encode(_Envelope(self._node, [], (piece,))).decode()
            for delta in texts
            for piece in _cut(delta)
        ]

    def _pack(self, batch: Mapping[Stream, int]) -> list[str]:
        payloads: list[str] = []
        moved: list[tuple[str, str, int]] = []
        size = 0
        for (workspace_id, user_id), seq in batch.items():
            cost = len(_encoder.encode((workspace_id, user_id, seq))) + 1
            if moved and size + cost > MAX_PAYLOAD_CHARS:
                payloads.append(_encoder.encode(_Envelope(self._node, moved)).decode())
                moved, size = [], 0
            moved.append((workspace_id, user_id, seq))
            size += cost
        if moved:
            payloads.append(_encoder.encode(_Envelope(self._node, moved)).decode())
        return payloads

    async def _run(self) -> None:
        failures = 0
        while not self._closing:
            before = self._sessions
            try:
                await self._session()
            except Exception as error:  # whatever the driver raises, the answer is to reconnect
                if self._closing:  # a driver may turn a cancellation into an error of its own
                    return
                _log.warning("fan-out lost", server=self._where(), error=type(error).__name__)
            failures = 0 if self._sessions > before else failures + 1
            await asyncio.sleep(min(self._backoff_s * 2**failures, self._max_backoff_s))
            self._work.set()


def _cut(delta: TextDelta) -> list[TextDelta]:
    """The same in pieces that fit a payload."""
    return [
        msgspec.structs.replace(
            delta, offset=delta.offset + start, text=delta.text[start : start + _TEXT_CHARS]
        )
        for start in range(0, len(delta.text), _TEXT_CHARS)
    ]
