"""Following what changes outside: the file, SIGHUP, other nodes that share the store."""

import logging
import signal
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Final

from netra_core.configuration.load import FILE_NAME
from netra_core.errors import ConfigurationError

if TYPE_CHECKING:
    from netra_core.configuration.manager import UnifiedConfigurationManager

_log: Final = logging.getLogger(__name__)


class ConfigurationWatcher:
    """One thread that reloads the configuration when there is reason to.

    A reload that fails is logged in one line and leaves what was valid in force. SIGHUP can be
    asked for from the main thread alone.
    """

    def __init__(self, manager: "UnifiedConfigurationManager", *, sighup: bool = False) -> None:
        self._manager = manager
        self._sighup = sighup
        self._previous_handler: object = None
        self._stop = threading.Event()
        self._asked = threading.Event()
        self._watching = threading.Event()
        self._thread: threading.Thread | None = None
        self._reported = ""

    def start(self) -> None:
        """Begins to watch; returns once the file is being watched."""
        if self._thread is not None:
            return
        if self._sighup:
            self._previous_handler = signal.signal(signal.SIGHUP, self._on_signal)
        self._thread = threading.Thread(target=self._run, name="configuration-watch", daemon=True)
        self._thread.start()
        self._watching.wait()

    def stop(self) -> None:
        """Ends the watching; returns when the thread is gone."""
        if self._thread is None:
            return
        self._stop.set()
        self._asked.set()
        self._thread.join()
        self._thread = None
        if self._sighup:
            signal.signal(signal.SIGHUP, self._previous_handler)  # type: ignore[arg-type]

    def __enter__(self) -> "ConfigurationWatcher":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reload_soon(self) -> None:
        """Asks the thread to reload; safe to call from a signal handler."""
        self._asked.set()

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self.reload_soon()

    def _run(self) -> None:
        due = 0.0
        for changed in self._events():
            if self._stop.is_set():
                return
            if changed or self._asked.is_set():
                self._asked.clear()
                self._attempt(lambda: self._manager.reload(reason="file or signal"))
            elif monotonic() >= due:
                self._attempt(self._manager.core.follow)
                due = monotonic() + self._poll_s

    def _events(self) -> Generator[bool]:
        """True when the file may have changed, False when it is time to look elsewhere."""
        path = self._manager.core.file or self._manager.settings.paths.home / FILE_NAME
        if path.parent.is_dir():
            try:
                yield from self._file_changes(path)
            except (OSError, RuntimeError) as error:
                _log.error("%s is no longer watched: %s", path, type(error).__name__)
        yield from self._ticks()

    def _ticks(self) -> Generator[bool]:
        self._watching.set()
        while not self._stop.is_set():
            self._asked.wait(self._poll_s)
            yield False

    def _file_changes(self, path: Path) -> Generator[bool]:
        from watchfiles import watch  # a compiled module; needed by servers alone

        # the folder is watched: editors and configuration mounts replace files. Nothing is filtered
        # out here, or a busy neighbour (databases live there too) would hide the passing of time
        names = {path.name, "..data"}
        self._watching.set()
        for batch in watch(
            path.parent,
            stop_event=self._stop,
            watch_filter=None,
            recursive=False,
            debounce=200,
            step=20,
            rust_timeout=int(self._poll_s * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            yield any(Path(changed).name in names for _, changed in batch)

    @property
    def _poll_s(self) -> float:
        return self._manager.settings.deployment.config_poll_s

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except ConfigurationError as error:
            self._report(str(error))
        except Exception as error:
            self._report(type(error).__name__)
        else:
            self._reported = ""

    def _report(self, failure: str) -> None:
        """Logs a failure once, however often it repeats: the store may be down for hours."""
        if failure != self._reported:
            self._reported = failure
            _log.error("configuration not reloaded: %s", failure)
