"""`apex serve`: auth, platform and web app, in one process or one each."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from netra_apex.composition import Part
from netra_core.configuration.keys import Value


def serve(
    only: Annotated[
        Part | None, typer.Option(help="Serve one part in this process instead of all.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on [8000]; 0 takes a free one.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Folder of all data [~/.local/share/netra-apex].")
    ] = None,
) -> None:
    """Start Apex and serve until Ctrl+C."""
    asyncio.run(run(only=only, overrides=overrides(host=host, port=port, home=home)))


def overrides(*, host: str | None, port: int | None, home: Path | None) -> dict[str, Value]:
    """What the command line says, by setting."""
    given: dict[str, Value | None] = {
        "http.host": host,
        "http.port": port,
        "paths.home": home,
    }
    return {key: value for key, value in given.items() if value is not None}


async def run(*, only: Part | None, overrides: dict[str, Value]) -> None:
    """Compose, listen, tell the address, serve."""
    from netra_apex.composition import composed, open_settings
    from netra_apex.server import address, run_server
    from netra_core.environment import get_env

    manager = open_settings(get_env(), overrides=overrides)
    settings = manager.settings

    async def ready(port: int) -> None:
        typer.echo(f"Apex is ready on {address(settings, port)} (Ctrl+C stops it)")

    with manager.watch(sighup=True):
        async with composed(manager, only=only, say=typer.echo) as app:
            await run_server(app, settings=settings, on_ready=ready)
