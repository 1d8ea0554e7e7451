"""What commands that speak to a running Apex share: sign in, upload."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from netra_apex.session_file import StoredSession, load_session, save_session
from netra_apex.terminal import Terminal
from netra_client import ApexClient, ApiError, SignedOutError
from netra_core.environment import get_env

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DEFAULT_URL = "http://localhost:8000"
DEFAULT_HOME = "~/.local/share/netra-apex"


async def sign_in(client: ApexClient, email: str | None) -> None:
    """Sign in with APEX_TOKEN, with what an earlier sign-in left, or with email and password.

    Raises:
        SignedOutError: there is nothing to sign in with, or it was refused.
    """
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


def has_credentials(url: str) -> bool:
    """Whether there is something to sign in with, without asking anyone."""
    env = get_env()
    named = env.get("APEX_TOKEN") or env.get("APEX_EMAIL")
    return bool(named) or load_session(_home(), url) is not None


async def upload(
    console: Console, client: ApexClient, file: Path, **options: str | list[str] | None
) -> None:
    """Upload a file, await its import, print its audit.

    Raises:
        ApiError: the import did not complete.
    """
    given = {name: value for name, value in options.items() if value is not None}
    with _bar(file.name) as step:
        started = await client.import_file(file, **given)
        state = await client.wait_for_import(
            started["import_id"], on_state=lambda now: step(now["bytes_read"], now["bytes_total"])
        )
    if state["status"] != "completed":
        error = state.get("error") or {"code": "", "message": f"The import was {state['status']}."}
        raise ApiError(error["message"], status=400, code=error["code"])
    audit = state.get("audit") or {}
    kept, read = audit.get("rows_kept", 0), audit.get("rows_read", 0)
    console.print(f"{file.name}: {kept:,} of {read:,} rows", highlight=False, markup=False)
    for reason, count in audit.get("dropped", {}).items():
        console.print(f"  left out {count:,}: {reason}", highlight=False, markup=False)


@contextmanager
def _bar(name: str) -> "Generator[Callable[[int, int], None]]":
    """How far the file is read, on standard error while someone looks."""
    err = Terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"Reading {escape(name)}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _home() -> Path:
    return Path(get_env().get("APEX_HOME") or DEFAULT_HOME).expanduser()


def _prompt(what: str, *, hidden: bool = False) -> str:
    if not sys.stdin.isatty():
        raise SignedOutError("Not signed in: set APEX_TOKEN, or APEX_EMAIL and APEX_PASSWORD.")
    return typer.prompt(what, hide_input=hidden, err=True)
