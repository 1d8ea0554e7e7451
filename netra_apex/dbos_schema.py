"""The tables of durable runs on PostgreSQL: made by the migration role, used by the application's.

DBOS makes them itself where its role may; the application's role may not.
"""

import asyncio

from dbos import DBOS
from dbos._migration import get_migration_versions  # no public way to ask
from sqlalchemy import create_engine, exc, make_url

from netra_core.database import (
    DatabaseURLBuilder,
    SchemaOutdatedError,
    SchemaTooNewError,
    mask_url,
)
from netra_core.database.migrations import MigrationStatus
from netra_core.database.translate import translate

SCHEMA = "dbos"


class DbosMigrations:
    """Upgrade, current and check of the schema `dbos`, as MigrationRunner has them.

    `url` is the migration role's; `app_role` is granted the use of the tables.
    """

    def __init__(self, url: str, *, app_role: str | None) -> None:
        self._url = make_url(DatabaseURLBuilder.format_for_driver(url, "psycopg"))
        self._app_role = app_role

    async def upgrade(self) -> MigrationStatus:
        """Bring the tables to what this release of DBOS needs; never back from a newer one."""
        status = await self.current()
        if not status.up_to_date or self._app_role:
            await asyncio.to_thread(self._migrate)
        return await self.current()

    async def current(self) -> MigrationStatus:
        """What is there; changes nothing."""
        return await asyncio.to_thread(self._status)

    async def check(self) -> MigrationStatus:
        """Raise SchemaOutdatedError unless the tables are what this release needs."""
        status = await self.current()
        if status.pending:
            raise SchemaOutdatedError(
                f"the tables of durable runs lack {len(status.pending)} migrations",
                hint="Run `apex db upgrade`.",
            )
        return status

    def _migrate(self) -> None:
        DBOS.migrate(self._text, schema=SCHEMA, application_role=self._app_role)

    def _status(self) -> MigrationStatus:
        engine = create_engine(self._url, connect_args={"connect_timeout": 5})
        try:
            current, newest = get_migration_versions(engine, SCHEMA, use_listen_notify=False)
        except exc.SQLAlchemyError as error:
            ours = translate(error, where=mask_url(self._url), connecting=True)
            raise ours or error from error
        finally:
            engine.dispose()
        if current > newest:
            raise SchemaTooNewError(
                f"the tables of durable runs are at migration {current}, newer than {newest}",
                hint="Install the newer release, or restore a backup made by this one.",
            )
        return MigrationStatus(
            current=str(current) if current else None,
            head=str(newest),
            pending=tuple(str(number) for number in range(current + 1, newest + 1)),
        )

    @property
    def _text(self) -> str:
        return self._url.render_as_string(hide_password=False)
