"""`apex import FILE…`: load files of LLM calls into a running Apex."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netra_apex.signed_in import DEFAULT_URL, sign_in, upload
from netra_client import ApexClient, ClientError


def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="Files of LLM calls.", exists=True, dir_okay=False)
    ],
    url: Annotated[str, typer.Option(help="Address of the server.")] = DEFAULT_URL,
    model: Annotated[str | None, typer.Option(help="Model, where the file names none.")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", "-f", help="The files' format, when detection errs.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Time of a trace's zero (ISO 8601).")] = None,
    email: Annotated[str | None, typer.Option(help="Sign in as this person.")] = None,
) -> None:
    """Load files into your workspace; what was loaded before is recognized, not counted twice.

    Signs in with APEX_TOKEN, or with what an earlier sign-in left, or asks for email and password
    (APEX_EMAIL and APEX_PASSWORD answer for you).
    """
    try:
        asyncio.run(_import(files, url, email, model=model, format=format_, start=start))
    except ClientError as error:
        typer.echo(f"apex: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("apex: left; imports that have begun go on in the server", err=True)
        raise typer.Exit(130) from None


async def _import(files: list[Path], url: str, email: str | None, **options: str | None) -> None:
    console = Console()
    async with ApexClient(url.rstrip("/")) as client:
        await sign_in(client, email)
        for file in files:
            await upload(console, client, file, **options)
