"""`apex ask`: put a question to a running Apex, watch the agents, read the report."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netra_apex.answer_view import RunFollower, show_report
from netra_apex.printable import printable
from netra_apex.signed_in import DEFAULT_URL, sign_in, upload
from netra_apex.terminal import Terminal
from netra_client import (
    ApexClient,
    ApiError,
    ClientError,
    LiveConnection,
    LiveEvent,
    Resynced,
    RunView,
    TextDelta,
)


def ask(
    question: Annotated[str, typer.Argument(help="The question, in plain words.")],
    follow: Annotated[bool, typer.Option("--follow", help="Show each step of the agents.")] = False,
    url: Annotated[str, typer.Option(help="Address of the server.")] = DEFAULT_URL,
    file: Annotated[
        Path | None, typer.Option(help="Upload this file of LLM calls first.", exists=True)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model, where the file names none.")] = None,
    email: Annotated[str | None, typer.Option(help="Sign in as this person.")] = None,
) -> None:
    """Ask a running Apex a question; the answer is its report.

    Signs in with APEX_TOKEN, or with what an earlier sign-in left, or asks for email and password
    (APEX_EMAIL and APEX_PASSWORD answer for you).
    """
    if not question.strip():
        raise typer.BadParameter("there is no question in it", param_hint="question")
    console = Terminal()
    try:
        asyncio.run(_ask(console, question, follow, url.rstrip("/"), file, model, email))
    except ClientError as error:
        typer.echo(printable(f"apex: {error}"), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("apex: left; the run goes on and its report stays in the chat", err=True)
        raise typer.Exit(130) from None


async def _ask(
    console: Console,
    question: str,
    follow: bool,
    url: str,
    file: Path | None,
    model: str | None,
    email: str | None,
) -> None:
    async with ApexClient(url) as client:
        await sign_in(client, email)
        if file is not None:
            await upload(console, client, file, model=model)
        async with client.live() as live:
            run = await _run(console, client, live, question, follow=follow)
    if run.status != "completed":
        raise ApiError(run.error or f"The run was {run.status}.", status=500)
    show_report(console, run)


async def _run(
    console: Console, client: ApexClient, live: LiveConnection, question: str, *, follow: bool
) -> RunView:
    async with aclosing(live.updates()) as updates:
        await anext(updates)  # connected: what follows belongs to this question or later ones
        accepted = await live.ask(question)
        run = RunView(accepted.run_id)
        with RunFollower(console if follow else None, run) as follower:
            async for update in updates:
                if isinstance(update, Resynced):
                    async for more in client.follow_run(run.run_id, after_run_seq=run.run_seq):
                        follower.take(more)
                elif isinstance(update, LiveEvent | TextDelta) and update.run_id == run.run_id:
                    follower.take(update)
                if run.ended:
                    break
    return run
