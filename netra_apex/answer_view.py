"""A run in the terminal: its steps as they come, its report at the end."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from netra_client import LiveEvent, RunView, TextDelta

Json = Mapping[str, Any]  # Any: the report is JSON


class RunFollower:
    """Folds a run and, given a console, prints a line for each event.

    On a terminal what an agent is writing grows below the last line until the next event takes its
    place. A context manager, so that nothing half written stays behind.
    """

    def __init__(self, console: Console | None, run: RunView) -> None:
        self._console = console
        self._run = run
        self._growing: Live | None = None

    def __enter__(self) -> "RunFollower":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_text()

    def take(self, update: LiveEvent | TextDelta) -> None:
        """Take an event, or more of a text."""
        if isinstance(update, TextDelta):
            if self._run.write(update):
                self._show_text()
        elif self._run.take(update):
            self._end_text()
            if self._console is not None:
                _show_step(self._console, update)

    def _show_text(self) -> None:
        console, draft = self._console, self._run.draft
        if console is None or draft is None or not console.is_terminal:
            return
        if self._growing is None:
            self._growing = Live(console=console, transient=True, auto_refresh=False)
            self._growing.start()
        self._growing.update(Text(f"{draft.agent_name:>12}  {draft.text}", "dim"), refresh=True)

    def _end_text(self) -> None:
        if self._growing is not None:
            self._growing.stop()
            self._growing = None


def _show_step(console: Console, event: LiveEvent) -> None:
    """One line for an event."""
    payload = event.payload
    who = f"[cyan]{escape(event.agent_name):>12}[/]"
    match event.type:
        case "agent_started":
            line = escape(str(payload.get("message", "")))
        case "agent_thinking":
            line = f"[dim]{escape(str(payload.get('thought', '')))}[/]"
        case "tool_executing":
            line = f"[yellow]→ {escape(str(payload.get('tool_name', '')))}[/]"
        case "tool_completed" if payload.get("ok"):
            line = f"[green]✓ {escape(str(payload.get('tool_name', '')))}[/] {_ms(payload)}"
        case "tool_completed":
            line = f"[red]✗ {escape(str(payload.get('error') or 'failed'))}[/]"
        case "agent_completed":
            line = f"[dim]{escape(str(payload.get('status', '')))} {_ms(payload)}[/]"
        case "agent_error":
            line = f"[red]{escape(str(payload.get('message', '')))}[/]"
        case "run_cancelled":
            line = f"[red]cancelled: {escape(str(payload.get('reason', '')))}[/]"
        case _:
            return
    console.print(f"{who}  {line}", highlight=False)


def show_report(console: Console, run: RunView) -> None:
    """The report of a completed run; one that has none says so."""
    report = run.report
    if report is None:
        console.print("The run ended without a report.")
        return
    console.print(f"\n[bold]{escape(str(report.get('headline', '')))}[/]", highlight=False)
    for line in report.get("summary") or []:
        console.print(escape(str(line)), highlight=False)
    _figures(console, report.get("figures") or [])
    _opportunities(console, report.get("opportunities") or [])
    _constraints(console, report.get("constraints") or [])
    for table in report.get("tables") or []:
        _table(console, table)
    ask = (report.get("sufficiency") or {}).get("ask")
    if ask:
        console.print(f"\n[yellow]{escape(str(ask))}[/]", highlight=False)
    steps = report.get("next_steps") or []
    if steps:
        console.print("\n[bold]Next[/]")
    for number, step in enumerate(steps, 1):
        console.print(f"  {number}. {escape(str(step))}", highlight=False)


def amount(value: object, unit: str) -> str:
    """A figure with its unit, as a person reads it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    match unit:
        case "usd":
            sign = "-" if value < 0 else ""
            digits = 2 if abs(value) >= 1 or value == 0 else 4
            return f"{sign}${abs(value):,.{digits}f}"
        case "percent":
            return f"{value:.1f} %"
        case "ms":
            return f"{value:,.0f} ms"
        case _:
            return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _figures(console: Console, figures: Sequence[Json]) -> None:
    if not figures:
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    for figure in figures:
        unit = str(figure.get("unit", ""))
        low, high = figure.get("low"), figure.get("high")
        spread = f"{amount(low, unit)} … {amount(high, unit)}" if low is not None else ""
        note = "assumption" if figure.get("assumption") else spread
        table.add_row(escape(str(figure.get("label", ""))), amount(figure.get("value"), unit), note)
    console.print()
    console.print(table)


def _opportunities(console: Console, opportunities: Sequence[Json]) -> None:
    if not opportunities:
        return
    table = Table(title="Opportunities", title_justify="left", expand=False)
    table.add_column("What", ratio=3)
    table.add_column("Saves", justify="right")
    table.add_column("Share", justify="right")
    table.add_column("Status")
    for entry in opportunities:
        savings = entry.get("savings_usd") or {}
        table.add_row(
            escape(str(entry.get("title", entry.get("lever", "")))),
            amount(savings.get("expected"), "usd"),
            amount(entry.get("savings_pct"), "percent"),
            escape(str(entry.get("status", ""))),
        )
    console.print()
    console.print(table)


def _constraints(console: Console, constraints: Sequence[Json]) -> None:
    for entry in constraints:
        honoured = entry.get("honoured")
        mark = "[green]honoured[/]" if honoured else "[red]not honoured[/]"
        if honoured is None:
            mark = "[yellow]not known[/]"
        detail = escape(f"{entry.get('text', '')}: {entry.get('detail', '')}".rstrip(": "))
        console.print(f"{mark}  {detail}", highlight=False)


def _table(console: Console, content: Json) -> None:
    columns = content.get("columns") or []
    table = Table(title=escape(str(content.get("title", ""))), title_justify="left")
    for column in columns:
        numeric = column.get("unit") in ("usd", "tokens", "percent", "ms", "count")
        table.add_column(escape(str(column["label"])), justify="right" if numeric else "left")
    for row in content.get("rows") or []:
        cells = (amount(row.get(c["key"]), str(c.get("unit", ""))) for c in columns)
        table.add_row(*(escape(cell) for cell in cells))
    console.print()
    console.print(table)


def _ms(payload: Json) -> str:
    return amount(payload.get("duration_ms", 0), "ms")
