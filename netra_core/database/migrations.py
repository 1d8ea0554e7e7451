"""Migrations of one package's database: up, down, what is there, and whether it fits.

Alembic (7 MB, a tenth of a second) is loaded only to change or compare tables: a server that finds
its database up to date does without.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, Connection, MetaData, inspect, make_url

from netra_core.database.engine import Engines
from netra_core.database.errors import SchemaOutdatedError, SchemaTooNewError
from netra_core.database.options import DatabaseOptions
from netra_core.database.row_security import grant_to, unsecured_tables
from netra_core.database.scope import SystemContext
from netra_core.database.sessions import DatabaseSessionManager

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATOR: Final = SystemContext(actor="migrations")
_CONNECTION: Final = "connection"
_METADATA: Final = "metadata"
_VERSION_TABLE: Final = "version_table"
_LOCK: Final = 0x61706578  # "apex": one migration at a time on a PostgreSQL server


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """Where a database stands. `current` is None before the first migration."""

    current: str | None
    head: str
    pending: tuple[str, ...]

    @property
    def up_to_date(self) -> bool:
        """True when nothing is missing."""
        return not self.pending


class MigrationRunner:
    """Runs the Alembic migrations in `package` ("netra_backend.migrations") on one database.

    They are one line without branches, and the name of a migration's file begins with its
    revision, so that names in order are revisions in order (`versions/0002_effects.py`).

    Each call is one transaction: it happens whole or not at all, and two processes that start at
    once take turns. Within a process upgrade one database after the other: Alembic keeps what it
    is doing in the process. `database` is a URL, or a session manager whose connections are used
    (the only way into a database in memory). On PostgreSQL the URL is the migration role's;
    `app_role` is then granted the use of the tables.
    """

    def __init__(
        self,
        database: str | URL | DatabaseSessionManager,
        *,
        package: str,
        metadata: MetaData,
        options: DatabaseOptions | None = None,
        app_role: str | None = None,
    ) -> None:
        self._database = database
        self._metadata = metadata
        if isinstance(database, DatabaseSessionManager):
            self._options = database.options
        else:
            self._options = options or DatabaseOptions()
        self._app_role = app_role
        with resources.as_file(resources.files(package)) as folder:
            self._folder = Path(folder)

    async def upgrade(self, to: str = "head") -> MigrationStatus:
        """Bring the database to `to`; SchemaTooNewError when it is ahead of this release."""
        return await self._run(lambda c: self._move(c, to, up=True))

    async def downgrade(self, to: str = "base") -> MigrationStatus:
        """Take migrations back down to `to`; their tables and data go."""
        return await self._run(lambda c: self._move(c, to, up=False))

    async def current(self) -> MigrationStatus:
        """What is there; changes nothing."""
        return await self._run(self._status)

    async def check(self) -> MigrationStatus:
        """Raise SchemaOutdatedError or SchemaTooNewError unless schema and release fit."""

        def compare(connection: Connection) -> MigrationStatus:
            status = self._status(connection)
            if status.pending:
                raise SchemaOutdatedError(
                    f"the database lacks {len(status.pending)} migrations"
                    f" (at {status.current or 'none'}, needs {status.head})",
                    hint="Run `apex db upgrade`.",
                )
            if differences := self.differences(connection):
                raise SchemaOutdatedError(
                    f"the schema differs from this release in {len(differences)} places,"
                    f" first: {differences[0]}",
                    hint="Undo changes made by hand, or restore a backup.",
                )
            if open_tables := unsecured_tables(connection, self._metadata.sorted_tables):
                raise SchemaOutdatedError(
                    f"row-level security is off on {', '.join(open_tables)}",
                    hint="Undo changes made by hand, or restore a backup.",
                )
            return status

        return await self._run(compare)

    def differences(self, connection: Connection) -> list[str]:
        """How the database's tables differ from the declared ones, as text."""
        from alembic.autogenerate import compare_metadata
        from alembic.runtime.migration import MigrationContext

        def ours(name: str | None, kind: str, _parents: object) -> bool:
            """Tables of others may live beside ours: auth's, those of durable runs."""
            return kind != "table" or name in self._metadata.tables

        migrations = MigrationContext.configure(
            connection, opts={"include_name": ours, "version_table": self._version_table}
        )
        return [str(difference) for difference in compare_metadata(migrations, self._metadata)]

    async def _run(self, work: Callable[[Connection], MigrationStatus]) -> MigrationStatus:
        if isinstance(self._database, DatabaseSessionManager):
            return await self._database.engines.write(_MIGRATOR, work)
        engines = Engines(make_url(self._database), self._options)
        try:
            return await engines.write(_MIGRATOR, work)
        finally:
            await engines.dispose()

    def _move(self, connection: Connection, to: str, *, up: bool) -> MigrationStatus:
        before = self._status(connection)
        if up and to == "head" and before.up_to_date and not self._app_role:
            return before  # a role without the right to change tables may find them as they are
        if connection.dialect.name == "postgresql":
            schema = connection.dialect.identifier_preparer.quote(self._options.schema)
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            if up:
                connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        now = self._status(connection)  # again: another may have migrated before the lock
        if not (up and to == "head" and now.up_to_date):
            self._migrate(connection, to, up=up)
        if up and self._app_role and connection.dialect.name == "postgresql":
            grant_to(
                connection,
                schema=self._options.schema,
                role=self._app_role,
                version_table=self._version_table,
            )
        return self._status(connection)

    def _migrate(self, connection: Connection, to: str, *, up: bool) -> None:
        from alembic import command

        config = self._config()
        config.attributes[_CONNECTION] = connection
        config.attributes[_METADATA] = self._metadata
        config.attributes[_VERSION_TABLE] = self._version_table
        (command.upgrade if up else command.downgrade)(config, to)

    def _status(self, connection: Connection) -> MigrationStatus:
        files = (self._folder / "versions").glob("[0-9]*_*.py")
        known = sorted(path.name.partition("_")[0] for path in files)
        current: str | None = None
        if inspect(connection).has_table(self._version_table):
            asked = f"SELECT version_num FROM {self._version_table}"
            current = connection.exec_driver_sql(asked).scalar_one_or_none()
        if current is not None and current not in known:
            raise SchemaTooNewError(
                f"the database is at migration {current!r}, which this release does not know",
                hint="Install the newer release, or restore a backup made by this one.",
            )
        done = known.index(current) + 1 if current is not None else 0
        return MigrationStatus(current=current, head=known[-1], pending=tuple(known[done:]))

    @property
    def _version_table(self) -> str:
        """One a package: on SQLite, which has no schemas, two of them may share a file."""
        schema = self._options.schema
        return "alembic_version" if schema == "platform" else f"alembic_version_{schema}"

    def _config(self) -> "Config":
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(self._folder).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        return config


def run_environment() -> None:
    """The whole of a package's `env.py`: migrate on the connection handed in by the runner."""
    from alembic import context

    attributes = context.config.attributes
    context.configure(
        connection=attributes[_CONNECTION],
        target_metadata=attributes[_METADATA],
        version_table=attributes[_VERSION_TABLE],
        render_as_batch=True,
        transaction_per_migration=False,
    )
    context.run_migrations()
