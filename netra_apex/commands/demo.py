"""`apex demo`: Apex with a workspace to look around in."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from netra_apex.commands.serve import overrides
from netra_core.configuration.keys import Value


def demo(
    port: Annotated[int | None, typer.Option(help="Port to listen on [8000].")] = None,
    home: Annotated[
        Path | None, typer.Option(help="Folder of all data [~/.local/share/netra-apex].")
    ] = None,
) -> None:
    """Start Apex with a demo workspace: generated calls, a savings report, an address to open."""
    asyncio.run(_demo(overrides(host=None, port=port, home=home)))


async def _demo(given: dict[str, Value]) -> None:
    from netra_apex.composition import composed, open_settings
    from netra_apex.server import address, run_server
    from netra_core.environment import get_env

    manager = open_settings(get_env(), overrides=given)
    settings = manager.settings
    tasks: set[asyncio.Task[None]] = set()

    async def ready(port: int) -> None:
        # The server answers only after this returns, so what asks it goes on beside it.
        url = address(settings, port)
        tasks.add(asyncio.create_task(_show(url, settings.paths.home), name="demo"))

    async with composed(manager, say=typer.echo) as app:
        try:
            await run_server(app, settings=settings, on_ready=ready)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _show(url: str, home: Path) -> None:
    from rich.markup import escape

    from netra_apex.demo import prepare_demo
    from netra_apex.errors import describe
    from netra_apex.terminal import Terminal
    from netra_client import ClientError
    from netra_optimizer.report import ReportSource, render_terminal

    console = Terminal(highlight=False)
    try:
        with console.status("Preparing the demo workspace …") as status:
            found = await prepare_demo(url, home, say=status.update)
    except ClientError as error:
        console.print(f"The demo workspace could not be prepared: {escape(describe(error))}")
        console.print(f"Apex itself is ready on {url} (Ctrl+C stops it)")
        return
    source = ReportSource(files=("demo workspace",), format="generated")
    render_terminal(found.analysis, console, source=source, brief=True)
    console.print(f"  Apex is ready on [bold cyan]{url}[/] (Ctrl+C stops it)")
    console.print(f"  Sign in as [bold]{found.email}[/] with [bold]{escape(found.password)}[/],")
    console.print("  or register and upload a file of your own.\n")
