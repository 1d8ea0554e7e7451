"""One environment: who set what, what is protected, and writes that stay private."""

import logging
import os
import threading
from collections.abc import Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from netra_core.environment.dotenv_file import FileReport, parse_file
from netra_core.environment.errors import InvalidVariableError, MissingVariableError
from netra_core.environment.masking import mask_value
from netra_core.environment.names import ENVIRONMENT_VARIABLE, Environment

_log: Final = logging.getLogger(__name__)

OUTSIDE: Final = "outside"
"""Source of a value that something other than this object wrote."""
BASE: Final = "base"
"""Source of a value that was there when the environment was built."""


@dataclass(frozen=True, slots=True)
class VariableChange:
    """One variable before and after; None means absent. Its repr masks secrets."""

    key: str
    previous: str | None = field(repr=False)
    current: str | None = field(repr=False)
    source: str

    def __str__(self) -> str:
        before, after = (
            "absent" if value is None else repr(mask_value(self.key, value))
            for value in (self.previous, self.current)
        )
        return f"{self.key}: {before} -> {after} ({self.source})"


ChangeCallback = Callable[[VariableChange], None]


class _Layer:
    """Private writes over the real values; None marks a deleted variable and never leaves here."""

    def __init__(self, real: Mapping[str, str]) -> None:
        self.real_on_entry = dict(real)
        self.writes: dict[str, str | None] = {}
        self.origins: dict[str, tuple[str, str]] = {}


