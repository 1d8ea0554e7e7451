"""The `apex` command: each subcommand is a file of its own, imported when it is asked for."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.main import get_command

from netra_apex.errors import exit_with, needs_server
from netra_apex.plain_output import speak_any_encoding

HELP = "FinOps for AI: savings in dollars, computed by replaying your own LLM traffic."


@dataclass(frozen=True)
class Command:
    """Where a subcommand lives: `attribute` is a function, or a Typer app with its own commands."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "analyze": Command("analyze", "analyze", "Find savings in files of LLM calls."),
    "demo": Command("demo", "demo", "Start Apex with a generated demo workspace."),
    "serve": Command("serve", "serve", "Start Apex: auth, platform and web app."),
    "import": Command("importing", "import_files", "Load files, through a running Apex or alone."),
    "usage": Command("usage", "usage_app", "Total, split, export and erase usage."),
    "ask": Command("ask", "ask", "Ask a running Apex a question."),
    "generate": Command("generate", "generate", "Write a workload with known savings."),
    "config": Command("config", "config_app", "Show, explain, check and change settings."),
    "db": Command("db", "db_app", "Upgrade and check the databases."),
    "users": Command("users", "users_app", "Create, disable and reset people."),
    "doctor": Command("doctor", "doctor", "Check this machine and this installation."),
}


def build_app(only: str | None = None) -> typer.Typer:
    """The application with one subcommand, or with all of them when `only` is not one."""
    app = typer.Typer(
        name="apex", help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode="rich"
    )
    app.callback()(_options)
    names = [only] if only in COMMANDS else list(COMMANDS)
    for name in names:
        command = COMMANDS[name]
        found = _load(command)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, help=command.summary)
        else:
            app.command(name, short_help=command.summary, help=_flowing(found))(found)
    return app


def _flowing(command: Callable[..., Any]) -> str:
    """What a command says of itself, each paragraph one line, to be wrapped where it is shown."""
    return "\n\n".join(" ".join(part.split()) for part in (command.__doc__ or "").split("\n\n"))


def main(arguments: list[str] | None = None) -> None:
    """Run the command; errors end as one line and exit code 1, wrong use as exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    speak_any_encoding()
    only = next((word for word in given if not word.startswith("-")), None)
    try:
        _without_types_of_flags(get_command(build_app(only)))(given, prog_name="apex")
    except Exception as error:  # the edge: nothing passes as a traceback
        exit_with(error)


def _without_types_of_flags(command: Any) -> Any:
    """The command, whose help names no type beside an option that takes no value.

    Any: a command or a group, of the classes that Typer keeps to itself.
    """
    for option in (*command.params, command.get_help_option(typer.Context(command))):
        if getattr(option, "is_flag", False):
            option.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        _without_types_of_flags(inner)
    return command


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"apex {version('netra-apex')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and leave.", callback=_say_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def _load(command: Command) -> Callable[..., Any] | typer.Typer:
    try:
        module = importlib.import_module(f"netra_apex.commands.{command.module}")
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("netra_"):
            raise
        return _needs_server(missing)
    return getattr(module, command.attribute)


def _needs_server(missing: str) -> Callable[[], None]:
    def refuse() -> None:
        """Needs the server part of Apex, which is not installed."""
        typer.echo(f"apex: {needs_server(missing)}", err=True)
        raise typer.Exit(1)

    return refuse
