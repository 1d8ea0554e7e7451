"""`apex config`: settings shown, explained, checked, changed and put back."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from netra_apex.terminal import Terminal
from netra_core.configuration import (
    ChangeResult,
    ConfigurationManagerFactory,
    Explanation,
    Finding,
    HistoryRow,
    Service,
    Severity,
    ShownChange,
    UnifiedConfigurationManager,
    open_configuration,
)
from netra_core.configuration.check import check_configuration
from netra_core.configuration.documentation import markdown, template
from netra_core.environment import Environment, get_env

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

config_app = typer.Typer(no_args_is_help=True, help="Show, explain, check and change settings.")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ServiceOption = Annotated[str | None, typer.Option("--service", help="One service's settings.")]
UserOption = Annotated[str | None, typer.Option("--user", help="As this user has them.")]
WorkspaceOption = Annotated[str | None, typer.Option("--workspace", help="As this workspace.")]
EnvironmentOption = Annotated[
    str | None, typer.Option("--environment", "-e", help="As if ENVIRONMENT were this.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; stands in the history.")]

ACTOR = "command line"
STDIN = "-"
COLOURS = {Severity.CRITICAL: "red", Severity.REQUIRED: "yellow", Severity.OPTIONAL: "dim"}


def _open(*, read_only: bool = True) -> UnifiedConfigurationManager:
    return open_configuration(get_env(), service="cli", strict=False, read_only=read_only)


def _scoped(
    manager: UnifiedConfigurationManager,
    *,
    service: str | None = None,
    user: str | None = None,
    workspace: str | None = None,
) -> UnifiedConfigurationManager:
    if service is not None and service not in list(Service):
        raise typer.BadParameter(f"{service!r} is no service: {', '.join(Service)}")
    return ConfigurationManagerFactory(manager).get_manager(user, service, workspace_id=workspace)


@config_app.command()
def show(
    service: ServiceOption = None,
    user: UserOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Print every setting, its value and where it is from; secrets are masked."""
    manager = _scoped(_open(), service=service, user=user, workspace=workspace)
    values = manager.show(service=service)
    if as_json:
        _print_json(values)
        return
    table = _table("key", "value", "source")
    for key, value in values.items():
        table.add_row(key, _shown(value), manager.entry(key).described)
    Terminal().print(table)


