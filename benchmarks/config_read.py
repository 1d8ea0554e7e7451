"""Reading one typed setting: Apex beside pydantic-settings, Dynaconf and os.environ, in one run.

    python benchmarks/config_read.py [--rounds 200000] [--json]

Each is the best of five rounds, in nanoseconds a read, of a setting among 200 that is given in a
file and by a variable. os.environ includes int(). Not measured: reads while others write (a read
takes no lock; the property tests run them), and the first read after a change in a user's view.
"""

import argparse
import json
import os
import timeit
from collections.abc import Callable
from pathlib import Path

import config_subjects as subjects

from netra_core.configuration import ConfigurationManagerFactory, Source


def nanoseconds(read: Callable[[], object], rounds: int) -> float:
    """The best of five."""
    read()
    return min(timeit.repeat(read, number=rounds, repeat=5)) / rounds * 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with subjects.folder() as name:
        folder = Path(name)
        manager = subjects.apex(folder)
        user = ConfigurationManagerFactory(manager).get_user_manager("u")
        user.set("bench.option_2", 5, Source.OVERRIDE)
        models = subjects.pydantic_settings(folder)()
        dyna = subjects.dynaconf(folder)
        reads: dict[str, Callable[[], object]] = {
            "apex get_int(key)": lambda: manager.get_int("bench.option_2"),
            "apex get_int(key), a user's": lambda: user.get_int("bench.option_2"),
            "apex settings.section.field": lambda: manager.settings.bench.option_2,
            "pydantic-settings attribute": lambda: models.option_2,
            "int(os.environ[...])": lambda: int(os.environ["APEX_BENCH_OPTION_2"]),  # noqa: TID251
        }
        if dyna is not None:
            reads["dynaconf attribute"] = lambda: dyna.option_2
            reads["dynaconf get(key)"] = lambda: dyna.get("option_2")
        figures = {who: nanoseconds(read, given.rounds) for who, read in reads.items()}
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for who, figure in figures.items():
        print(f"{who:32} {figure:10,.0f} ns")


if __name__ == "__main__":
    main()
