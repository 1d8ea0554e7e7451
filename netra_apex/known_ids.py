"""Whether a workspace or a person that a command names exists."""

import asyncio
from pathlib import Path

import typer
from sqlalchemy import make_url

from netra_apex.commands.users import operators_of_this_installation
from netra_apex.database_urls import database_urls
from netra_core.configuration import open_configuration
from netra_core.environment import get_env


def require_known(*, workspace: str | None = None, user: str | None = None) -> None:
    """Look the ids up among this installation's accounts.

    Where this machine has no accounts (they may be another's, or none is made yet) that is said on
    standard error. Raises typer.BadParameter for an id that nobody has.
    """
    if workspace is None and user is None:
        return
    if not _has_accounts():
        typer.echo("apex: there are no accounts here to look the id up among", err=True)
        return
    asyncio.run(_require(workspace, user))


async def _require(workspace: str | None, user: str | None) -> None:
    async with operators_of_this_installation() as operators:
        if workspace is not None and not await operators.has_workspace(workspace):
            raise typer.BadParameter(
                f"there is no workspace {workspace!r}", param_hint="--workspace"
            )
        if user is not None and not await operators.has_person(user):
            raise typer.BadParameter(f"there is no person {user!r}", param_hint="--user")


def _has_accounts() -> bool:
    manager = open_configuration(get_env(), service="cli", strict=False, read_only=True)
    url = make_url(database_urls(manager.settings).auth)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()
