"""DatabaseSessionManager: one database, its pools, and the sessions of its users."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeVar

import structlog
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import QueuePool

from netra_core.database import guard
from netra_core.database.engine import Engines
from netra_core.database.errors import TransactionConflictError
from netra_core.database.options import DatabaseOptions
from netra_core.database.postgres import bind_rows
from netra_core.database.scope import AnyContext, SystemContext
from netra_core.errors import DatabaseError

T = TypeVar("T")
_HEALTH: Final = SystemContext(actor="health")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStats:
    """Counts since the start; times in seconds."""

    opened: int
    committed: int
    rolled_back: int
    leaked: int
    open_now: int
    total_s: float
    longest_s: float
    pool_in_use: int
    pool_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether a database answered, how fast, and what it said otherwise."""

    ok: bool
    latency_s: float
    error: str | None = None


@dataclass(slots=True)
class _Open:
    session: guard.ScopedSession
    tag: guard.SessionTag


class DatabaseSessionManager:
    """The one owner of a database's connections and sessions.

    Guarantees of `session(ctx)`: tagged with user, request and thread; committed on success, rolled
    back and re-raised on error or cancellation, closed always; on PostgreSQL bound to the rows of
    `ctx` by row-level security. Driver errors come out as numbered DatabaseErrors.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        options: DatabaseOptions | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.options = options or DatabaseOptions()
        self.engines = Engines(make_url(url), self.options)
        self._clock = clock
        self._open: dict[int, _Open] = {}
        self._opened = self._committed = self._rolled_back = self._leaked = 0
        self._total_s = self._longest_s = 0.0

    @property
    def url(self) -> URL:
        """Where the database is; never log it unmasked."""
        return self.engines.url

    @property
    def engine(self) -> AsyncEngine:
        """The engine under the sessions."""
        return self.engines.sessions

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engines.dialect

    @asynccontextmanager
    async def session(
        self, ctx: AnyContext, *, read_only: bool = False
    ) -> AsyncGenerator[AsyncSession]:
        """A session of `ctx` for one block.

        On SQLite a session that may write holds the one write lane from its first statement to
        the end of the block, so keep the block short and free of other waits; `read_only=True`
        blocks nobody.
        """
        tag = guard.SessionTag(ctx, self._clock(), guard.origin(1))
        guard.entered(tag)
        engines = self.engines  # the session stays on them when the manager reconnects
        with engines.used():
            session = self._make(engines, tag, read_only=read_only)
            self._open[id(tag)] = _Open(session, tag)
            self._opened += 1
            try:
                yield session
                await session.commit()
            except BaseException:
                self._rolled_back += 1
                raise
            else:
                self._committed += 1
            finally:
                guard.left(tag)
                self._note_end(tag)
                await _close(session)

    def _make(
        self, engines: Engines, tag: guard.SessionTag, *, read_only: bool
    ) -> guard.ScopedSession:
        engine = engines.reading if read_only else engines.sessions
        session = guard.ScopedSession(engine, expire_on_commit=False, info={guard.TAG: tag})
        if engines.dialect == "postgresql":
            bind_rows(session, tag.ctx)
        return session

    def _note_end(self, tag: guard.SessionTag) -> None:
        if self._open.pop(id(tag), None) is None:
            return  # closed as a leak, and counted then
        elapsed = self._clock() - tag.opened_at
        self._total_s += elapsed
        self._longest_s = max(self._longest_s, elapsed)

    async def run(
        self,
        ctx: AnyContext,
        work: Callable[[AsyncSession], Awaitable[T]],
        *,
        attempts: int = 3,
    ) -> T:
        """Run `work` in a session, again when the database rolled it back for another's sake.

        At most `attempts` times; `work` must be safe to run again after a rollback.
        """
        import stamina  # 2 MB that who never asks for a second attempt does without

        async for attempt in stamina.retry_context(
            on=TransactionConflictError,
            attempts=attempts,
            wait_initial=0.01,
            wait_max=0.5,
            wait_jitter=0.05,
        ):
            with attempt:
                async with self.session(ctx) as session:
                    return await work(session)
        raise AssertionError("unreachable: the last attempt raises")

    async def read(self, ctx: AnyContext, work: Callable[[Connection], T]) -> T:
        """Run a plain function in a reading transaction bound to `ctx`; the fast way to read."""
        return await self.engines.read(ctx, work)

    def stats(self) -> SessionStats:
        """Counts since the start and the pool as it is now."""
        pool = self.engines.sessions.pool
        in_use = pool.checkedout() if isinstance(pool, QueuePool) else 0
        return SessionStats(
            opened=self._opened,
            committed=self._committed,
            rolled_back=self._rolled_back,
            leaked=self._leaked,
            open_now=len(self._open),
            total_s=self._total_s,
            longest_s=self._longest_s,
            pool_in_use=in_use,
            pool_size=self.options.pool_size,
        )

    async def close_leaks(self) -> list[str]:
        """Close sessions open longer than `max_session_s`; returns where they were opened.

        What they wrote is rolled back; a block that ends later all the same raises
        SessionIsolationError.
        """
        now = self._clock()
        leaks = [
            held
            for held in self._open.values()
            if now - held.tag.opened_at > self.options.max_session_s
        ]
        for held in leaks:
            self._leaked += 1
            held.tag.open = False
            self._note_end(held.tag)
            open_s = now - held.tag.opened_at
            _log.warning("session_leak_closed", session=str(held.tag), open_s=open_s)
            await _close(held.session)
        return [held.tag.origin for held in leaks]

    async def health_check(self) -> Health:
        """One round trip to the database; never raises."""
        started = self._clock()
        try:
            await self.read(_HEALTH, _ping)
        except DatabaseError as error:
            return Health(ok=False, latency_s=self._clock() - started, error=str(error))
        except Exception as error:  # a pool that was closed; the text of others may hold secrets
            reason = f"the database cannot be asked: {type(error).__name__}"
            return Health(ok=False, latency_s=self._clock() - started, error=reason)
        return Health(ok=True, latency_s=self._clock() - started)

    async def reconnect(self, url: str | URL, *, options: DatabaseOptions | None = None) -> None:
        """Move to another address or other limits without failing a request.

        The new database is asked first: when it does not answer, its error is raised and nothing
        has changed. Sessions that are open finish where they began; returns when they have.
        """
        fresh = Engines(make_url(url), options or self.options)
        try:
            await fresh.read(_HEALTH, _ping)
        except BaseException:
            await fresh.dispose()
            raise
        old, self.engines, self.options = self.engines, fresh, fresh.options
        await old.retire(old.options.max_session_s)

    async def dispose(self) -> None:
        """Close every connection; sessions still open fail at their next statement."""
        await self.engines.dispose()


def _ping(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT 1")


async def _close(session: AsyncSession) -> None:
    """Close also when the task is being cancelled: the connection must go back."""
    await asyncio.shield(asyncio.ensure_future(session.close()))
