"""Telling every node that a stream has moved. The log is the truth; a notice may be lost."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from netra_core.events.port import Stream
from netra_core.events.types import Event


class Notice(msgspec.Struct, frozen=True):
    """A stream has reached `seq`.

    `events` are the events themselves, ascending up to `seq`, where this process wrote them; they
    save a read and never travel to another node.
    """

    stream: Stream
    seq: int
    events: tuple[Event, ...] = ()


class TextDelta(msgspec.Struct, frozen=True, array_like=True):
    """More of a text that an agent is writing. It is not logged; losing it loses nothing lasting.

    `offset` counts the characters before it, 0 begins a text; `after_seq` is the run's last event,
    and its next one makes the text void.
    """

    workspace_id: str
    user_id: str
    thread_id: str
    run_id: str
    agent_name: str
    after_seq: int
    offset: int
    text: str

    @property
    def stream(self) -> Stream:
        """Whose it is."""
        return (self.workspace_id, self.user_id)

    def joined(self, later: "TextDelta") -> "TextDelta | None":
        """This and what continues it as one; None when `later` does not."""
        if self.offset + len(self.text) != later.offset or later.offset == 0:
            return None
        if (self.agent_name, self.after_seq) != (later.agent_name, later.after_seq):
            return None
        return msgspec.structs.replace(self, text=self.text + later.text)


class Missed(msgspec.Struct, frozen=True):
    """Notices may have been lost: every stream may have moved."""

    reason: str


Published: TypeAlias = Notice | TextDelta
FanOutMessage: TypeAlias = Published | Missed
Subscriber: TypeAlias = Callable[[FanOutMessage], None]
"""Called in the event loop, must not block; an exception in one does not reach the others."""


class FanOut(Protocol):
    """Carries notices to the subscribers of all nodes.

    Guarantees (proved by `netra_core.testing.fanout_conformance`): a published notice reaches
    each subscriber at least once while the transport works, the local ones always and at once;
    after an interruption every subscriber is told `Missed`. Order is not guaranteed. The pieces of
    a text arrive joined or cut anew, the local ones as they were; between nodes they may be lost.
    """

    async def start(self) -> None:
        """Connect; idempotent. Raises FanOutError."""
        ...

    async def publish(self, notices: Sequence[Published]) -> None:
        """Announce what was committed, or pass on a text. Never raises for an unreachable peer."""
        ...

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have `subscriber` called; the answer ends it."""
        ...

    async def close(self) -> None:
        """Disconnect and forget the subscribers; idempotent."""
        ...


class LocalSubscribers:
    """The subscribers of one process; one that raises costs the others nothing."""

    def __init__(self, on_error: Callable[[Exception], None] | None = None) -> None:
        self._subscribers: dict[int, Subscriber] = {}
        self._next = 0
        self._on_error = on_error

    def add(self, subscriber: Subscriber) -> Callable[[], None]:
        """Add one; the answer removes it."""
        key = self._next
        self._next += 1
        self._subscribers[key] = subscriber
        return lambda: void(self._subscribers.pop(key, None))

    def tell(self, message: FanOutMessage) -> None:
        """Call each subscriber."""
        for subscriber in tuple(self._subscribers.values()):
            try:
                subscriber(message)
            except Exception as error:  # a broken subscriber is its owner's fault, told to on_error
                if self._on_error is not None:
                    self._on_error(error)

    def clear(self) -> None:
        """Forget all."""
        self._subscribers.clear()


def void(_: object) -> None:
    """Drop a value where a callback must answer None."""


class InProcessFanOut:
    """The FanOut of one process: every notice reaches every subscriber, at once."""

    def __init__(self, *, on_error: Callable[[Exception], None] | None = None) -> None:
        self._subscribers = LocalSubscribers(on_error)

    async def start(self) -> None:
        """Nothing to connect."""

    async def publish(self, notices: Sequence[Published]) -> None:
        """Tell the subscribers before returning."""
        for notice in notices:
            self._subscribers.tell(notice)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have `subscriber` called; the answer ends it."""
        return self._subscribers.add(subscriber)

    async def close(self) -> None:
        """Forget the subscribers."""
        self._subscribers.clear()
