"""The analysis on a terminal: what is spent, what can be saved, how that is known, what to do."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from netra_optimizer.report import text
from netra_optimizer.report.patches import patch_text
from netra_optimizer.results import Analysis, Opportunity

BAR_WIDTH = 8
STATUS_STYLES = {"verified": "green", "needs_evaluation": "yellow", "loses_money": "red"}


@dataclass(frozen=True, kw_only=True)
class ReportSource:
    """Where the records came from, for a report's head."""

    files: tuple[str, ...] = ()
    format: str = ""
    models: tuple[str, ...] = field(default=())


def render_terminal(
    analysis: Analysis,
    console: Console,
    *,
    source: ReportSource | None = None,
    brief: bool = False,
) -> None:
    """Print the report; readable from 60 columns on, plain where the console is no terminal.

    `brief` leaves out the evidence of each change.
    """
    for part in _parts(analysis, source or ReportSource(), brief=brief):
        if console.is_terminal:
            console.print(part)
            continue
        with console.capture() as plain:
            console.print(part)
        for line in plain.get().splitlines():
            console.file.write(line.rstrip() + "\n")


def _parts(analysis: Analysis, source: ReportSource, *, brief: bool) -> Iterator[RenderableType]:
    yield _head(analysis, source)
    yield _spend(analysis)
    if analysis.opportunities:
        yield _summary(analysis)
        yield _overview(analysis)
        if not brief:
            for number, item in enumerate(analysis.opportunities, start=1):
                yield _detail(number, item)
    else:
        yield Padding(Text("Nothing to save was found in these records."), (1, 0, 1, 2))
    yield _audit(analysis)


def _head(analysis: Analysis, source: ReportSource) -> RenderableType:
    line = Text.assemble(("Netra Apex", "bold cyan"), "  savings report")
    about = [text.few(name.rsplit("/", 1)[-1] for name in source.files), source.format]
    about += [text.few(source.models)]
    described = " · ".join(part for part in about if part)
    return Group(Rule(line, align="left", style="cyan"), Text(f"  {described}", style="dim"))


def _spend(analysis: Analysis) -> RenderableType:
    usage = analysis.usage
    cached = usage.cached_input_tokens / usage.input_tokens if usage.input_tokens else 0.0
    grid = Table.grid(padding=(0, 3))
    grid.add_row(
        _figure("Spent", text.money(usage.cost_usd)),
        _figure("Requests", f"{usage.requests:,}"),
        _figure(
            "Input", f"{text.tokens(usage.input_tokens)} ({text.share(cached, digits=0)} cached)"
        ),
        _figure("Output", text.tokens(usage.output_tokens)),
    )
    period = f"{text.day(usage.first)}, {text.span(usage.first, usage.last)}"
    return Padding(Group(grid, Text(period, style="dim")), (1, 2, 0, 2))


def _figure(name: str, value: str) -> RenderableType:
    return Group(Text(name, style="dim"), Text(value, style="bold"))


def _summary(analysis: Analysis) -> RenderableType:
    combined = analysis.combined
    before, saved = combined.cost_before_usd, combined.savings_usd
    fraction = saved.expected / before if before else 0.0
    if saved.expected <= 0:
        return Padding(Text(text.nothing_proven(analysis), style="bold"), (1, 2, 0, 2))
    headline = Text.assemble(
        ("You can save ", "bold"),
        (text.money(saved.expected), "bold green"),
        (f" of {text.money(before)} ({text.share(fraction)})", "bold"),
    )
    detail = Text(
        f"90 % interval {text.interval(saved)}, all proven changes replayed together", style="dim"
    )
    bar = Text.assemble(("█" * round(30 * _clip(fraction)), "green"))
    bar.append("░" * (30 - round(30 * _clip(fraction))), style="dim")
    parts: list[RenderableType] = [headline, bar, detail]
    if chosen := text.chosen_before(analysis):
        parts.append(Text(chosen, style="dim"))
    parts.append(Text(text.first_step(analysis)))
    return Padding(Group(*parts), (1, 2, 0, 2))


def _clip(fraction: float) -> float:
    return min(max(fraction, 0.0), 1.0)


def _overview(analysis: Analysis) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, expand=False, pad_edge=False, header_style="dim")
    table.add_column("#", justify="right")
    table.add_column("Change", overflow="fold", min_width=16, max_width=44)
    table.add_column("Alone", justify="right", no_wrap=True)
    table.add_column("In all", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    attribution = text.in_cents(analysis.combined.attribution)
    largest = max((abs(part) for part in attribution.values()), default=0.0)
    for number, item in enumerate(analysis.opportunities, start=1):
        part = attribution.get(item.id)
        width = round(BAR_WIDTH * abs(part) / largest) if part and largest else 0
        table.add_row(
            str(number),
            item.title,
            Text(text.money(item.savings_usd.expected), style="" if part is not None else "dim"),
            "–" if part is None else text.money(part, cents=True),
            Text("█" * width, style="green"),
            Text(
                text.STATUS_NAMES.get(item.status, item.status),
                style=STATUS_STYLES.get(item.status, ""),
            ),
        )
    return Padding(table, (1, 0, 0, 2))


def _detail(number: int, item: Opportunity) -> RenderableType:
    head = Text.assemble((f"{number}  {item.title}", "bold"), f"  {text.scope(item.scope)}")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("saves", _saves(item))
    if item.latency.p50_before is not None and item.latency.p50_after is not None:
        grid.add_row(
            "latency", f"median {item.latency.p50_before:,.0f} → {item.latency.p50_after:,.0f} ms"
        )
    if item.quality.delta is not None:
        bound = "" if item.quality.bound is None else f", at worst {item.quality.bound:+.3f}"
        grid.add_row("quality", f"{item.quality.delta:+.3f}{bound}")
    for key, value in item.evidence.items():
        grid.add_row(_cut(text.label(key), 22), text.evidence(key, value))
    for assumption in item.assumptions:
        grid.add_row("assumption", assumption)
    grid.add_row("effort, risk", f"{item.effort}, {item.risk}")
    grid.add_row("way back", item.rollback)
    parts: list[RenderableType] = [head, Padding(grid, (0, 0, 0, 3))]
    patch = patch_text(item.patch) if item.status == "verified" else ""
    if patch:
        parts.append(
            Padding(Syntax(patch, "json", background_color="default", word_wrap=True), (0, 0, 0, 3))
        )
    return Padding(Group(*parts), (0, 2, 1, 2))


def _saves(item: Opportunity) -> str:
    line = f"{text.interval(item.savings_usd)}, {text.share(item.savings_pct / 100)} of all cost"
    if item.monthly_savings_usd is not None:
        line += f", {text.money(item.monthly_savings_usd)} a month at this rate"
    return line


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - 1] + "…"


def _audit(analysis: Analysis) -> RenderableType:
    audit = analysis.audit
    lines = [Text(f"Rows read {audit.rows_read:,}, kept {audit.rows_kept:,}", style="dim")]
    lines += [
        Text(f"left out {count:,}: {reason}", style="yellow")
        for reason, count in sorted(audit.dropped.items(), key=lambda pair: -pair[1])
    ]
    lines += [
        Text(
            f"no price for model {model!r} ({count:,} requests): not in any figure", style="yellow"
        )
        for model, count in analysis.unpriced_models.items()
    ]
    lines += [Text(note, style="dim") for note in analysis.notes]
    return Padding(Group(*lines), (0, 2, 1, 2))