class IsolatedEnvironment:
    """Environment variables behind one door, safe to use from many threads.

    Built on a mapping it works on a private copy; without one it starts empty. `get_env()` is the
    one whose base is the process's own environment. Values are read where they live at each call,
    so that outside changes are seen. Values are text and are never run by a shell.
    """

    def __init__(self, base: Mapping[str, str] | None = None) -> None:
        self._connect(dict(base or {}))

    @classmethod
    def of_process(cls) -> "IsolatedEnvironment":
        """An environment that reads and writes the variables of this process."""
        env = cls.__new__(cls)
        env._connect(os.environ)
        return env

    def _connect(self, real: MutableMapping[str, str]) -> None:
        self._real = real
        self._lock = threading.RLock()
        self._initial = dict(real)
        self._layers: list[_Layer] = []
        self._origins: dict[str, tuple[str, str]] = {}
        self._protected: set[str] = set()
        self._callbacks: list[ChangeCallback] = []

    # -- reading -------------------------------------------------------------------------------

    def get(self, key: str, default: str | None = None) -> str | None:
        """The value, or `default` where the variable is absent. An empty value is a value."""
        with self._lock:
            for layer in reversed(self._layers):
                if key in layer.writes:
                    value = layer.writes[key]
                    return default if value is None else value
            return self._real.get(key, default)

    def require(self, key: str) -> str:
        """The value of a variable that must be there and not blank.

        Raises:
            MissingVariableError: it is absent or blank.
        """
        value = self.get(key)
        if value is None or not value.strip():
            state = "not set" if value is None else "empty"
            raise MissingVariableError(
                f"Environment variable {key!r} is {state}.", hint=f"Set {key}, then start again."
            )
        return value

    def exists(self, key: str) -> bool:
        """True when the variable has a value, be it empty."""
        return self.get(key) is not None

    __contains__ = exists

    def get_all(self) -> dict[str, str]:
        """A copy of every variable."""
        with self._lock:
            values = dict(self._real)
            for layer in self._layers:
                for key, value in layer.writes.items():
                    if value is None:
                        values.pop(key, None)
                    else:
                        values[key] = value
            return values

    def get_all_with_prefix(self, prefix: str) -> dict[str, str]:
        """A copy of the variables whose names begin with `prefix`, under their full names."""
        return {key: value for key, value in self.get_all().items() if key.startswith(prefix)}

    @property
    def environment(self) -> Environment:
        """Where this process runs, by ENVIRONMENT; development when that is not set.

        Raises:
            UnknownEnvironmentError: the variable holds a name that is none.
        """
        return Environment.parse(self.get(ENVIRONMENT_VARIABLE))

    # -- writing -------------------------------------------------------------------------------

    def set(self, key: str, value: str, source: str = "code", *, force: bool = False) -> bool:
        """Sets a variable; False, and nothing changed, when it is protected and not `force`.

        Raises:
            InvalidVariableError: the name or the value cannot be an environment variable.
        """
        _check_name(key)
        _check_value(key, value)
        return self._write(key, value, source, force)

    def delete(self, key: str, source: str = "code", *, force: bool = False) -> bool:
        """Removes a variable; False when it was absent, or protected and not `force`."""
        if not self.exists(key):
            return False
        return self._write(key, None, source, force)

    def update(
        self, values: Mapping[str, str], source: str = "code", *, force: bool = False
    ) -> dict[str, bool]:
        """Sets several variables; says for each whether it was set. One bad value stops all."""
        for key, value in values.items():
            _check_name(key)
            _check_value(key, value)
        return {key: self._write(key, value, source, force) for key, value in values.items()}

    def load_from_file(self, path: str | Path, source: str | None = None) -> FileReport:
        """Sets what a file names and nobody set before; `export NAME=v` and quotes are understood.

        Raises:
            EnvironmentFileError: the file is absent, unreadable, too large or not UTF-8.
        """
        where = Path(path)
        parsed = parse_file(where, self.get_all())
        loaded: list[str] = []
        kept: list[str] = []
        for key, value in parsed.values.items():
            free = not self.exists(key)
            done = free and self.set(key, value, source or f"file:{where.name}")
            (loaded if done else kept).append(key)
        return FileReport(where, tuple(loaded), tuple(kept), tuple(parsed.problems))

    def _write(self, key: str, value: str | None, source: str, force: bool) -> bool:
        with self._lock:
            if key in self._protected and not force:
                return False
            previous = self.get(key)
            if self._layers:
                layer = self._layers[-1]
                layer.writes[key] = value
                origins = layer.origins
            else:
                if value is None:
                    self._real.pop(key, None)
                else:
                    self._real[key] = value
                origins = self._origins
            if value is None:
                origins.pop(key, None)
            else:
                origins[key] = (value, source)
            callbacks = tuple(self._callbacks)
        if previous != value:
            _tell(callbacks, VariableChange(key, previous, value, source))
        return True

    # -- protection, provenance, callbacks -----------------------------------------------------

    def protect(self, key: str) -> None:
        """From now on `set` and `delete` refuse this variable unless forced."""
        with self._lock:
            self._protected.add(key)

    def unprotect(self, key: str) -> None:
        """Takes the protection away."""
        with self._lock:
            self._protected.discard(key)

    def is_protected(self, key: str) -> bool:
        """True when `set` and `delete` refuse this variable."""
        return key in self._protected

    def get_variable_source(self, key: str) -> str | None:
        """Who set the value: a source given to `set`, "base" or "outside"; None if absent."""
        with self._lock:
            value = self.get(key)
            if value is None:
                return None
            for origins in (*(layer.origins for layer in reversed(self._layers)), self._origins):
                if key in origins:
                    written, source = origins[key]
                    return source if written == value else OUTSIDE
            return BASE if self._initial.get(key) == value else OUTSIDE

    def get_changes_since_init(self) -> dict[str, VariableChange]:
        """Every variable that is not what it was when this environment was built."""
        with self._lock:
            now = self.get_all()
            return {
                key: VariableChange(
                    key,
                    self._initial.get(key),
                    now.get(key),
                    self.get_variable_source(key) or OUTSIDE,
                )
                for key in sorted(self._initial.keys() | now.keys())
                if self._initial.get(key) != now.get(key)
            }

    def add_change_callback(self, callback: ChangeCallback) -> Callable[[], None]:
        """Calls back after each change, outside the lock; returns what removes it again."""
        with self._lock:
            self._callbacks.append(callback)
        return lambda: self.remove_change_callback(callback)

    def remove_change_callback(self, callback: ChangeCallback) -> None:
        """Stops calling back; harmless when it was removed before."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    # -- isolation -----------------------------------------------------------------------------

    def enable_isolation(self) -> None:
        """From now on writes stay private. Calls nest."""
        with self._lock:
            self._layers.append(_Layer(self._real))

    def disable_isolation(self) -> None:
        """Forgets the private writes and puts the real variables back to what they were.

        Also undoes what others wrote to the real environment meanwhile. Harmless when not isolated.
        """
        with self._lock:
            if not self._layers:
                return
            layer = self._layers.pop()
            for key in self._real.keys() - layer.real_on_entry.keys():
                del self._real[key]
            for key, value in layer.real_on_entry.items():
                if self._real.get(key) != value:
                    self._real[key] = value

    def is_isolated(self) -> bool:
        """True while writes stay private."""
        return bool(self._layers)

    @contextmanager
    def isolated(
        self, overrides: Mapping[str, str] | None = None
    ) -> Generator["IsolatedEnvironment"]:
        """Within the block writes, `overrides` first, stay private."""
        self.enable_isolation()
        try:
            self.update(overrides or {}, source="isolated", force=True)
            yield self
        finally:
            self.disable_isolation()

    # -- passing on and showing ----------------------------------------------------------------

    def get_subprocess_env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Every variable, then `extra`, as a child process takes them."""
        for key, value in (extra or {}).items():
            _check_name(key)
            _check_value(key, value)
        return {**self.get_all(), **(extra or {})}

    def get_debug_info(self) -> dict[str, Any]:  # Any: a JSON object of counts, names and texts
        """What helps to understand this environment, secrets masked."""
        changes = self.get_changes_since_init()
        return {
            "environment": str(self.get(ENVIRONMENT_VARIABLE, Environment.DEVELOPMENT)),
            "isolated": self.is_isolated(),
            "isolation_depth": len(self._layers),
            "variables": len(self.get_all()),
            "protected": sorted(self._protected),
            "callbacks": len(self._callbacks),
            "changes": {
                key: {
                    "value": None if c.current is None else mask_value(key, c.current),
                    "source": c.source,
                }
                for key, c in changes.items()
            },
        }

    def __repr__(self) -> str:
        return (
            f"IsolatedEnvironment({len(self.get_all())} variables, "
            f"isolated={self.is_isolated()}, protected={len(self._protected)})"
        )


def _check_name(key: str) -> None:
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidVariableError(f"A variable's name must be text, not {type(key).__name__}.")
    if not key or "=" in key or "\0" in key:
        raise InvalidVariableError(f"{key[:60]!r} cannot be the name of an environment variable.")


def _check_value(key: str, value: str) -> None:
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidVariableError(
            f"The value of {key!r} must be text, not {type(value).__name__}.",
        )
    if "\0" in value:
        raise InvalidVariableError(f"The value of {key!r} holds a NUL character.")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise InvalidVariableError(
            f"The value of {key!r} holds a character that no environment can carry."
        ) from None


def _tell(callbacks: tuple[ChangeCallback, ...], change: VariableChange) -> None:
    for callback in callbacks:
        try:
            callback(change)
        except Exception as error:
            # only the type: the message of a stranger's error may hold the value
            _log.warning("a change callback for %s raised %s", change.key, type(error).__name__)


_PROCESS: Final = IsolatedEnvironment.of_process()


def get_env() -> IsolatedEnvironment:
    """The environment of this process."""
    return _PROCESS
