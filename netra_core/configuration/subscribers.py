"""Who is asked before a change counts, and who is told after it does."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Protocol, TypeVar

from netra_core.configuration.errors import VetoError
from netra_core.configuration.schema import Settings
from netra_core.configuration.scopes import Chain
from netra_core.configuration.snapshot import Snapshot

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """What changes for one subscriber: the keys, and the settings before and after."""

    revision: int
    keys: frozenset[str]
    previous: Settings
    current: Settings


class Subscriber(Protocol):
    """Takes part in a change: is asked, then told how it ended.

    All three are called in the thread that makes the change, while no other change can begin;
    they must not change the configuration themselves, and should be quick.
    """

    def prepare(self, change: ConfigurationChange) -> None:
        """Gets ready for the change. Whatever it raises is a veto; a VetoError may say why."""
        ...

    def commit(self, change: ConfigurationChange) -> None:
        """The change counts now."""
        ...

    def abort(self, change: ConfigurationChange) -> None:
        """The change this one was prepared for does not happen."""
        ...


_E = TypeVar("_E")
Listener = Callable[[ConfigurationChange], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Interest:
    chain: Chain
    patterns: tuple[str, ...]

    def change(self, old: Snapshot, new: Snapshot) -> ConfigurationChange | None:
        """What this one sees of the change, None when nothing."""
        before, after = old.overlay(self.chain), new.overlay(self.chain)

        def value(
            key: str, snapshot: Snapshot, overlay: dict[str, tuple[object, object]]
        ) -> object:
            return overlay[key][1] if key in overlay else snapshot.values[key]

        keys = frozenset(
            key
            for key in new.values
            if value(key, old, {**before}) != value(key, new, {**after})
            and (not self.patterns or any(fnmatchcase(key, p) for p in self.patterns))
        )
        if not keys:
            return None
        return ConfigurationChange(
            new.revision, keys, old.settings_of(before), new.settings_of(after)
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Subscription:
    interest: _Interest
    subscriber: Subscriber


@dataclass(frozen=True, slots=True, eq=False)
class _Listening:
    interest: _Interest
    listener: Listener


Prepared = list[tuple[Subscriber, ConfigurationChange]]


class Subscribers:
    """Subscribers and listeners of one configuration."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._lock = threading.Lock()
        self._subscriptions: list[_Subscription] = []
        self._listeners: list[_Listening] = []
        self._queue: deque[tuple[Snapshot, Snapshot]] = deque()
        self._draining = False

    def subscribe(
        self, subscriber: Subscriber, chain: Chain, keys: Iterable[str]
    ) -> Callable[[], None]:
        """Asks `subscriber` before changes of these keys; returns what ends that."""
        entry = _Subscription(_Interest(chain, tuple(keys)), subscriber)
        return self._add(self._subscriptions, entry)

    def listen(self, listener: Listener, chain: Chain, keys: Iterable[str]) -> Callable[[], None]:
        """Tells `listener` after changes of these keys; returns what ends that."""
        entry = _Listening(_Interest(chain, tuple(keys)), listener)
        return self._add(self._listeners, entry)

    def _add(self, entries: list[_E], entry: _E) -> Callable[[], None]:
        with self._lock:
            entries.append(entry)

        def remove() -> None:
            with self._lock:
                if entry in entries:
                    entries.remove(entry)

        return remove

    def counts(self) -> tuple[int, int]:
        """How many subscribers and listeners there are."""
        return len(self._subscriptions), len(self._listeners)

    def prepare(self, old: Snapshot, new: Snapshot) -> Prepared:
        """Asks everybody concerned.

        Raises:
            VetoError: somebody refused; those asked before were told that it does not happen.
        """
        with self._lock:
            subscriptions = tuple(self._subscriptions)
        prepared: Prepared = []
        for entry in subscriptions:
            change = entry.interest.change(old, new)
            if change is None:
                continue
            try:
                entry.subscriber.prepare(change)
            except Exception as error:
                self.abort(prepared)
                raise self._veto(entry.subscriber, change, error) from None
            prepared.append((entry.subscriber, change))
        return prepared

    def _veto(self, who: Subscriber, change: ConfigurationChange, error: Exception) -> VetoError:
        name = getattr(who, "name", None) or type(who).__name__
        why = error.message if isinstance(error, VetoError) else type(error).__name__
        return VetoError(
            f"{name} refused the change of {', '.join(sorted(change.keys))}: {self._redact(why)}",
            hint="The settings in force stay as they are.",
        )

    def commit(self, prepared: Prepared) -> None:
        """Tells those who were asked that the change counts."""
        for subscriber, change in prepared:
            self._tell(lambda s=subscriber, c=change: s.commit(c), subscriber)

    def abort(self, prepared: Prepared) -> None:
        """Tells those who were asked that the change does not happen, the last one first."""
        for subscriber, change in reversed(prepared):
            self._tell(lambda s=subscriber, c=change: s.abort(c), subscriber)

    def enqueue(self, old: Snapshot, new: Snapshot) -> None:
        """Notes a change that listeners are to be told; called in the order of changes."""
        with self._lock:
            self._queue.append((old, new))

    def drain(self) -> None:
        """Tells listeners what was noted, each change once and in order, outside all locks."""
        while True:
            with self._lock:
                if self._draining or not self._queue:
                    return
                self._draining = True
                old, new = self._queue.popleft()
                listeners = tuple(self._listeners)
            try:
                for entry in listeners:
                    change = entry.interest.change(old, new)
                    if change is not None:
                        self._tell(lambda e=entry, c=change: e.listener(c), entry.listener)
            finally:
                with self._lock:
                    self._draining = False

    @staticmethod
    def _tell(call: Callable[[], None], who: object) -> None:
        try:
            call()
        except Exception as error:
            # only the type: the message of a stranger's error may hold a value
            _log.warning("%s raised %s on a change", _name(who), type(error).__name__)


def _name(who: object) -> str:
    return getattr(who, "__qualname__", None) or type(who).__name__
