"""`apex db`: bring the databases up to this release, and say where they stand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Protocol

import typer
from sqlalchemy import make_url

from netra_apex.database_urls import database_urls
from netra_apex.errors import describe
from netra_apex.printable import printable
from netra_apex.terminal import Terminal
from netra_core.configuration import load_settings
from netra_core.database import DatabaseOptions, mask_url
from netra_core.database.migrations import MigrationRunner, MigrationStatus
from netra_core.database.url_parts import parse_url
from netra_core.environment import get_env
from netra_core.errors import ApexError

MIGRATION_URL: Final = "MIGRATION_DATABASE_URL"
"""The migration role's URL; where it is not set, or points elsewhere, a service's own is used."""

db_app = typer.Typer(no_args_is_help=True)
_NAMES: Final = ("platform", "auth", "dbos")
Only = Annotated[
    str | None, typer.Option("--only", help="platform, auth or dbos; all when left out.")
]


class _Runner(Protocol):
    """What all three can do."""

    async def upgrade(self) -> MigrationStatus: ...

    async def current(self) -> MigrationStatus: ...

    async def check(self) -> MigrationStatus: ...


@db_app.command()
def upgrade(only: Only = None) -> None:
    """Run the migrations that are missing."""
    _each(only, lambda runner: runner.upgrade(), "is up to date at")


@db_app.command()
def current(only: Only = None) -> None:
    """Show at which migration each database is."""
    _each(only, lambda runner: runner.current(), "is at")


@db_app.command()
def check(only: Only = None) -> None:
    """Fail unless each database has the schema of this release."""
    _each(only, lambda runner: runner.check(), "fits, at")


def _each(only: str | None, do: Callable[[_Runner], Awaitable[MigrationStatus]], verb: str) -> None:
    if only not in (None, *_NAMES):
        raise typer.BadParameter(f"use {', '.join(_NAMES)}", param_hint="--only")
    failed = asyncio.run(_run(only, do, verb))
    if failed:
        raise typer.Exit(1)


async def _run(
    only: str | None, do: Callable[[_Runner], Awaitable[MigrationStatus]], verb: str
) -> bool:
    """True when one failed; each database is tried and reported."""
    console, failed = Terminal(soft_wrap=True, highlight=False), False
    for name, (where, runner) in _runners().items():
        if only not in (None, name):
            continue
        try:
            status = await do(runner)
        except ApexError as error:
            failed = True
            typer.echo(printable(f"{name}: {describe(error)}"), err=True)
            continue
        missing = f", {len(status.pending)} to run" if status.pending else ""
        console.print(f"{name}: {where} {verb} {status.current or 'no migration'}{missing}")
    return failed


def _runners() -> dict[str, tuple[str, _Runner]]:
    from netra_auth.database.tables import metadata as auth_metadata
    from netra_backend.migrations import platform_migrations

    env = get_env()
    # Not the stored configuration: where it is kept may be what is to be migrated.
    settings = load_settings(env)
    settings.paths.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    urls = database_urls(settings)
    migrator = env.get(MIGRATION_URL)
    auth, auth_role = _as_migrator(migrator, urls.auth)
    platform, platform_role = _as_migrator(migrator, urls.platform)
    runners: dict[str, tuple[str, _Runner]] = {
        "platform": (
            mask_url(urls.platform),
            platform_migrations(platform, app_role=platform_role),
        ),
        "auth": (
            mask_url(urls.auth),
            MigrationRunner(
                auth,
                package="netra_auth.migrations",
                metadata=auth_metadata,
                options=DatabaseOptions(schema="auth"),
                app_role=auth_role,
            ),
        ),
    }
    if make_url(urls.dbos).get_backend_name() == "postgresql":
        from netra_apex.dbos_schema import DbosMigrations  # slow to import

        dbos, dbos_role = _as_migrator(migrator, urls.dbos)
        runners["dbos"] = (mask_url(urls.dbos), DbosMigrations(dbos, app_role=dbos_role))
    return runners


def _as_migrator(migrator: str | None, service: str) -> tuple[str, str | None]:
    """Whose URL migrates a service's database, and whom to grant the tables then.

    The migration role's where it points to the same database; a database elsewhere is migrated by
    its service's own role.
    """
    if migrator is None:
        return service, None
    theirs, ours = parse_url(migrator, name=MIGRATION_URL), parse_url(service)
    place = [(parts.host, parts.port or 5432, parts.database) for parts in (theirs, ours)]
    if theirs.dialect != ours.dialect or place[0] != place[1]:
        return service, None
    return migrator, ours.user
