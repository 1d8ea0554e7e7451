"""`apex usage …`: totals, breakdown and export of calls, of files or of a running Apex."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console

from netra_apex.commands.usage_removals import erase, removals
from netra_apex.given_files import distinct_files
from netra_apex.price_options import pairs, price_table
from netra_apex.printable import printable
from netra_apex.signed_in import DEFAULT_URL, sign_in
from netra_apex.terminal import Terminal
from netra_apex.usage_source import Files, Row, Workspace, chosen
from netra_apex.usage_view import show_breakdown, show_summary
from netra_client import ApexClient, ClientError

T = TypeVar("T")
FORMATS = ("csv", "parquet", "focus")

usage_app = typer.Typer(no_args_is_help=True, help="What was used and what it cost.")
usage_app.command("erase")(erase)
usage_app.command("removals")(removals)

FilesArg = Annotated[
    list[Path] | None,
    typer.Argument(help="Files of LLM calls; without any, the workspace of a running Apex."),
]
From = Annotated[str | None, typer.Option("--from", help="Calls from this time on (ISO 8601).")]
To = Annotated[str | None, typer.Option("--to", help="Calls before this time.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME=VALUE", help="Only these calls, e.g. feature=chat."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="What the calls of a file ran on.")
]
Format = Annotated[str | None, typer.Option("--format", "-f", help="The files' format.")]
Zone = Annotated[str, typer.Option("--timezone", help="Zone of a file's times without one.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="Name a column of a file (repeat)."),
]
Start = Annotated[str | None, typer.Option("--start", help="Time of a trace's zero (ISO 8601).")]
Aliases = Annotated[
    list[str] | None, typer.Option("--alias", metavar="NAME=MODEL", help="Price a name as a model.")
]
Prices = Annotated[Path | None, typer.Option("--prices", help="Your own prices, a JSON list.")]
Url = Annotated[str, typer.Option("--url", help="Address of the server.")]
Email = Annotated[str | None, typer.Option("--email", help="Sign in as this person.")]


@usage_app.command("summary")
def summary(
    files: FilesArg = None,
    start: From = None,
    end: To = None,
    only: Only = None,
    as_json: Json = False,
    model: Model = None,
    fmt: Format = None,
    zero: Start = None,
    zone: Zone = "UTC",
    columns: Columns = None,
    aliases: Aliases = None,
    prices: Prices = None,
    url: Url = DEFAULT_URL,
    email: Email = None,
) -> None:
    """Total calls, tokens and cost.

    apex usage summary calls.jsonl --from 2026-11-01

    apex usage summary --only team=search
    """
    which = chosen(start, end, only or [])
    place = _Place(
        files or [],
        {"model": model, "fmt": fmt, "start": zero, "timezone": zone, "mapping": _map(columns)},
        aliases or [],
        prices,
        url,
        email,
    )
    total = place.ask(lambda files: files.summary(which), lambda there: there.summary(which))
    if as_json:
        _print_json(total)
    else:
        show_summary(_console(), total)


@usage_app.command("breakdown")
def breakdown(
    files: FilesArg = None,
    by: Annotated[
        str,
        typer.Option(help="model, provider, feature, user, team, tag, status, month, day, hour …"),
    ] = "model",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many groups.")] = 25,
    start: From = None,
    end: To = None,
    only: Only = None,
    as_json: Json = False,
    model: Model = None,
    fmt: Format = None,
    zero: Start = None,
    zone: Zone = "UTC",
    columns: Columns = None,
    aliases: Aliases = None,
    prices: Prices = None,
    url: Url = DEFAULT_URL,
    email: Email = None,
) -> None:
    """Split calls by a name or by time, the dearest first.

    apex usage breakdown calls.jsonl --by feature

    apex usage breakdown --by day --only model=gpt-4o --json
    """
    which = chosen(start, end, only or [])
    place = _Place(
        files or [],
        {"model": model, "fmt": fmt, "start": zero, "timezone": zone, "mapping": _map(columns)},
        aliases or [],
        prices,
        url,
        email,
    )

    def here(files: Files) -> tuple[Row, list[Row]]:
        return files.summary(which), files.breakdown(by, which, limit)

    async def there(workspace: Workspace) -> tuple[Row, list[Row]]:
        rows = await workspace.breakdown(by, which, limit)
        return await workspace.summary(which), rows

    total, rows = place.ask(here, there)
    if as_json:
        _print_json({"by": by, "items": rows, "total": total})
    else:
        show_breakdown(_console(), by, rows, total, limit)


@usage_app.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="File to write.", dir_okay=False)],
    files: FilesArg = None,
    form: Annotated[
        str | None,
        typer.Option("--as", help="csv, parquet or focus; else parquet where OUT ends so, or csv."),
    ] = None,
    start: From = None,
    end: To = None,
    only: Only = None,
    model: Model = None,
    fmt: Format = None,
    zero: Start = None,
    zone: Zone = "UTC",
    columns: Columns = None,
    aliases: Aliases = None,
    prices: Prices = None,
    url: Url = DEFAULT_URL,
    email: Email = None,
) -> None:
    """Write calls as CSV or Parquet, or their cost in FOCUS 1.2 columns.

    apex usage export usage.parquet

    apex usage export cost.csv calls.jsonl --as focus
    """
    which = chosen(start, end, only or [])
    wanted = form or ("parquet" if out.suffix == ".parquet" else "csv")
    if wanted not in FORMATS:
        raise typer.BadParameter(f"{wanted!r} is none of {', '.join(FORMATS)}", param_hint="--as")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {str(out.parent)!r}", param_hint="out")
    place = _Place(
        files or [],
        {"model": model, "fmt": fmt, "start": zero, "timezone": zone, "mapping": _map(columns)},
        aliases or [],
        prices,
        url,
        email,
    )
    place.ask(
        lambda files: files.export(out, wanted, which),
        lambda there: there.export(out, wanted, which),
    )
    typer.echo(f"Written: {out}", err=True)


@dataclass(frozen=True)
class _Place:
    """Files, or a running Apex. `reading` are options of read_files (Any: its own types)."""

    files: list[Path]
    reading: dict[str, Any]
    aliases: list[str]
    prices: Path | None
    url: str
    email: str | None

    def ask(self, here: Callable[[Files], T], there: Callable[[Workspace], Awaitable[T]]) -> T:
        """Put a question to the files, or to the server where no file is given."""
        if self.files:
            prices = price_table(self.aliases, self.prices, None)
            with Files.opened(distinct_files(self.files), prices, **self.reading) as opened:
                return here(opened)
        try:
            return asyncio.run(self._there(there))
        except ClientError as error:
            typer.echo(printable(f"apex: {error}"), err=True)
            raise typer.Exit(1) from None

    async def _there(self, there: Callable[[Workspace], Awaitable[T]]) -> T:
        async with ApexClient(self.url.rstrip("/")) as client:
            await sign_in(client, self.email)
            return await there(Workspace(client))


def _map(columns: list[str] | None) -> dict[str, str]:
    return pairs(columns or [], "--map", "FIELD=COLUMN")


def _console() -> Console:
    return Terminal(highlight=False, markup=False, emoji=False)


def _print_json(value: Any) -> None:  # Any: what JSON can hold
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
