"""AuthDatabaseManager: the one place that owns the connection to people, sessions and keys."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import Connection, insert, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from netra_auth.database.tables import heads, metadata
from netra_auth.errors import AuthDatabaseUnusable
from netra_core.database import DatabaseOptions, DatabaseSessionManager, SystemContext, mask_url
from netra_core.database.sqlite import is_memory

_AUTH: Final = SystemContext(actor="auth")
_PACKAGE: Final = "netra_auth.migrations"


class AuthDatabaseManager:
    """Connection pool, transactions and migrations of the auth database.

    The engine is made once and kept. A transaction commits when its block ends and rolls back on
    error or cancellation. SQLite in memory is accepted in the test environment alone, where it
    starts with its tables and nothing in them.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        pool_overflow: int = 5,
        pool_timeout_s: float = 5.0,
        statement_timeout_s: float = 30.0,
        max_session_s: float = 60.0,
        testing: bool = False,
    ) -> None:
        self._url = make_url(url)
        sqlite = self._url.get_backend_name() == "sqlite"
        self._memory = sqlite and is_memory(self._url)
        if self._memory and not testing:
            raise AuthDatabaseUnusable(
                "In-memory SQLite would lose every account on restart.",
                hint="Name a file, or a PostgreSQL URL.",
            )
        self._options = DatabaseOptions(
            schema="auth",
            pool_size=pool_size,
            pool_overflow=pool_overflow,
            pool_timeout_s=pool_timeout_s,
            statement_timeout_s=statement_timeout_s,
            max_session_s=max_session_s,
        )
        self._sessions = DatabaseSessionManager(self._url, options=self._options)
        self._migrating = asyncio.Lock()
        self._migrated = False

    @property
    def url(self) -> str:
        """The URL without its password: fit for logs."""
        return mask_url(self._url)

    @property
    def sessions(self) -> DatabaseSessionManager:
        """The pool, for whoever moves it to other limits."""
        return self._sessions

    @property
    def engine(self) -> AsyncEngine:
        """The engine under the transactions."""
        return self._sessions.engine

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._sessions.dialect

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncGenerator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back on any exception.

        A transaction that may write is alone on SQLite from its first statement, so what it has
        read stays true; on PostgreSQL rows are locked by the statements themselves.
        """
        async with self._sessions.session(_AUTH, read_only=read_only) as session:
            yield session

    async def migrate(self) -> None:
        """Bring the schema to the newest revision; safe from several processes at once.

        Where nothing is missing nothing is written, so a role without rights on the schema will
        do once another has migrated.
        """
        async with self._migrating:
            if self._migrated:
                return
            if self._memory:
                await self._create_in_memory()
            else:
                from netra_core.database.migrations import MigrationRunner

                runner = MigrationRunner(
                    self._url, package=_PACKAGE, metadata=metadata, options=self._options
                )
                if not (await runner.current()).up_to_date:
                    await runner.upgrade()
            self._migrated = True

    async def health_check(self) -> None:
        """Raise AuthDatabaseUnusable unless the database answers."""
        health = await self._sessions.health_check()
        if not health.ok:
            raise AuthDatabaseUnusable(
                f"The auth database {self.url} does not answer: {health.error}"
            )

    async def dispose(self) -> None:
        """Close every connection."""
        await self._sessions.dispose()

    async def _create_in_memory(self) -> None:
        def create(connection: Connection) -> None:
            metadata.create_all(connection)
            connection.execute(
                insert(heads),
                [{"name": name, "seq": 0, "digest": bytes(32)} for name in ("audit", "changes")],
            )

        await self._sessions.engines.write(_AUTH, create)
