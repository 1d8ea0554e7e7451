"""Memory of 1,000 users with settings of their own, over 200 shared ones.

    python benchmarks/config_overlays.py [--users 1000] [--json]

Each user sets three keys. Traced Python memory (tracemalloc) that the users add, in MB: Apex's
overlays with all managers held, each read by key, and the users' stored history; the same with a
typed settings object a user; beside one settings object a user with pydantic-settings and copies
of a dictionary. Not measured: overhead of the allocator.
"""

import argparse
import gc
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import config_subjects as subjects

from netra_core.configuration import ConfigurationManagerFactory, UnifiedConfigurationManager


def added(work: Callable[[], list[Any]]) -> tuple[float, list[Any]]:
    """The MB that `work` adds and what keeps them."""
    gc.collect()
    tracemalloc.start()
    kept = work()
    gc.collect()
    megabytes = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    return megabytes, kept


def overlays(manager: UnifiedConfigurationManager, users: int) -> list[Any]:
    """Every user's settings, read once."""
    factory = ConfigurationManagerFactory(manager, max_managers=users)
    own = [factory.get_user_manager(f"user-{number}") for number in range(users)]
    for number, each in enumerate(own):
        each.update({f"bench.option_{k}": number for k in (1, 3, 5)}, actor=f"user-{number}")
    assert all(each.get_int("bench.option_3") == n for n, each in enumerate(own))
    return own


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with subjects.folder() as name:
        folder = Path(name)
        manager = subjects.apex(folder, outside=False)
        models = subjects.pydantic_settings(folder)
        values = models().model_dump()
        keyed, own = added(lambda: overlays(manager, given.users))
        typed = added(lambda: [each.settings for each in own])[0]
        figures = {
            "apex overlays": keyed,
            "apex overlays, typed objects too": keyed + typed,
            "pydantic-settings objects": added(
                lambda: [models(option_1=n, option_3=n) for n in range(given.users)]
            )[0],
            "copies of a dictionary": added(
                lambda: [{**values, "option_1": n} for n in range(given.users)]
            )[0],
        }
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for who, figure in figures.items():
        print(f"{who:32} {figure:10.2f} MB")


if __name__ == "__main__":
    main()
