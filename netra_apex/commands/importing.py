"""`apex import FILE…`: load files of LLM calls, through a running Apex or alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console

from netra_apex.price_options import pairs
from netra_apex.printable import printable
from netra_apex.signed_in import DEFAULT_URL, has_credentials, sign_in, upload
from netra_apex.terminal import Terminal
from netra_client import ApexClient, ApiError, ClientError, UnreachableError

Options: TypeAlias = dict[str, str | list[str] | None]

NOT_USAGE = frozenset({"OPT-102", "OPT-103", "OPT-104", "OPT-105"})
"""Codes by which a file of a folder is left out, as an analysis of that folder leaves it out."""


def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="Files of LLM calls, or folders of them.", exists=True)
    ],
    url: Annotated[str | None, typer.Option(help=f"Address of the server ({DEFAULT_URL}).")] = None,
    model: Annotated[str | None, typer.Option(help="Model, where the file names none.")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", "-f", help="The files' format, when detection errs.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Time of a trace's zero (ISO 8601).")] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="Zone of times without one.")] = "UTC",
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Name a column (repeat as needed)."),
    ] = None,
    email: Annotated[str | None, typer.Option(help="Sign in as this person.")] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Ask no server: work on the data of this machine.")
    ] = False,
    home: Annotated[
        Path | None, typer.Option(help="Folder of that data [~/.local/share/netra-apex].")
    ] = None,
) -> None:
    """Load files into your workspace; what was loaded before is recognized, not counted twice.

    Without --url the server of this machine is asked; where none runs, the work is done alone, on
    the data a later `apex serve` shows. Signs in with APEX_TOKEN, or with what an earlier sign-in
    left, or asks for email and password (APEX_EMAIL and APEX_PASSWORD answer for you); alone and
    without any of them the workspace is that of a local account.
    """
    if alone and url is not None:
        raise typer.BadParameter("goes with no --url", param_hint="--alone")
    named = pairs(columns or [], "--map", "FIELD=COLUMN")
    options: Options = {
        "model": model,
        "format": format_,
        "start": start,
        "timezone": timezone,
        "map": [f"{field}={column}" for field, column in named.items()],
    }
    try:
        asyncio.run(_import(_expanded(files), url, email, alone, home, options))
    except ClientError as error:
        typer.echo(printable(f"apex: {error}"), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("apex: left; imports that have begun are finished by the server", err=True)
        raise typer.Exit(130) from None


def _expanded(given: list[Path]) -> dict[Path, bool]:
    """The files to load; true for those that stand for a folder and may be no usage."""
    found: dict[Path, bool] = {}
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and p.name[:1] != ".")
            found |= {file: True for file in inside if file not in found}
        else:
            found[path] = False
    if not found:
        raise typer.BadParameter("there is no file to read", param_hint="FILES")
    return found


async def _import(
    files: dict[Path, bool],
    url: str | None,
    email: str | None,
    alone: bool,
    home: Path | None,
    options: Options,
) -> None:
    refused: list[ApiError] = []
    console = Terminal(highlight=False)
    async with _signed_in(console, url, email, alone, home) as client:
        for file, of_a_folder in files.items():
            try:
                await upload(console, client, file, **options)
            except ApiError as error:
                if not of_a_folder or error.code not in NOT_USAGE:
                    raise
                refused.append(error)
                console.print(f"{file.name}: left out, {error}", markup=False)
        if len(refused) == len(files):
            raise refused[0]
        _show_total(console, await client.get("/api/usage/summary"))


@asynccontextmanager
async def _signed_in(
    console: Console, url: str | None, email: str | None, alone: bool, home: Path | None
) -> AsyncGenerator[ApexClient]:
    address = (url or DEFAULT_URL).rstrip("/")
    if not alone and (url is not None or await _answers(address)):
        async with ApexClient(address) as client:
            await sign_in(client, email)
            yield client
        return
    from netra_apex.alone import LOCAL_EMAIL, sign_in_local
    from netra_apex.alone import alone as platform

    async with (
        platform(home, say=typer.echo) as found,
        ApexClient(DEFAULT_URL, transport=found.transport) as client,
    ):
        if email is not None or has_credentials(DEFAULT_URL):
            await sign_in(client, email)
        else:
            secret = await sign_in_local(client, found.home)
            console.print(f"Workspace of {LOCAL_EMAIL} (password in {secret})", markup=False)
        yield client


async def _answers(url: str) -> bool:
    async with ApexClient(url) as client:
        try:
            await client.live_health()
        except UnreachableError:
            return False
        except ClientError:
            return True  # somebody is there; what it is shows when it is asked
    return True


def _show_total(console: Console, summary: dict[str, Any]) -> None:
    console.print(
        f"In the workspace: {summary['requests']:,} calls, ${summary['cost_usd']:,.2f}",
        markup=False,
    )
