"""The auth service, built from the settings."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from netra_apex.database_urls import DatabaseUrls
from netra_core.configuration import Settings


@asynccontextmanager
async def auth_part(
    settings: Settings, urls: DatabaseUrls, *, say: Callable[[str], None]
) -> AsyncGenerator[FastAPI]:
    """The auth app on its database, which is let go afterwards."""
    from netra_auth import AuthDatabaseManager, AuthDeps, create_app, folders_from, options_from

    database = AuthDatabaseManager(
        urls.auth,
        pool_size=settings.database.pool_size,
        pool_overflow=settings.database.pool_max_overflow,
    )
    try:
        yield create_app(
            AuthDeps(
                options=options_from(settings),
                database=database,
                folders=folders_from(settings),
                announce=say,
            )
        )
    finally:
        await database.dispose()
