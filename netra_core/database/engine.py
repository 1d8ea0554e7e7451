"""The engines of one database: sessions on the loop, a writer, and readers."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from netra_core.database import postgres, sqlite
from netra_core.database.errors import DatabaseUrlError
from netra_core.database.lane import WriteLane
from netra_core.database.options import DatabaseOptions
from netra_core.database.scope import AnyContext
from netra_core.database.translate import translate
from netra_core.database.url_mask import mask_url

T = TypeVar("T")
Work = Callable[[Connection], T]


class Engines:
    """All ways into one database.

    SQLite gets three: an async pool for sessions, one writing thread, and reading threads, because
    a statement costs a thread hop through the async driver and none inside a thread. PostgreSQL
    gets one async pool. `read` and `write` take plain functions over a Connection, so that callers
    are the same on both.
    """

    def __init__(self, url: URL, options: DatabaseOptions) -> None:
        self.options = options
        self.dialect = url.get_backend_name()
        self.lane: WriteLane | None = None
        self._writer: _Threads | None = None
        self._readers: _Threads | None = None
        self._keeper: PoolProxiedConnection | None = None
        self._folder: Path | None = None
        self._users = 0
        self._unused = asyncio.Event()
        if self.dialect == "sqlite":
            self._open_sqlite(url)
        elif self.dialect == "postgresql":
            self.url = url.set(drivername="postgresql+asyncpg")
            self.sessions = postgres.async_engine(self.url, options)
        else:
            raise DatabaseUrlError(
                f"no support for databases of kind {self.dialect!r}",
                hint="Use sqlite:// or postgresql://.",
            )
        self.where = mask_url(self.url)
        _explain_connect_errors(self.sessions.sync_engine, self.where, self._folder)
        self.reading = self.sessions.execution_options(**{sqlite.READ_ONLY: True})

    def _open_sqlite(self, url: URL) -> None:
        self.memory = sqlite.is_memory(url)
        self.url = sqlite.shared_memory_url(url, f"/apex-{id(self):x}") if self.memory else url
        self._folder = sqlite.folder_of(self.url)
        options = self.options
        self.lane = WriteLane(wait_s=options.busy_timeout_s)
        self.sessions = sqlite.async_engine(self.url, options, self.lane)
        self._writer = _Threads(sqlite.sync_engine(self.url, options, size=1), 1, "writer")
        readers = sqlite.sync_engine(self.url, options, size=options.reader_threads, read_only=True)
        self._readers = _Threads(readers, options.reader_threads, "reader")
        for threads in (self._writer, self._readers):
            _explain_connect_errors(threads.engine, mask_url(self.url), self._folder)
        if self.memory:  # an in-memory database lives as long as one connection to it
            kept = self._readers.engine.raw_connection()
            kept.detach()
            self._keeper = kept

    async def read(self, ctx: AnyContext, work: Work[T]) -> T:
        """Run `work` in a reading transaction bound to the rows of `ctx`."""
        with self.used():
            if self._readers is not None:
                return await self._readers.run(work)
            return await self._on_loop(ctx, work)

    async def write(self, ctx: AnyContext, work: Work[T]) -> T:
        """Run `work` in a writing transaction; returns after the commit."""
        with self.used():
            if self._writer is not None and self.lane is not None:
                async with self.lane.held():
                    return await self._writer.run(work)
            return await self._on_loop(ctx, work)

    @contextmanager
    def used(self) -> Generator[None]:
        """Count a user for a block, and turn drivers' errors into ours."""
        self._users += 1
        try:
            yield
        except BaseException as error:
            ours = self.translated(error)
            if ours is error:
                raise
            raise ours from error
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def retire(self, wait_s: float) -> None:
        """Dispose as soon as nobody uses the engines any more, at the latest after `wait_s`."""
        try:
            async with asyncio.timeout(wait_s):
                while self._users:
                    self._unused.clear()
                    await self._unused.wait()
        except TimeoutError:
            pass  # who still holds a session this long gets an error at its next statement
        finally:
            await self.dispose()

    async def _on_loop(self, ctx: AnyContext, work: Work[T]) -> T:
        async with self.sessions.begin() as connection:

            def scoped(sync: Connection) -> T:
                postgres.set_row_scope(sync, ctx)
                return work(sync)

            return await connection.run_sync(scoped)

    def translated(self, error: BaseException) -> BaseException:
        """Our numbered error for a driver's error; any other error unchanged."""
        return translate(error, where=self.where, folder=self._folder) or error

    async def dispose(self) -> None:
        """Close every connection and thread."""
        await self.sessions.dispose()
        for threads in (self._writer, self._readers):
            if threads is not None:
                await threads.close()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


class _Threads:
    """A synchronous engine and the threads that may use it."""

    def __init__(self, engine: Engine, count: int, role: str) -> None:
        self.engine = engine
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=f"apex-sqlite-{role}")

    async def run(self, work: Work[T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._transact, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # The thread cannot be stopped: wait, so that nobody else writes before it is done.
            await asyncio.wait([future])
            raise

    def _transact(self, work: Work[T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        self._pool.shutdown(wait=True)
        self.engine.dispose()


def _explain_connect_errors(engine: Engine, where: str, folder: Path | None) -> None:
    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _record: ConnectionPoolEntry, args: Any, parameters: Any
    ) -> DBAPIConnection:
        if folder is not None:
            sqlite.check_folder(folder)
        try:
            return dialect.connect(*args, **parameters)
        except Exception as error:
            ours = translate(error, where=where, folder=folder, connecting=True)
            raise ours or error from error

    del connect
