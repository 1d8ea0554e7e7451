"""The platform database and its migrations, put together."""

from importlib import import_module
from importlib.util import find_spec

from sqlalchemy import URL, MetaData

from netra_core.database import DatabaseOptions, DatabaseSessionManager
from netra_core.database.metadata import PLATFORM
from netra_core.database.migrations import MigrationRunner, MigrationStatus

_TABLES = (
    "netra_core.events.tables",
    "netra_core.state.tables",
    "netra_core.configuration.tables",
    "netra_backend.tables",
)


def platform_metadata() -> MetaData:
    """All tables of the platform database, whichever package declares them."""
    for name in _TABLES:
        if find_spec(name) is not None:
            import_module(name)
    return PLATFORM


def platform_migrations(
    database: str | URL | DatabaseSessionManager,
    *,
    options: DatabaseOptions | None = None,
    app_role: str | None = None,
) -> MigrationRunner:
    """The runner of the platform's migrations."""
    return MigrationRunner(
        database,
        package="netra_backend.migrations",
        metadata=platform_metadata(),
        options=options or DatabaseOptions(schema="platform"),
        app_role=app_role,
    )


async def migrate_platform(
    database: str | URL | DatabaseSessionManager,
    *,
    options: DatabaseOptions | None = None,
    app_role: str | None = None,
) -> MigrationStatus:
    """Bring the platform database up to this release."""
    return await platform_migrations(database, options=options, app_role=app_role).upgrade()
