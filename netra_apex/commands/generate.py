"""`apex generate`: write a workload whose savings are known."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class FileKind(StrEnum):
    """What the calls are written as."""

    parquet = "parquet"
    litellm = "litellm"
    requests = "requests"


def generate(
    out: Annotated[Path | None, typer.Argument(help="The file to write.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same calls.")] = 0,
    kind: Annotated[FileKind, typer.Option(help="The shape of the file.")] = FileKind.parquet,
    scenario: Annotated[str, typer.Option(help="Which workload: demo, or one of --list.")] = "demo",
    scale: Annotated[float, typer.Option(help="Times the usual traffic.", min=0.0001)] = 1.0,
    days: Annotated[
        float | None, typer.Option(help="Days of traffic; each scenario has its own.", min=0.01)
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Write what the planted changes save, as JSON.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="List the scenarios and write nothing.")
    ] = False,
) -> None:
    """Write calls with planted waste, and on request the exact savings hidden in them."""
    from netra_apex.terminal import Terminal
    from netra_optimizer import generate_workload, scenarios
    from netra_optimizer.generate import scaled, write_truth, write_workload

    console = Terminal()
    known = scenarios()
    if show:
        for name in known:
            console.print(name, highlight=False)
        return
    if scenario not in known:
        raise typer.BadParameter(
            f"There is no scenario {scenario!r}; --list names them.", param_hint="--scenario"
        )
    if out is None:
        raise typer.BadParameter("name the file to write", param_hint="out")
    for path, hint in ((out, "out"), (truth, "--truth")):
        if path is not None and not path.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {str(path.parent)!r}", param_hint=hint)
    chosen = scaled(known[scenario], scale=scale, days=days)
    workload = generate_workload(seed, scenario=chosen)
    write_workload(workload, out, kind.value)
    console.print(f"{len(workload):,} calls written to {out}", highlight=False, soft_wrap=True)
    if truth is not None:
        write_truth(workload, truth)
        console.print(f"The known savings are in {truth}", highlight=False, soft_wrap=True)
