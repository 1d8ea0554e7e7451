"""PostgreSQL through asyncpg: bounded waits, one schema a service, row-level security."""

from pathlib import Path
from time import monotonic
from typing import Any, Final

from sqlalchemy import URL, Connection, bindparam, event, exc, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from netra_core.database.drivers import tls_context, tls_mode
from netra_core.database.options import DatabaseOptions
from netra_core.database.scope import (
    SYSTEM_SETTING,
    USER_SETTING,
    WORKSPACE_SETTING,
    AnyContext,
    row_settings,
)

_IDLE_SINCE: Final = "apex_idle_since"
_SET_SCOPE: Final = text(
    "SELECT set_config(:workspace_name, :workspace, true),"
    " set_config(:user_name, :user, true), set_config(:system_name, :system, true)"
).bindparams(
    bindparam("workspace_name", WORKSPACE_SETTING),
    bindparam("user_name", USER_SETTING),
    bindparam("system_name", SYSTEM_SETTING),
)


def async_engine(url: URL, options: DatabaseOptions) -> AsyncEngine:
    """An engine for asyncpg. A connection that idled is probed before it is handed out, so that
    a restart of the server costs waiting callers nothing they would see.
    """
    url, tls = _take_tls(url)
    engine = create_async_engine(
        url,
        pool_size=options.pool_size,
        max_overflow=options.pool_overflow,
        pool_timeout=options.pool_timeout_s,
        connect_args=connect_args(options) | tls,
    )
    _probe_idle(engine, options.idle_check_s)
    return engine


def connect_args(options: DatabaseOptions) -> dict[str, Any]:
    """What asyncpg is told on connecting."""
    return {
        "timeout": options.connect_timeout_s,
        "server_settings": {
            "application_name": options.application_name,
            "search_path": options.schema,
            "statement_timeout": _milliseconds(options.statement_timeout_s),
            "lock_timeout": _milliseconds(options.lock_timeout_s),
            "idle_in_transaction_session_timeout": _milliseconds(2 * options.max_session_s),
            "timezone": "UTC",
        },
    }


def driver_arguments(url: URL) -> dict[str, Any]:
    """What asyncpg.connect is told for one connection of its own, TLS in any driver's form."""
    url, tls = _take_tls(url)
    _, arguments = PGDialect_asyncpg().create_connect_args(url)
    return arguments | tls


def set_row_scope(connection: Connection, ctx: AnyContext) -> None:
    """Bind the transaction to the rows of `ctx`; ends with the transaction."""
    settings = row_settings(ctx)
    connection.execute(
        _SET_SCOPE,
        {
            "workspace": settings[WORKSPACE_SETTING],
            "user": settings[USER_SETTING],
            "system": settings[SYSTEM_SETTING],
        },
    )


def _take_tls(url: URL) -> tuple[URL, dict[str, Any]]:
    """The URL without its TLS parameters in any driver's form, and what asyncpg takes instead."""
    names = ("ssl", "sslmode", "sslrootcert")
    given = {name: str(url.query[name]) for name in names if name in url.query}
    mode = given.get("ssl") or given.get("sslmode")
    if mode is None:
        return url.difference_update_query(names), {}
    root = given.get("sslrootcert")
    context = tls_context(tls_mode(mode), Path(root) if root else None)
    return url.difference_update_query(names), {"ssl": context}


def bind_rows(session: AsyncSession, ctx: AnyContext) -> None:
    """Bind every transaction of a session to the rows of `ctx`."""

    @event.listens_for(session.sync_session, "after_begin")
    def scope(_session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
        set_row_scope(connection, ctx)

    del scope


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _probe_idle(engine: AsyncEngine, idle_check_s: float) -> None:
    sync = engine.sync_engine

    @event.listens_for(sync, "checkin")
    def note(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[_IDLE_SINCE] = monotonic()

    @event.listens_for(sync, "checkout")
    def probe(
        connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
    ) -> None:
        since = record.info.get(_IDLE_SINCE)
        if since is None or monotonic() - since < idle_check_s:
            return
        try:
            sync.dialect.do_ping(connection)
        except Exception as error:
            raise exc.DisconnectionError("idle connection is gone") from error

    del note, probe
