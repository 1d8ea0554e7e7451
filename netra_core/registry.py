"""Named things and factories: one key, one thing."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar, cast

from netra_core.errors import ApexError, RegistryError

T = TypeVar("T")
Factory = Callable[[Any], T]  # Any: a factory declares which context it takes
Validator = Callable[[str, T], None]
"""Raises when what is registered or made under this key is not acceptable."""
_ABSENT: Final = object()


class InvalidKeyError(RegistryError):
    """A key must be non-empty text without surrounding blanks."""

    code = "REG-001"


class DuplicateKeyError(RegistryError):
    """The key names another thing already."""

    code = "REG-002"


class NotRegisteredError(RegistryError):
    """Nothing has this key, or not the kind of thing that was asked for."""

    code = "REG-003"
    status = 404


class FrozenRegistryError(RegistryError):
    """The registry no longer takes changes."""

    code = "REG-004"


class RejectedItemError(RegistryError):
    """A validator refused an item or a factory's product."""

    code = "REG-005"


class FactoryError(RegistryError):
    """A factory raised; the original error is its cause."""

    code = "REG-006"


@dataclass(frozen=True, slots=True)
class Registration(Generic[T]):
    """What is known of one key. `item` is set for items, `factory` for factories."""

    key: str
    kind: Literal["item", "factory"]
    item: T | None
    factory: Factory[T] | None
    tags: frozenset[str]
    metadata: Mapping[str, object]


@dataclass(slots=True)
class KeyMetrics:
    """Counts of one key since it was registered."""

    reads: int = 0
    created: int = 0
    failures: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class RegistryMetrics:
    """Counts of the registry; `failures` are factories that raised or made a refused thing."""

    name: str
    items: int
    factories: int
    reads: int
    misses: int
    created: int
    failures: int
    frozen: bool
    keys: Mapping[str, KeyMetrics]


@dataclass(frozen=True, slots=True)
class RegistryHealth:
    """`healthy` is False while any factory's latest attempt failed; `problems` name them."""

    healthy: bool
    problems: Mapping[str, str] = field(default_factory=dict[str, str])


