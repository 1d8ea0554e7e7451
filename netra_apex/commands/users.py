"""`apex users`: what operators do with people and keys, on the auth database itself.

A running Apex notices within a second: changes of rights reach it through the database.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from netra_apex.composition import open_settings
from netra_apex.database_urls import database_urls
from netra_apex.terminal import Terminal
from netra_core.environment import get_env

if TYPE_CHECKING:
    from netra_auth import Operators

users_app = typer.Typer(no_args_is_help=True)
service_app = typer.Typer(no_args_is_help=True)
users_app.add_typer(service_app, name="service", help="Credentials of other services.")

Email = Annotated[str, typer.Argument(help="E-mail address of the account.")]
Name = Annotated[str, typer.Argument(help="Name of the credential.")]


@users_app.command("list")
def list_users() -> None:
    """Show everyone who has an account."""

    async def show(operators: "Operators") -> None:
        table = Table("email", "name", "id", "state", "created")
        for found in await operators.people():
            created = datetime.fromtimestamp(found.created_at, UTC).strftime("%Y-%m-%d %H:%M")
            table.add_row(found.email, found.name, found.id, found.state, created)
        _console().print(table)

    _run(show)


@users_app.command()
def create(
    email: Email,
    name: Annotated[str | None, typer.Option("--name", help="Shown name.")] = None,
) -> None:
    """Make an account and print the link by which its owner chooses a password."""
    _run(lambda operators: _print(operators.create(email, name)))


@users_app.command()
def reset(email: Email) -> None:
    """End all sessions of a person and print a link to choose a new password."""
    _run(lambda operators: _print(operators.reset(email)))


@users_app.command()
def disable(email: Email) -> None:
    """Shut an account; its sessions, sockets and keys end within a second."""

    async def shut(operators: "Operators") -> None:
        await operators.set_disabled(email, disabled=True)
        _console().print(f"{email} is disabled.")

    _run(shut)


@users_app.command()
def enable(email: Email) -> None:
    """Open a disabled account again."""

    async def open_again(operators: "Operators") -> None:
        await operators.set_disabled(email, disabled=False)
        _console().print(f"{email} is enabled.")

    _run(open_again)


@users_app.command()
def erase(
    email: Email,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a person for good; the audit log keeps pseudonyms only."""
    if not yes:
        typer.confirm(f"Delete {email} with all that is theirs alone?", abort=True)

    async def delete(operators: "Operators") -> None:
        await operators.erase(email)
        _console().print(f"{email} is erased.")

    _run(delete)


@users_app.command("setup-link")
def setup_link() -> None:
    """Print a new one-time link for the first account of this installation."""
    _run(lambda operators: _print(operators.setup_link()))


@users_app.command()
def outbox(
    last: Annotated[int, typer.Option("--last", min=1, help="How many letters.")] = 5,
) -> None:
    """Show mail that was written to the outbox because no mail server is set."""

    async def show(operators: "Operators") -> None:
        letters = operators.outbox(last)
        for letter in letters:
            _console().print(f"To: {letter.to}\nSubject: {letter.subject}\n\n{letter.text}")
        if not letters:
            _console().print("The outbox is empty.")

    _run(show)


@users_app.command("rotate-keys")
def rotate_keys(
    leaked: Annotated[
        bool, typer.Option("--leaked", help="Drop the old keys now: all access tokens end.")
    ] = False,
) -> None:
    """Publish a new signing key; it takes over without refusing any valid token."""

    async def rotate(operators: "Operators") -> None:
        _console().print(f"New signing key {operators.rotate_keys(leaked=leaked)}.")

    _run(rotate)


@users_app.command()
def audit() -> None:
    """Check that the audit log is complete and unchanged."""

    async def check(operators: "Operators") -> None:
        entries = await operators.check_audit()
        _console().print(f"{entries} entries, complete and unchanged.")

    _run(check)


@service_app.command("create")
def create_service(name: Name) -> None:
    """Make a credential for a service that reads the change feed and looks keys up."""
    _run(lambda operators: _print(operators.create_service(name)))


@service_app.command("revoke")
def revoke_service(name: Name) -> None:
    """End a service's credential at once."""

    async def revoke(operators: "Operators") -> None:
        await operators.revoke_service(name)
        _console().print(f"The credential {name} is revoked.")

    _run(revoke)


async def _print(work: Awaitable[str]) -> None:
    """Print a secret or link on a line of its own, never wrapped."""
    _console().print(await work)


def _run(work: "Callable[[Operators], Awaitable[None]]") -> None:
    asyncio.run(_with_operators(work))


async def _with_operators(work: "Callable[[Operators], Awaitable[None]]") -> None:
    async with operators_of_this_installation() as operators:
        await work(operators)


@asynccontextmanager
async def operators_of_this_installation() -> "AsyncGenerator[Operators]":
    """Who works on the auth database that the settings name; it is brought up to date."""
    from netra_auth import AuthDatabaseManager, AuthDeps, Operators, folders_from, options_from

    settings = open_settings(get_env()).settings
    database = AuthDatabaseManager(database_urls(settings).auth, pool_size=1, pool_overflow=1)
    deps = AuthDeps(
        options=options_from(settings), database=database, folders=folders_from(settings)
    )
    try:
        await database.migrate()
        yield Operators(deps)
    finally:
        await database.dispose()


def _console() -> Console:
    return Terminal(soft_wrap=True, highlight=False, markup=False)
