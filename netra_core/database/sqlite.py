"""SQLite as a server's database: write-ahead log, one writer, foreign keys, bounded waits."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, util
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, QueuePool

from netra_core.database.errors import DatabaseUnreachableError
from netra_core.database.lane import WriteLane
from netra_core.database.options import DatabaseOptions

_LANE: Final = "apex_lane"
_CHECKPOINT_PAGES: Final = 4000
"""How far the write-ahead log grows before it is folded into the file: 16 MB. A group of appends
touches a page or two a stream, mostly those of the group before; SQLite's 1000 pages would fold
every fourth group and sync the file each time."""
READ_ONLY: Final = "apex_read_only"
"""Execution option: the transaction only reads, so it begins DEFERRED and blocks nobody."""


def is_memory(url: URL) -> bool:
    """True for a database that lives in this process's memory, in any form SQLite knows."""
    name, _, more = (url.database or "").removeprefix("file:").partition("?")
    asked = dict(parse_qsl(more)) | {key: str(value) for key, value in url.query.items()}
    return name in ("", ":memory:") or asked.get("mode") == "memory" or asked.get("vfs") == "memdb"


def folder_of(url: URL) -> Path | None:
    """The folder of the file; None for a database in memory."""
    if is_memory(url):
        return None
    return Path((url.database or "").removeprefix("file:").partition("?")[0]).parent


def check_folder(folder: Path) -> None:
    """Raise DatabaseUnreachableError when the folder of the file is not there."""
    if not folder.is_dir():
        raise DatabaseUnreachableError(
            f"the database file cannot be opened: there is no folder {str(folder)!r}",
            hint="Create the folder, or correct the path.",
        )


def shared_memory_url(url: URL, name: str) -> URL:
    """The URL under which all connections of one in-memory database see the same data.

    SQLite's `memdb` keeps the locking of a file, which shared-cache mode does not.
    """
    return url.set(database=f"file:{name}", query={"vfs": "memdb", "uri": "true"})


def sync_engine(
    url: URL, options: DatabaseOptions, *, size: int, read_only: bool = False
) -> Engine:
    """An engine for use in threads; `size` connections, kept open."""
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=options.pool_timeout_s,
        connect_args=_connect_args(options),
    )
    _prepare(engine, options, read_only=read_only)
    return engine


def async_engine(url: URL, options: DatabaseOptions, lane: WriteLane) -> AsyncEngine:
    """An engine for sessions on the event loop; their writers pass through the lane."""
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=options.pool_size,
        max_overflow=options.pool_overflow,
        pool_timeout=options.pool_timeout_s,
        connect_args=_connect_args(options),
    )
    _take_lane(engine, lane)  # before _prepare: listeners run in order, and BEGIN comes after
    _prepare(engine.sync_engine, options, read_only=False)
    return engine


def _connect_args(options: DatabaseOptions) -> dict[str, object]:
    return {
        "timeout": options.busy_timeout_s,
        "isolation_level": None,
        "check_same_thread": False,
    }


def _take_lane(engine: AsyncEngine, lane: WriteLane) -> None:
    """Writing transactions of sessions pass through the lane from their BEGIN to the return of
    their connection to the pool.
    """
    sync = engine.sync_engine

    @event.listens_for(sync, "begin")
    def take(connection: Connection) -> None:
        info = connection.info
        if connection.get_execution_options().get(READ_ONLY) or info.get(_LANE):
            return
        util.await_only(lane.acquire())
        info[_LANE] = True

    @event.listens_for(sync, "checkin")
    def give_back(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        if record.info.pop(_LANE, False):
            lane.release()

    del take, give_back


def _prepare(engine: Engine, options: DatabaseOptions, *, read_only: bool) -> None:
    memory = is_memory(make_url(engine.url))
    pragmas = [
        f"busy_timeout = {int(options.busy_timeout_s * 1000)}",
        f"synchronous = {'FULL' if options.durability == 'power_loss' else 'NORMAL'}",
        "foreign_keys = ON",
        "cache_size = -8000",
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
        f"journal_size_limit = {2 * _CHECKPOINT_PAGES * 4096}",
    ]
    if read_only:
        pragmas.append("query_only = ON")
    elif not memory:
        pragmas.insert(1, "journal_mode = WAL")

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
        except Exception:
            connection.close()  # nobody else would: the pool has not seen it yet
            raise
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        deferred = read_only or connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")

    # The driver's own implicit BEGIN is off (isolation_level None): without it, SQLAlchemy's
    # transactions would not hold reads and DDL together.
    del set_pragmas, begin
