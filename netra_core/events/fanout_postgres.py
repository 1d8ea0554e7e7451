"""Fan-out over PostgreSQL LISTEN/NOTIFY: the database that holds the log also announces it."""

from typing import Any

import asyncpg
from sqlalchemy.engine import URL, make_url

from netra_core.database.postgres import driver_arguments
from netra_core.events.fanout_relay import CHANNEL, RelayedFanOut

STATEMENT_TIMEOUT_S = 5.0


class PostgresFanOut(RelayedFanOut):
    """Notices over one connection of its own, which listens and notifies.

    `url` is any PostgreSQL URL of SQLAlchemy; its driver does not matter. LISTEN needs a direct
    connection: a pooler in transaction mode in between loses notifications.
    """

    def __init__(self, url: str | URL, **options: Any) -> None:  # Any: those of RelayedFanOut
        super().__init__(**options)
        self._url = make_url(url).set(drivername="postgresql+asyncpg")
        self._connection: asyncpg.Connection | None = None

    def _where(self) -> str:
        return f"PostgreSQL at {self._url.host or 'its socket'}"

    async def _session(self) -> None:
        arguments = driver_arguments(self._url)
        connection = await asyncpg.connect(
            **arguments,
            timeout=self._connect_timeout_s,  # pyright: ignore[reportArgumentType] - a float will do
            command_timeout=STATEMENT_TIMEOUT_S,
            server_settings={"application_name": "apex fan-out"},
        )
        self._connection = connection
        try:
            connection.add_termination_listener(self._lost)
            await connection.add_listener(CHANNEL, self._heard)
            self._ready()
            await self._send_forever(self._notify)
        finally:
            self._connection = None
            connection.terminate()

    def _lost(self, _connection: object) -> None:
        self._wake()

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._received(str(payload))

    async def _notify(self, payload: str) -> None:
        assert self._connection is not None
        await self._connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)

    def _look(self) -> None:
        if self._connection is None or self._connection.is_closed():
            raise ConnectionError("the listening connection is closed")

    async def _check(self) -> None:
        assert self._connection is not None
        await self._connection.execute("SELECT 1")
