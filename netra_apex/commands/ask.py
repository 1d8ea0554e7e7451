"""`apex ask`: put a question to a running Apex, watch the agents, read the report."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netra_apex.answer_view import show_report, show_step
from netra_apex.session_file import StoredSession, load_session, save_session
from netra_client import (
    ApexClient,
    ApiError,
    ClientError,
    LiveConnection,
    LiveEvent,
    Resynced,
    RunView,
    SignedOutError,
)
from netra_core.environment import get_env

DEFAULT_URL = "http://localhost:8000"
DEFAULT_HOME = "~/.local/share/netra-apex"


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
    console = Console()
    try:
        asyncio.run(_ask(console, question, follow, url.rstrip("/"), file, model, email))
    except ClientError as error:
        typer.echo(f"apex: {error}", err=True)
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
        await _sign_in(client, email)
        if file is not None:
            await _upload(console, client, file, model)
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
        async for update in updates:
            if isinstance(update, Resynced):
                async for event in client.run_events(run.run_id, after_run_seq=run.run_seq):
                    _take(console, run, event, follow=follow)
            elif isinstance(update, LiveEvent) and update.run_id == run.run_id:
                _take(console, run, update, follow=follow)
            if run.ended:
                break
    return run


def _take(console: Console, run: RunView, event: LiveEvent, *, follow: bool) -> None:
    if run.take(event) and follow:
        show_step(console, event)


async def _sign_in(client: ApexClient, email: str | None) -> None:
    env = get_env()
    token = env.get("APEX_TOKEN")
    if token:
        client.access_token = token
        return
    home = _home()
    stored = load_session(home, client.url)
    if stored is not None and email is None:
        client.refresh_token = stored.refresh_token
        try:
            await client.refresh()
        except SignedOutError:
            client.refresh_token = None
    if client.access_token is None:
        person = email or env.get("APEX_EMAIL") or _prompt("Email")
        await client.login(person, env.get("APEX_PASSWORD") or _prompt("Password", hidden=True))
    if client.refresh_token is not None:
        save_session(home, StoredSession(client.url, client.refresh_token))


def _home() -> Path:
    return Path(get_env().get("APEX_HOME") or DEFAULT_HOME).expanduser()


def _prompt(what: str, *, hidden: bool = False) -> str:
    if not sys.stdin.isatty():
        raise SignedOutError("Not signed in: set APEX_TOKEN, or APEX_EMAIL and APEX_PASSWORD.")
    return typer.prompt(what, hide_input=hidden, err=True)


async def _upload(console: Console, client: ApexClient, file: Path, model: str | None) -> None:
    options = {"model": model} if model else {}
    started = await client.import_file(file, **options)
    with console.status(f"Reading {file.name}"):
        state = await client.wait_for_import(started["import_id"])
    if state["status"] != "completed":
        raise ApiError(str(state.get("error") or f"The import was {state['status']}."), status=400)
    audit = state.get("audit") or {}
    kept, read = audit.get("rows_kept", 0), audit.get("rows_read", 0)
    console.print(f"{file.name}: {kept:,} of {read:,} rows", highlight=False)
