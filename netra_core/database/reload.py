"""Databases follow the configuration: limits from settings, a reconnect when they change."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

import structlog

from netra_core.configuration import ConfigurationChange, Settings, VetoError
from netra_core.configuration.schema.sections import Database
from netra_core.database.errors import DatabaseUrlError
from netra_core.database.options import DatabaseOptions
from netra_core.database.sessions import DatabaseSessionManager

_log = structlog.get_logger(__name__)


def options_from(section: Database, *, schema: str = "platform") -> DatabaseOptions:
    """The limits that the settings give a database."""
    return DatabaseOptions(
        schema=schema,
        pool_size=section.pool_size,
        pool_overflow=section.pool_max_overflow,
        pool_timeout_s=section.pool_timeout_s,
        statement_timeout_s=section.statement_timeout_s,
    )


class ReconnectOnChange:
    """A subscriber of the configuration that moves a live pool when its settings change.

    An address that cannot be used vetoes the change. A database that turns out not to answer is
    logged, and the pool stays where it was. `url_of` gives the address for settings.
    """

    name = "database pool"

    def __init__(
        self,
        sessions: DatabaseSessionManager,
        url_of: Callable[[Settings], str],
        *,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._sessions = sessions
        self._url_of = url_of
        self._loop = loop
        self._target: tuple[str, DatabaseOptions] | None = None
        self._moves: set[Future[None]] = set()

    def prepare(self, change: ConfigurationChange) -> None:
        """Work out where to go; veto when that is no address."""
        try:
            url = self._url_of(change.current)
        except DatabaseUrlError as error:
            raise VetoError(error.message, hint=error.hint) from error
        options = options_from(change.current.database, schema=self._sessions.options.schema)
        self._target = (url, options)

    def commit(self, change: ConfigurationChange) -> None:
        """Go there; requests under way finish where they are."""
        if self._target is None:
            return
        url, options = self._target
        self._target = None
        move = asyncio.run_coroutine_threadsafe(self._move(url, options), self._loop)
        self._moves.add(move)
        move.add_done_callback(self._moves.discard)

    def abort(self, change: ConfigurationChange) -> None:
        """Stay."""
        self._target = None

    async def settled(self) -> None:
        """Return when every move that was begun has ended."""
        while self._moves:
            await asyncio.gather(*(asyncio.wrap_future(move) for move in tuple(self._moves)))
            await asyncio.sleep(0)

    async def _move(self, url: str, options: DatabaseOptions) -> None:
        try:
            await self._sessions.reconnect(url, options=options)
        except Exception as error:  # the pool in use stays; the operator reads why
            _log.error("database_reconnect_failed", error=str(error))
