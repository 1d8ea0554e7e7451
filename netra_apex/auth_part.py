"""The auth service, built from the settings."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from netra_apex.database_urls import DatabaseUrls
from netra_apex.live_settings import LIVE_IN_AUTH, followed, pool_followed
from netra_core.configuration import UnifiedConfigurationManager


@asynccontextmanager
async def auth_part(
    manager: UnifiedConfigurationManager, urls: DatabaseUrls, *, say: Callable[[str], None]
) -> AsyncGenerator[FastAPI]:
    """The auth app on its database, which is let go afterwards; it follows live settings."""
    from netra_auth import AuthDatabaseManager, AuthDeps, create_app, folders_from, options_from

    settings = manager.settings
    database = AuthDatabaseManager(
        urls.auth,
        pool_size=settings.database.pool_size,
        pool_overflow=settings.database.pool_max_overflow,
        pool_timeout_s=settings.database.pool_timeout_s,
        statement_timeout_s=settings.database.statement_timeout_s,
    )
    deps = AuthDeps(
        options=options_from(settings),
        database=database,
        folders=folders_from(settings),
        announce=say,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.dispose)
        stack.enter_context(
            followed(manager, LIVE_IN_AUTH, lambda now: deps.use(options_from(now)))
        )
        stack.enter_context(pool_followed(manager, database.sessions, urls.auth))
        yield create_app(deps)
