"""The platform for the length of one command, where no server runs: in this process, on no port."""

import fcntl
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from netra_apex.commands.serve import overrides
from netra_client import ApexClient, ApiError, SignedOutError

LOCAL_EMAIL = "local@example.com"
"""Whose workspace it is when nobody is named."""


@dataclass(frozen=True, kw_only=True)
class Alone:
    """The platform's address, which only `transport` reaches, and the folder of its data."""

    transport: httpx.AsyncBaseTransport
    home: Path


@asynccontextmanager
async def alone(home: Path | None, *, say: Callable[[str], None]) -> AsyncGenerator[Alone]:
    """The composed platform, started; work that an earlier process left is taken up.

    What it stores, a later `apex serve` of the same home shows.

    Raises:
        StoreBusy: another process works on this home.
        ApexError: a service could not start, as the service said.
    """
    from netra_apex.composition import composed, open_settings
    from netra_core.environment import get_env

    manager = open_settings(get_env(), overrides=overrides(host=None, port=None, home=home))
    settings = manager.settings
    if settings.usage.clickhouse_url is None:  # refused before anything else of it is opened
        _refuse_if_owned(settings.paths.home / "usage")
    async with composed(manager, say=say) as app, app.running():
        yield Alone(transport=httpx.ASGITransport(app=app), home=settings.paths.home)


def _refuse_if_owned(folder: Path) -> None:
    """The engine's own lock, tried before it is started: it says so in many lines."""
    from netra_optimizer.usage.errors import StoreBusy

    try:
        with (folder / "status").open("rb") as status:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return
    except BlockingIOError:
        raise StoreBusy(
            f"Another process works on {folder.parent}.",
            hint="Import through it: give its address with --url. Or stop it first.",
        ) from None


async def sign_in_local(client: ApexClient, home: Path) -> str:
    """Sign in as the person of this machine, made when missing; answers the password's file."""
    path = home / "keys" / "local_password"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(f"local-{secrets.token_urlsafe(12)}", encoding="utf-8")
    password = path.read_text(encoding="utf-8").strip()
    try:
        await client.login(LOCAL_EMAIL, password)
    except (SignedOutError, ApiError):
        await client.register(LOCAL_EMAIL, password, name="Local")
    return str(path)