class UniversalRegistry(Generic[T]):
    """Things and factories by name, safe to use from many threads.

    Factories and validators run outside the lock: they may use the registry themselves.
    """

    def __init__(self, name: str, *, validators: Iterable[Validator[T]] = ()) -> None:
        self.name = name
        self._lock = threading.RLock()
        self._entries: dict[str, Registration[T]] = {}
        self._metrics: dict[str, KeyMetrics] = {}
        self._validators: list[Validator[T]] = list(validators)
        self._failing: dict[str, str] = {}
        self._misses = 0
        self._frozen = False

    # -- registering ---------------------------------------------------------------------------

    def register(
        self,
        key: str,
        item: T,
        *,
        tags: Iterable[str] = (),
        replace: bool = False,
        **metadata: object,
    ) -> None:
        """Gives `item` the name `key`. None is an item like any other.

        Raises:
            DuplicateKeyError: the key is taken, and not `replace`, or taken by a factory.
            RejectedItemError: a validator refused the item.
            FrozenRegistryError, InvalidKeyError
        """
        self._validate(_checked(key), item)
        self._add(
            Registration(
                key, "item", item, None, frozenset(tags), MappingProxyType(dict(metadata))
            ),
            replace,
        )

    def register_factory(
        self,
        key: str,
        factory: Factory[T],
        *,
        tags: Iterable[str] = (),
        replace: bool = False,
        **metadata: object,
    ) -> None:
        """Gives the name `key` to what `factory(context)` makes anew each time.

        Raises:
            DuplicateKeyError: the key is taken, and not `replace`, or taken by an item.
            FrozenRegistryError, InvalidKeyError
        """
        if not callable(factory):
            raise RejectedItemError(f"{self.name}: the factory for {key!r} cannot be called.")
        self._add(
            Registration(
                _checked(key),
                "factory",
                None,
                factory,
                frozenset(tags),
                MappingProxyType(dict(metadata)),
            ),
            replace,
        )

    def _add(self, entry: Registration[T], replace: bool) -> None:
        with self._lock:
            self._writable()
            old = self._entries.get(entry.key)
            if old is not None and (not replace or old.kind != entry.kind):
                raise DuplicateKeyError(
                    f"{self.name}: {entry.key!r} is registered already, as {_a(old.kind)}.",
                    hint="Remove it first, or choose another key.",
                )
            self._entries[entry.key] = entry
            self._metrics[entry.key] = KeyMetrics()
            self._failing.pop(entry.key, None)

    def add_validation_handler(self, validator: Validator[T]) -> None:
        """From now on also asks `validator(key, item)`, for items and factories' products alike.

        Items that are registered already are asked at once.

        Raises:
            RejectedItemError: one of them is refused; the validator is then not added.
        """
        with self._lock:
            self._writable()
            present = [e for e in self._entries.values() if e.kind == "item"]
        for entry in present:
            _ask(self.name, validator, entry.key, cast(T, entry.item))
        with self._lock:
            self._validators.append(validator)

    def load_entry_points(
        self, group: str, *, found: Iterable[EntryPoint] | None = None
    ) -> dict[str, RegistryError | None]:
        """Registers what installed packages offer under `group`; says for each name how it went.

        A class or function becomes a factory when its metadata says so by an attribute
        `registry_kind = "factory"`; everything else is an item. One plugin that fails harms none
        of the others.
        """
        outcome: dict[str, RegistryError | None] = {}
        for point in entry_points(group=group) if found is None else found:
            outcome[point.name] = self._load(point)
        return outcome

    def _load(self, point: EntryPoint) -> RegistryError | None:
        try:
            loaded = point.load()
        except Exception as error:
            failure = FactoryError(
                f"{self.name}: plugin {point.name!r} ({point.value}) cannot be imported: "
                f"{type(error).__name__}."
            )
            failure.__cause__ = error
            return failure
        try:
            if getattr(loaded, "registry_kind", "item") == "factory":
                self.register_factory(point.name, loaded, tags=("plugin",), plugin=point.value)
            else:
                self.register(point.name, loaded, tags=("plugin",), plugin=point.value)
        except RegistryError as error:
            return error
        return None

    # -- reading -------------------------------------------------------------------------------

    def get(self, key: str, default: Any = _ABSENT) -> Any:  # Any: T, or the caller's default
        """The item of this name, or `default` where one is given.

        Raises:
            NotRegisteredError: nothing has this name and no default is given, or it is a factory's.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.kind == "item":
                self._metrics[key].reads += 1
                return entry.item
            self._misses += 1
            if default is not _ABSENT:
                return default
            raise self._missing(key, "item")

    def create_instance(self, key: str, context: Any = None) -> T:  # Any: the factory's own context
        """A new thing made by the factory of this name for `context`, accepted by all validators.

        Raises:
            NotRegisteredError: no factory has this name.
            FactoryError: the factory raised; its error is the cause.
            RejectedItemError: a validator refused what it made.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.factory is None:
                self._misses += 1
                raise self._missing(key, "factory")
            factory = entry.factory
        try:
            made = factory(context)
        except Exception as error:
            self._count(key, f"raised {type(error).__name__}")
            if isinstance(error, ApexError):
                raise
            raise FactoryError(
                f"{self.name}: the factory for {key!r} raised {type(error).__name__}."
            ) from error
        try:
            self._validate(key, made)
        except RejectedItemError as error:
            self._count(key, error.message)
            raise
        self._count(key, None)
        return made

    def has(self, key: str) -> bool:
        """True when an item or a factory has this name."""
        return key in self._entries

    __contains__ = has

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.list_keys())

    def list_keys(self) -> list[str]:
        """All names, in the order of registration."""
        with self._lock:
            return list(self._entries)

    def list_by_tag(self, tag: str) -> list[str]:
        """The names that carry this tag, in the order of registration."""
        with self._lock:
            return [key for key, entry in self._entries.items() if tag in entry.tags]

    def describe(self, key: str) -> Registration[T]:
        """What is known of this name.

        Raises:
            NotRegisteredError: nothing has it.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                raise self._missing(key, "item or factory")
            return entry

    # -- changing ------------------------------------------------------------------------------

    def remove(self, key: str) -> bool:
        """Takes the name away; False when nothing had it."""
        with self._lock:
            self._writable()
            self._metrics.pop(key, None)
            self._failing.pop(key, None)
            return self._entries.pop(key, None) is not None

    def clear(self) -> None:
        """Takes every name away; validators stay."""
        with self._lock:
            self._writable()
            self._entries.clear()
            self._metrics.clear()
            self._failing.clear()

    def freeze(self) -> None:
        """From now on nothing can be registered or removed."""
        self._frozen = True

    @property
    def frozen(self) -> bool:
        """True when nothing can be registered or removed any more."""
        return self._frozen

    # -- counting ------------------------------------------------------------------------------

    def get_metrics(self) -> RegistryMetrics:
        """Counts up to now."""
        with self._lock:
            keys = {
                key: KeyMetrics(m.reads, m.created, m.failures, m.last_error)
                for key, m in self._metrics.items()
            }
            factories = sum(e.kind == "factory" for e in self._entries.values())
            return RegistryMetrics(
                name=self.name,
                items=len(self._entries) - factories,
                factories=factories,
                reads=sum(m.reads for m in keys.values()),
                misses=self._misses,
                created=sum(m.created for m in keys.values()),
                failures=sum(m.failures for m in keys.values()),
                frozen=self._frozen,
                keys=keys,
            )

    def validate_health(self) -> RegistryHealth:
        """Whether every factory's latest attempt went well and every item is still accepted."""
        with self._lock:
            problems = dict(self._failing)
            items = [e for e in self._entries.values() if e.kind == "item"]
        for entry in items:
            try:
                self._validate(entry.key, cast(T, entry.item))
            except RejectedItemError as error:
                problems[entry.key] = error.message
        return RegistryHealth(not problems, problems)

    def _count(self, key: str, failure: str | None) -> None:
        with self._lock:
            metrics = self._metrics.get(key)
            if metrics is None:  # removed while the factory ran
                return
            if failure is None:
                metrics.created += 1
                self._failing.pop(key, None)
            else:
                metrics.failures += 1
                metrics.last_error = failure
                self._failing[key] = failure

    def _validate(self, key: str, item: T) -> None:
        with self._lock:
            validators = tuple(self._validators)
        for validator in validators:
            _ask(self.name, validator, key, item)

    def _writable(self) -> None:
        if self._frozen:
            raise FrozenRegistryError(f"{self.name} is frozen.")

    def _missing(self, key: str, wanted: str) -> NotRegisteredError:
        entry = self._entries.get(key)
        if entry is not None:
            call = "create_instance" if entry.kind == "factory" else "get"
            return NotRegisteredError(
                f"{self.name}: {key!r} is {_a(entry.kind)}, not {_a(wanted)}.", hint=f"Use {call}."
            )
        known = ", ".join(sorted(self._entries)[:10]) or "nothing"
        return NotRegisteredError(
            f"{self.name}: no {wanted} is registered as {key!r}.", hint=f"Registered: {known}."
        )


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _checked(key: str) -> str:
    if not isinstance(key, str) or not key.strip() or key != key.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidKeyError(f"{key!r} cannot be a key: non-empty text without outer blanks.")
    return key


def _ask(registry: str, validator: Validator[T], key: str, item: T) -> None:
    try:
        validator(key, item)
    except RejectedItemError:
        raise
    except Exception as error:
        raise RejectedItemError(
            f"{registry}: {type(item).__name__} is not accepted as {key!r}: {error}"
        ) from error
