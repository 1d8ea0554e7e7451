"""`apex db`: bring the databases up to this release, and say where they stand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import typer
from rich.console import Console
from sqlalchemy import make_url

from netra_apex.database_urls import database_urls
from netra_core.configuration import load_settings
from netra_core.database import DatabaseOptions, mask_url
from netra_core.database.migrations import MigrationRunner, MigrationStatus
from netra_core.environment import get_env
from netra_core.errors import ApexError

MIGRATION_URL: Final = "MIGRATION_DATABASE_URL"
"""The migration role's URL; the services' own URLs are used where it is not set."""

db_app = typer.Typer(no_args_is_help=True)
Only = Annotated[str | None, typer.Option("--only", help="platform or auth; both when left out.")]


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


def _each(
    only: str | None, do: Callable[[MigrationRunner], Awaitable[MigrationStatus]], verb: str
) -> None:
    if only not in (None, "platform", "auth"):
        raise typer.BadParameter("use platform or auth", param_hint="--only")
    failed = asyncio.run(_run(only, do, verb))
    if failed:
        raise typer.Exit(1)


async def _run(
    only: str | None, do: Callable[[MigrationRunner], Awaitable[MigrationStatus]], verb: str
) -> bool:
    """True when one failed; each database is tried and reported."""
    console, failed = Console(soft_wrap=True, highlight=False), False
    for name, (where, runner) in _runners().items():
        if only not in (None, name):
            continue
        try:
            status = await do(runner)
        except ApexError as error:
            failed = True
            Console(stderr=True, soft_wrap=True, highlight=False).print(f"{name}: {error}")
            continue
        missing = f", {len(status.pending)} to run" if status.pending else ""
        console.print(f"{name}: {where} {verb} {status.current or 'no migration'}{missing}")
    return failed


def _runners() -> dict[str, tuple[str, MigrationRunner]]:
    from netra_auth.database.tables import metadata as auth_metadata
    from netra_backend.migrations import platform_migrations

    env = get_env()
    # Not the stored configuration: where it is kept may be what is to be migrated.
    settings = load_settings(env)
    settings.paths.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    urls = database_urls(settings)
    migrator = env.get(MIGRATION_URL)

    def role(url: str) -> str | None:
        """Whom to grant the tables: the services' role, when another one migrates."""
        return make_url(url).username if migrator else None

    auth = MigrationRunner(
        migrator or urls.auth,
        package="netra_auth.migrations",
        metadata=auth_metadata,
        options=DatabaseOptions(schema="auth"),
        app_role=role(urls.auth),
    )
    platform = platform_migrations(migrator or urls.platform, app_role=role(urls.platform))
    return {
        "platform": (mask_url(urls.platform), platform),
        "auth": (mask_url(urls.auth), auth),
    }
