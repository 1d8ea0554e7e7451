"""Logging through structlog, for our own lines and those of libraries alike."""

import asyncio
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol, TextIO

import structlog

from netra_core.environment import Redactor

_HANDLER_NAME = "apex"
_LIBRARIES = (
    "alembic",
    "asyncio",
    "clickhouse_connect",
    "dbos",
    "httpcore",
    "httpx",
    "sqlalchemy",
    "uvicorn",
    "watchfiles",
    "websockets",
)


class LogSettings(Protocol):
    """What logging needs to know; the `telemetry` section of the settings has it."""

    @property
    def log_level(self) -> str:
        """Least severe level that is written."""
        ...

    @property
    def log_format(self) -> str:
        """`console` or `json`."""
        ...


class _Redact:
    """A structlog processor; the last before rendering, so that nothing comes after it."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(
        self, logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> Mapping[str, Any]:
        return {
            name: value if name.startswith("_") else self._redactor.named(name, value)
            for name, value in event.items()
        }


def configure_logging(
    settings: LogSettings, *, redactor: Redactor | None = None, stream: TextIO | None = None
) -> None:
    """Sends every log line of the process to `stream` (standard error), secrets redacted.

    Libraries are heard from WARNING on, unless the level is DEBUG. Calling it again replaces what
    the earlier call set up.
    """
    redact = _Redact(redactor or Redactor())
    shared: list[Any] = [  # Any: structlog's processors
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            redact,  # here for whatever handler another library adds; below for its own lines
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    output = stream or sys.stderr
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            redact,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _renderer(settings.log_format, output),
        ],
    )
    handler = logging.StreamHandler(output)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(formatter)
    handler.addFilter(_is_no_cancellation)
    root = logging.getLogger()
    for old in [h for h in root.handlers if h.get_name() == _HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    quiet = max(logging.WARNING, root.level) if root.level > logging.DEBUG else logging.NOTSET
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(quiet)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """False where a connection was given back by a task that was cancelled just then.

    The pool closes such a connection and makes another one: nothing is wrong when work is stopped.
    """
    error = record.exc_info[1] if record.exc_info else None
    pool = record.name.startswith("sqlalchemy.pool")
    return not (pool and isinstance(error, asyncio.CancelledError))


def _renderer(log_format: str, output: TextIO) -> Any:  # Any: a structlog processor
    if log_format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=output.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry `name`; fields are given as keyword arguments."""
    return structlog.stdlib.get_logger(name)
