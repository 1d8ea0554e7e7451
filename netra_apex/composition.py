"""Builds the services from the settings: the only place that knows all of them."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from netra_apex.auth_part import auth_part
from netra_apex.backend_part import backend_part
from netra_apex.database_urls import database_urls
from netra_apex.gateway import AUTH_PREFIXES, BACKEND_PREFIXES, Gateway
from netra_apex.live_settings import followed
from netra_apex.web_files import create_web_app
from netra_core.configuration import Settings, UnifiedConfigurationManager, open_configuration
from netra_core.environment import IsolatedEnvironment
from netra_core.telemetry import configure_logging
from netra_optimizer.usage.returning import share_arenas

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from netra_core.configuration.keys import Value


ARENAS = 2
"""Pools of glibc's allocator that all threads share; each one keeps what its threads once held."""


class Part(StrEnum):
    """What one process can serve alone."""

    AUTH = "auth"
    BACKEND = "backend"
    WEB = "web"


def open_settings(
    env: IsolatedEnvironment, *, overrides: "Mapping[str, Value] | None" = None
) -> UnifiedConfigurationManager:
    """The configuration of this process, its logs set up by it.

    The home folder is made; in development the secrets of this machine are made too.

    Raises:
        ConfigurationError: a value cannot be used, or a critical finding stands in staging or
            production; says all of them.
    """
    manager = open_configuration(env, overrides=overrides)
    manager.require_sound()
    settings = manager.settings
    settings.paths.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    configure_logging(settings.telemetry, redactor=manager.redactor)
    return manager


@asynccontextmanager
async def composed(
    manager: UnifiedConfigurationManager,
    *,
    only: Part | None = None,
    say: Callable[[str], None],
) -> AsyncGenerator[Gateway]:
    """The application with all parts, or with one; what they share is closed afterwards.

    `say` is told what the operator must read, such as the one-time setup link; it is no log.
    """
    share_arenas(ARENAS)
    async with AsyncExitStack() as stack:
        settings = manager.settings
        stack.enter_context(
            followed(
                manager,
                ("telemetry.log_level",),
                lambda now: configure_logging(now.telemetry, redactor=manager.redactor),
            )
        )
        urls = database_urls(settings)
        services: list[tuple[tuple[str, ...], Starlette]] = []
        auth: Starlette | None = None
        if only in (None, Part.AUTH):
            auth = await stack.enter_async_context(auth_part(manager, urls, say=say))
            services.append((AUTH_PREFIXES, auth))
        if only in (None, Part.BACKEND):
            backend = await stack.enter_async_context(backend_part(manager, urls, auth=auth))
            services.append((BACKEND_PREFIXES, backend))
        if only is Part.WEB:
            services += _passed_on(settings)
        web = create_web_app() if only in (None, Part.WEB) else None
        yield Gateway(services=services, otherwise=web)


def _passed_on(settings: Settings) -> "list[tuple[tuple[str, ...], Starlette]]":
    """Services in other processes, for a web process that has their addresses."""
    from netra_apex.proxy import create_proxy

    named = (
        (AUTH_PREFIXES, (settings.auth.url,) if settings.auth.url else ()),
        (BACKEND_PREFIXES, settings.http.backend_urls),
    )
    return [(prefixes, create_proxy(prefixes, urls)) for prefixes, urls in named if urls]
