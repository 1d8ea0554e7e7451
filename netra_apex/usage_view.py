"""Usage on a terminal: totals, and a table of groups that fits the window."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from netra_apex.usage_source import Row
from netra_optimizer.report import text

BAR = 10


def show_summary(console: Console, total: Row) -> None:
    """Totals, one a line, and what no sum of money holds."""
    requests, tokens = total["requests"], total["input_tokens"]
    cached = total["cached_input_tokens"] / tokens if tokens else 0.0
    failed = total["errors"] / requests if requests else 0.0
    lines = [
        ("Spent", text.money(total["cost_usd"])),
        ("Calls", f"{requests:,} ({text.share(failed)} failed)"),
        ("Input tokens", f"{tokens:,} ({text.share(cached)} from cache)"),
        ("Output tokens", f"{total['output_tokens']:,}"),
        ("From", text.day(total["first"])),
        ("To", text.day(total["last"])),
    ]
    if total["recorded_usd"] is not None:
        lines.insert(1, ("Recorded", f"{text.money(total['recorded_usd'])} by the sources"))
    for name, value in lines:
        console.print(Text.assemble((f"{name:15}", "dim"), value))
    _say_unpriced(console, total)


def show_breakdown(console: Console, by: str, rows: Sequence[Row], total: Row, limit: int) -> None:
    """The groups, with their share of what was spent."""
    spent = total["cost_usd"]
    most = max((row["cost_usd"] for row in rows), default=0.0)
    wide = console.width >= 100
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column(by, overflow="fold", min_width=10, max_width=40)
    for name in ("spent", "share", "calls", "input", "cached", "output"):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        for name in ("median", "95 %", "failed"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    for row in rows:
        cells = _cells(row, spent)
        bar = "█" * round(BAR * row["cost_usd"] / most) if most > 0 else ""
        more = [_ms(row["p50_ms"]), _ms(row["p95_ms"]), text.share(row["error_share"]), bar]
        table.add_row(*cells, *(more if wide else []))
    _print_table(console, table)
    if len(rows) >= limit:
        console.print(f"The first {len(rows)}; --limit shows more.", style="dim")
    console.print(Text(f"All calls: {text.money(spent)} for {total['requests']:,}", style="bold"))
    if by == "tag":
        console.print("A call counts under each of its tags.", style="dim")
    _say_unpriced(console, total)


def _print_table(console: Console, table: Table) -> None:
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as plain:
        console.print(table)
    for line in plain.get().splitlines():
        console.file.write(line.rstrip() + "\n")


def _cells(row: Row, spent: float) -> list[str]:
    tokens = row["input_tokens"]
    priced = row["unpriced_requests"] < row["requests"]
    return [
        str(row["key"]),
        text.money(row["cost_usd"]) if priced else "no price",
        text.share(row["cost_usd"] / spent) if spent > 0 and priced else "",
        f"{row['requests']:,}",
        text.tokens(tokens),
        text.share(row["cached_input_tokens"] / tokens, digits=0) if tokens else "",
        text.tokens(row["output_tokens"]),
    ]


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def _say_unpriced(console: Console, total: Row) -> None:
    for model, calls in total["unpriced"].items():
        counted = "1 call" if calls == 1 else f"{calls:,} calls"
        said = f"no price for model {model!r} ({counted}): in no sum"
        console.print(Text(said, style="yellow"))
