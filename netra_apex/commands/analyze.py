"""`apex analyze FILE…`: from files of LLM calls to ranked savings, without a server."""

import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from netra_apex.given_files import distinct_files
from netra_apex.outcomes_option import unused_outcomes
from netra_apex.price_options import pairs, price_table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from netra_optimizer import PriceTable
    from netra_optimizer.report import ReportSource
    from netra_optimizer.results import Analysis
_Margin = Annotated[
    float, typer.Option("--margin", min=0, max=1, help="Quality loss that counts as none.")
]
_Pairs = Annotated[
    Path | None,
    typer.Option(
        "--pairs", help="Pairs of your questions (one, other, same): which may share an answer."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked on the command line."""

    files: tuple[Path, ...]
    model: str | None
    format: str | None
    start: str | None
    timezone: str
    mapping: dict[str, str]
    prices: "PriceTable"
    outcomes: tuple[Path, ...]
    margin: float
    pairs: Path | None = None


def analyze(
    files: Annotated[
        list[Path], typer.Argument(help="Files of calls, also packed, or folders of them.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the report.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Also write a one-file page.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="What the calls ran on, where the file does not say."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--start", help="Time of a trace's zero (ISO 8601); otherwise it ends now."),
    ] = None,
    outcomes: Annotated[
        list[Path] | None,
        typer.Option("--outcomes", help="Scores by item and model, to prove a model switch."),
    ] = None,
    margin: _Margin = 0.02,
    labelled: _Pairs = None,
    format_: Annotated[
        str | None, typer.Option("--format", "-f", help="The files' format, when detection errs.")
    ] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="Zone of times without one.")] = "UTC",
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Name a column (repeat as needed)."),
    ] = None,
    aliases: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="NAME=MODEL", help="Price a name as a model (repeat)."),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="Your own prices, a JSON list.")
    ] = None,
    prices_as_of: Annotated[
        str | None,
        typer.Option("--prices-as-of", metavar="DAY", help="Price every call as on that day."),
    ] = None,
) -> None:
    """Find savings in files of LLM calls: replayed, priced, with interval, patch and way back.

    apex analyze calls.jsonl

    apex analyze trace.jsonl --model claude-sonnet-4-5 --html report.html

    apex analyze spend.parquet --json | jq .combined
    """
    request = Request(
        files=tuple(distinct_files(files)),
        model=model,
        format=format_,
        start=start,
        timezone=timezone,
        mapping=pairs(columns or [], "--map", "FIELD=COLUMN"),
        prices=price_table(aliases or [], prices, prices_as_of),
        outcomes=tuple(outcomes or ()),
        margin=margin,
        pairs=labelled,
    )
    if html is not None and not html.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {str(html.parent)!r}", param_hint="--html")
    analysis, source = run(request, quiet=as_json or not sys.stderr.isatty())
    if html is not None:
        from netra_optimizer.report import render_html

        html.write_text(render_html(analysis, source=source), encoding="utf-8")
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(analysis) + b"\n")
    else:
        from netra_apex.terminal import Terminal
        from netra_optimizer.report import render_terminal

        render_terminal(analysis, Terminal(highlight=False), source=source)
        if html is not None:
            Terminal(highlight=False).print(f"  Written: {html}", style="dim")


def run(request: Request, *, quiet: bool) -> "tuple[Analysis, ReportSource]":
    """Read, load, price, replay. Raises OptimizerError for input that cannot be used."""
    import netra_optimizer
    from netra_optimizer.report import ReportSource
    from netra_optimizer.usage.loading import loaded_frame

    outcomes = netra_optimizer.Outcomes.read(*request.outcomes) if request.outcomes else None
    labelled = netra_optimizer.read_pairs(request.pairs) if request.pairs else None
    with _progress(quiet) as step:
        imported = netra_optimizer.read_files(
            request.files,
            model=request.model,
            fmt=request.format,
            start=request.start,
            timezone=request.timezone,
            mapping=request.mapping or None,
            progress=lambda done, total: step("Reading", done, total),
        )
        with loaded_frame(imported) as frame:
            analysis = netra_optimizer.analyze(
                frame,
                prices=request.prices,
                options=netra_optimizer.AnalysisOptions(quality_margin=request.margin),
                audit=imported.audit,
                outcomes=outcomes,
                prompts=netra_optimizer.read_prompts(request.files, model=request.model),
                pairs=labelled,
                progress=lambda _name, done: step("Replaying", done, 1.0),
            )
            models = tuple(frame.values("model"))
    _refuse_unpriced(analysis)
    if note := unused_outcomes(outcomes, models, request.prices):
        analysis = msgspec.structs.replace(analysis, notes=[*analysis.notes, note])
    source = ReportSource(
        files=tuple(path.name for path in request.files),
        format=imported.format,
        models=models,
    )
    return analysis, source


def _refuse_unpriced(analysis: "Analysis") -> None:
    """Without one price every figure would be a zero that nobody spent."""
    from netra_optimizer.pricing.errors import NoPriceError

    if (
        analysis.usage.requests
        and sum(analysis.unpriced_models.values()) == analysis.usage.requests
    ):
        names = ", ".join(repr(name) for name in list(analysis.unpriced_models)[:5])
        raise NoPriceError(
            f"No price is known for any of these calls (models: {names}).",
            hint="Say which model a name stands for, for instance --alias my-deployment=gpt-4o.",
        )


def _progress(quiet: bool) -> "AbstractContextManager[Callable[[str, float, float], None]]":
    if quiet:
        return nullcontext(_say_nothing)
    return _bar()


def _say_nothing(_name: str, _done: float, _total: float) -> None:
    return None


@contextmanager
def _bar() -> "Generator[Callable[[str, float, float], None]]":
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from netra_apex.terminal import Terminal

    columns = (TextColumn("{task.description:10}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as bar:
        tasks = {}

        def step(name: str, done: float, total: float) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, total=total)

        yield step
