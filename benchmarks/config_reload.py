"""Reading a whole configuration of 200 keys again: Apex, pydantic-settings, Dynaconf, os.environ.

    python benchmarks/config_reload.py [--rounds 30] [--json]

Medians in milliseconds. Apex reads variables, file and database, validates every entry of every
layer and all rules, asks a subscriber, swaps, and, where something changed, writes a sealed
revision durably (fsync) to SQLite. The others read variables and the file and validate types;
os.environ reads the variables and parses the file with tomllib. Not measured: noticing the change.
"""

import argparse
import json
import os
import statistics
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import config_subjects as subjects

from netra_core.configuration import ConfigurationChange


class Agreeing:
    """A subscriber that agrees."""

    def prepare(self, change: ConfigurationChange) -> None:
        """Agree."""

    def commit(self, change: ConfigurationChange) -> None:
        """Nothing."""

    def abort(self, change: ConfigurationChange) -> None:
        """Nothing."""


def milliseconds(work: Callable[[int], object], rounds: int) -> float:
    """The median of `rounds`."""
    took: list[float] = []
    for number in range(rounds):
        began = time.perf_counter()
        work(number)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with subjects.folder() as name:
        folder = Path(name)
        manager = subjects.apex(folder)
        manager.subscribe(Agreeing())
        models = subjects.pydantic_settings(folder)
        dyna = subjects.dynaconf(folder)
        file, flat = folder / "bench.toml", folder / "flat.toml"
        text = file.read_text()

        def change_everything(number: int) -> None:
            file.write_text(text.replace("= ", f"= {number + 1}"))
            manager.reload()

        def by_hand(_: int) -> dict[str, int]:
            values = dict(tomllib.loads(flat.read_text()))
            prefix = "APEX_BENCH_"
            found = {k.removeprefix(prefix): v for k, v in os.environ.items() if prefix in k}  # noqa: TID251
            return values | {name.lower(): int(value) for name, value in found.items()}

        work: dict[str, Callable[[int], object]] = {
            "apex, nothing changed": lambda _: manager.reload(),
            "apex, every value changed": change_everything,
            "pydantic-settings": lambda _: models(),
            "os.environ and tomllib": by_hand,
        }
        if dyna is not None:
            work["dynaconf"] = lambda _: (dyna.reload(), dyna.validators.validate_all())
        figures = {who: milliseconds(each, given.rounds) for who, each in work.items()}
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for who, figure in figures.items():
        print(f"{who:32} {figure:10.2f} ms")


if __name__ == "__main__":
    main()