@config_app.command()
def explain(
    key: str,
    service: ServiceOption = None,
    user: UserOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say all about one setting: value, source, since when, by whom, what it covers."""
    manager = _scoped(_open(), service=service, user=user, workspace=workspace)
    explanation = manager.explain(key)
    if as_json:
        _print_json(_plain(explanation))
        return
    table = _table("", "", header=False)
    for name, value in _explained(explanation):
        table.add_row(name, value)
    Terminal().print(table)


def _explained(e: Explanation) -> Iterable[tuple[str, str]]:
    yield "key", e.key
    yield "", e.description
    yield "value", _shown(e.value)
    yield "source", f"{e.source}{f' ({e.origin})' if e.origin else ''}, {e.scope}"
    yield "since", f"{_time(e.since)}{f' by {e.actor}' if e.actor else ''}" if e.since else ""
    yield "before", _shown(e.previous)
    if e.revision is not None:
        yield "revision", str(e.revision)
    for other in e.covered:
        yield "covers", f"{_shown(other.value)} from {other.source} ({other.origin}), {other.scope}"
    yield "variable", e.variable
    yield "read by", ", ".join(e.services)
    yield "counts", "from the next start" if e.reload != "live" else "at once"
    if e.pending_restart:
        yield "", "changed since the start; restart to make it count"


@config_app.command()
def check(environment: EnvironmentOption = None, as_json: JsonFlag = False) -> None:
    """Say everything that is wrong, worst first, and what to do; exit 1 when something is."""
    findings = check_configuration(
        get_env(), environment=Environment.parse(environment) if environment else None
    )
    wrong = [f for f in findings if f.severity is not Severity.OPTIONAL]
    if as_json:
        _print_json([_plain(f) for f in findings])
    else:
        _print_findings(findings)
    if wrong:
        raise typer.Exit(1)


def _print_findings(findings: Iterable[Finding]) -> None:
    console, number = Terminal(soft_wrap=True, highlight=False), 0
    for number, finding in enumerate(findings, 1):  # noqa: B007
        colour = COLOURS[finding.severity]
        console.print(f"[{colour}]{finding.severity:9}[/] {escape(str(finding))}")
        who = f" ({', '.join(finding.services)})" if finding.services else ""
        console.print(f"          {escape(finding.remedy + who)}")
    if number == 0:
        console.print("[green]ok[/]        nothing is wrong")


@config_app.command()
def diff(
    a: int, b: Annotated[int | None, typer.Argument()] = None, as_json: JsonFlag = False
) -> None:
    """Print what the database held differently after revision B (the last) than after A."""
    changes = _open().diff(a, b)
    if as_json:
        _print_json([_plain(c) for c in changes])
        return
    table = _table("key", "scope", "before", "after")
    for change in changes:
        table.add_row(change.key, _owner(change), _shown(change.previous), _shown(change.current))
    Terminal().print(table)


@config_app.command()
def history(
    key: Annotated[str | None, typer.Argument()] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1)] = 50,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nothing was altered.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print the revisions, the latest first; secrets are masked."""
    manager = _open()
    if verify:
        _verify(manager, as_json=as_json)
        return
    rows = manager.history(key, limit)
    if as_json:
        _print_json([_plain(row) for row in rows])
        return
    table = _table("revision", "when", "who", "what", "change", "reason")
    for row in rows:
        table.add_row(
            str(row.number),
            _time(row.at),
            f"{row.actor} ({row.service})" if row.service else row.actor,
            str(row.action),
            _changes(row),
            row.reason,
        )
    Terminal().print(table)


def _verify(manager: UnifiedConfigurationManager, *, as_json: bool) -> None:
    found = manager.verify_history()
    if as_json:
        _print_json([{"revision": t.revision, "reason": t.reason} for t in found])
    else:
        console = Terminal(soft_wrap=True, highlight=False)
        for place in found:
            console.print(f"[red]altered[/]   {escape(str(place))}")
        if not found:
            console.print(f"[green]ok[/]        {manager.revision} revisions are what was written")
    if found:
        raise typer.Exit(1)


@config_app.command(name="set")
def set_value(
    key: str,
    value: Annotated[str, typer.Argument(help="The value; - reads it from standard input.")],
    reason: ReasonOption = "",
    service: ServiceOption = None,
    user: UserOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Set one key in the database, live on every node that shares it; secrets by standard input."""
    if workspace is not None or user is not None:
        from netra_apex.known_ids import require_known

        require_known(workspace=workspace, user=user)
    manager = _scoped(_open(read_only=False), service=service, user=user, workspace=workspace)
    text = sys.stdin.read().rstrip("\n") if value == STDIN else value
    _report(manager.set(key, text, actor=ACTOR, reason=reason))


@config_app.command()
def delete(
    key: str,
    reason: ReasonOption = "",
    service: ServiceOption = None,
    user: UserOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Take away what the database holds for one key."""
    manager = _scoped(_open(read_only=False), service=service, user=user, workspace=workspace)
    _report(manager.delete(key, actor=ACTOR, reason=reason))


@config_app.command()
def rollback(revision: int, reason: ReasonOption = "") -> None:
    """Make the database what it was after REVISION, by a new revision."""
    _report(_open(read_only=False).rollback(revision, actor=ACTOR, reason=reason))


@config_app.command()
def backup(file: Path) -> None:
    """Write the stored settings and their secrets, encrypted, to FILE."""
    revision = _open().backup(file)
    Terminal(highlight=False).print(f"revision {revision} written to {escape(str(file))}")


@config_app.command()
def restore(file: Path, reason: ReasonOption = "") -> None:
    """Make the database what it was when FILE was written, by a new revision."""
    _report(_open(read_only=False).restore(file, actor=ACTOR, reason=reason))


@config_app.command()
def docs(
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file.")] = None,
) -> None:
    """Print the reference of every setting as Markdown."""
    _emit(markdown(), out)


@config_app.command()
def env(
    environment: EnvironmentOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file.")] = None,
) -> None:
    """Print a file of variables to fill in for an environment."""
    wanted = Environment.parse(environment) if environment else get_env().environment
    _emit(template(wanted), out)


def _emit(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")


def _report(result: ChangeResult) -> None:
    console = Terminal(highlight=False, soft_wrap=True)
    if not result.recorded:
        console.print("nothing to change")
        return
    console.print(f"revision {result.revision}")
    for key, source in result.covered.items():
        console.print(f"[yellow]{key} is covered by {source} and keeps its value[/]")
    for key in sorted(result.restart):
        console.print(f"{key} counts from the next start")


def _table(*columns: str, header: bool = True) -> Table:
    table = Table(box=None, show_header=header, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _shown(value: Any) -> str:  # Any: a JSON value
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return escape(", ".join(map(str, value)) or "(none)")
    return escape(str(value))


def _changes(row: HistoryRow) -> str:
    shown = [f"{c.key}: {_shown(c.previous)} → {_shown(c.current)}" for c in row.changes]
    return "\n".join(shown)


def _owner(change: ShownChange) -> str:
    return f"{change.scope} {change.owner}".strip()


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def _plain(view: "DataclassInstance") -> dict[str, Any]:  # Any: a JSON object
    return asdict(view)
