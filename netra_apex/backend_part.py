"""The platform service, built from the settings."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from netra_apex.database_urls import DatabaseUrls
from netra_apex.live_settings import LIVE_IN_BACKEND, followed, pool_followed
from netra_core.configuration import Settings, UnifiedConfigurationManager
from netra_core.errors import ConfigurationError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.applications import Starlette

    from netra_backend import BackendOptions
    from netra_core.events.fanout import FanOut
    from netra_optimizer import UsageStore

LOOPBACK = ("127.0.0.1", 0)
"""Who asks, for auth in the same process."""

AUTH_TIMEOUT_S = 35
"""Longer than the longest wait of the change feed's long poll."""


class AuthAddressMissingError(ConfigurationError):
    """A backend on its own does not know where auth is."""

    code = "CFG-101"


@asynccontextmanager
async def backend_part(
    manager: UnifiedConfigurationManager, urls: DatabaseUrls, *, auth: "Starlette | None"
) -> "AsyncGenerator[FastAPI]":
    """The platform app on its databases, which are let go afterwards.

    It speaks to auth over HTTP: in memory when `auth` runs in this process, else at `auth.url`.

    Raises:
        AuthAddressMissingError: neither is there.
    """
    from netra_backend import BackendDependencies, create_app
    from netra_backend.migrations import migrate_platform
    from netra_core.database import DatabaseOptions, DatabaseSessionManager, GroupCommit
    from netra_core.events.log import SqlEventLog
    from netra_core.state import UnifiedStateManager
    from netra_core.state.sql import SqlStateStore
    from netra_core.websocket.state_tickets import StateTicketStore

    settings = manager.settings
    await migrate_platform(urls.platform)
    async with AsyncExitStack() as stack:
        sessions = DatabaseSessionManager(
            urls.platform,
            options=DatabaseOptions(
                pool_size=settings.database.pool_size,
                pool_overflow=settings.database.pool_max_overflow,
                pool_timeout_s=settings.database.pool_timeout_s,
                statement_timeout_s=settings.database.statement_timeout_s,
            ),
        )
        stack.push_async_callback(sessions.dispose)
        commits = GroupCommit(sessions)
        stack.push_async_callback(commits.close)
        fan_out = _fan_out(settings, urls)
        stack.push_async_callback(fan_out.close)
        events = SqlEventLog(sessions, commits, fan_out=fan_out)
        stack.push_async_callback(events.close)
        state = UnifiedStateManager(SqlStateStore(sessions, commits))
        client = await stack.enter_async_context(_auth_client(settings, auth))
        app = create_app(
            BackendDependencies(
                options=_options(settings, urls),
                sessions=sessions,
                events=events,
                fan_out=fan_out,
                open_usage=_usage_opener(settings),
                usage_kept=_usage_kept(settings),
                auth_client=client,
                configuration=manager,
                state=state,
                # A ticket issued on one node opens a socket on another.
                tickets=StateTicketStore(state),
            )
        )
        use = app.state.platform.use
        stack.enter_context(
            followed(manager, LIVE_IN_BACKEND, lambda now: use(_options(now, urls)))
        )
        stack.enter_context(pool_followed(manager, sessions, urls.platform))
        yield app


def _options(settings: Settings, urls: DatabaseUrls) -> "BackendOptions":
    from netra_backend import BackendOptions, RunLimits, TokenRules
    from netra_core.websocket import SocketLimits

    sockets, secret = settings.websocket, settings.auth.service_secret
    return BackendOptions(
        uploads=settings.paths.home / "uploads",
        dbos_url=urls.dbos,
        token=TokenRules(
            issuer=settings.auth.issuer,
            audience=settings.auth.audience,
            algorithm=settings.auth.algorithm,
            secret=_shared_key(settings),
        ),
        service_credential="" if secret is None else secret.get_secret_value(),
        clustered=not urls.platform.startswith("sqlite"),
        allowed_origins=(settings.http.public_url, *sockets.allowed_origins),
        max_upload_bytes=settings.usage.max_upload_bytes,
        keep_days=settings.usage.keep_days,
        limits=RunLimits(per_user=settings.runs.max_per_user, in_all=settings.runs.max_total),
        sockets=SocketLimits(
            connections_per_user=sockets.max_connections_per_user,
            messages_per_minute=sockets.messages_per_minute,
            message_bytes=sockets.max_message_bytes,
            outbox_events=sockets.outbox_events,
            heartbeat_s=sockets.heartbeat_s,
        ),
    )


def _shared_key(settings: Settings) -> str | None:
    """The key of HS256; what verifies Ed25519 is public and fetched from auth."""
    key = settings.auth.jwt_secret_key
    return key.get_secret_value() if settings.auth.algorithm == "HS256" and key else None


def _fan_out(settings: Settings, urls: DatabaseUrls) -> "FanOut":
    if settings.database.redis_url is not None:
        from netra_core.events.fanout_redis import RedisFanOut

        return RedisFanOut(settings.database.redis_url.get_secret_value())
    if not urls.platform.startswith("sqlite"):
        from netra_core.events.fanout_postgres import PostgresFanOut

        return PostgresFanOut(urls.platform)
    from netra_core.events.fanout import InProcessFanOut

    return InProcessFanOut()


@asynccontextmanager
async def _auth_client(
    settings: Settings, auth: "Starlette | None"
) -> AsyncGenerator[httpx.AsyncClient]:
    if auth is not None:
        transport = httpx.ASGITransport(app=auth, client=LOOPBACK)
        client = httpx.AsyncClient(transport=transport, base_url=settings.http.public_url)
    elif settings.auth.url is not None:
        # A connection that rests is let go before the service does so (after 5 s).
        limits = httpx.Limits(keepalive_expiry=2.0)
        client = httpx.AsyncClient(
            base_url=settings.auth.url, timeout=AUTH_TIMEOUT_S, limits=limits
        )
    else:
        raise AuthAddressMissingError(
            "This backend runs without auth in its process and knows no address of it.",
            hint="Set APEX_AUTH_URL.",
        )
    async with client:
        yield client


def _usage_kept(settings: Settings) -> Callable[[], bool]:
    def usage_kept() -> bool:
        # The embedded store makes its folder when it is first opened, which importing does.
        return settings.usage.clickhouse_url is not None or _usage_folder(settings).exists()

    return usage_kept


def _usage_folder(settings: Settings) -> Path:
    return settings.paths.home / "usage"


def _usage_opener(settings: Settings) -> "Callable[[], UsageStore]":
    def open_usage() -> "UsageStore":
        import pyarrow as pa

        from netra_optimizer import UsageStore

        # Arrow's own pool keeps, for each thread, what was freed in it; the system's gives it back.
        pa.set_memory_pool(pa.system_memory_pool())

        url = settings.usage.clickhouse_url
        return UsageStore.open(_usage_folder(settings) if url is None else url.get_secret_value())

    return open_usage
