"""The pytest plugin of this project: where real data is, and how large the heavy proofs run."""

import sys
from pathlib import Path

import pytest

from netra_core.environment import get_env

pytest_plugins = ("netra_core.testing.database_fixtures",)
PROOF_VARIABLE = "APEX_PROOF"
REAL_DATA_VARIABLE = "APEX_REAL_DATA"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of one `xdist_group` run in one process, one after the other.

    pytest-xdist 3.8 writes the group where pytest 9.2 no longer reads a test's name from, so that
    every group fell apart without a word.
    """
    if not config.getoption("loadgroup", default=False):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None and not item.nodeid.endswith(f"@{mark.args[0]}"):
            item._id = item.id.parse(f"{item.nodeid}@{mark.args[0]}")  # pyright: ignore


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where no test used Hypothesis, its summary does not load it: 7 MB and half a second."""
    if "hypothesis" not in sys.modules:
        session.config.pluginmanager.unregister(name="hypothesispytest")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of published traces; the test is skipped, by name, where it is absent."""
    folder = get_env().get(REAL_DATA_VARIABLE)
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"{REAL_DATA_VARIABLE} names no folder of real traces")
    return Path(folder)


@pytest.fixture(scope="session")
def full_counts() -> bool:
    """True under `make proof`: the same tests with their full counts."""
    return get_env().get(PROOF_VARIABLE) == "1"
