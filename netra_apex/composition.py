"""Builds the services from the settings: the only place that knows all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import httpx

from netra_apex.database_urls import database_urls
from netra_apex.gateway import AUTH_PREFIXES, BACKEND_PREFIXES, Gateway
from netra_apex.web_files import create_web_app
from netra_core.configuration import Settings, ensure_secrets, load_settings
from netra_core.environment import IsolatedEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette

    from netra_core.configuration.keys import Value


class Part(StrEnum):
    """What one process can serve alone."""

    AUTH = "auth"
    BACKEND = "backend"
    WEB = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """Who is told what a person must read: a one-time link, an address. Never a log."""

    say: Callable[[str], None]


def settings_for(
    env: IsolatedEnvironment, *, overrides: "Mapping[str, Value] | None" = None
) -> Settings:
    """The settings of this process; its home folder and, in development, its secrets are made."""
    first = load_settings(env, overrides=overrides, generated=None)
    home = first.paths.home
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return load_settings(env, overrides=overrides, generated=ensure_secrets(home))


def compose(settings: Settings, *, only: Part | None, say: Callable[[str], None]) -> Gateway:
    """The application with all parts in one process, or with one of them.

    Importing a part is what costs: a process that serves one imports no other.
    """
    services: list[tuple[tuple[str, ...], Starlette]] = []
    auth: Starlette | None = None
    if only in (None, Part.AUTH):
        auth = _auth(settings, say)
        services.append((AUTH_PREFIXES, auth))
    if only in (None, Part.BACKEND):
        services.append((BACKEND_PREFIXES, _backend(settings, auth)))
    web = create_web_app() if only in (None, Part.WEB) else None
    return Gateway(services=services, otherwise=web)
