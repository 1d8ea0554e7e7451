"""Tests of one group stay in one process, or two servers of a kind stand in each other's way."""

import pytest


@pytest.mark.xdist_group("grouped")
def test_a_group_is_named_where_the_scheduler_reads_it(request: pytest.FixtureRequest) -> None:
    among_workers = bool(request.config.getoption("loadgroup", default=False))
    assert request.node.nodeid.endswith("@grouped") is among_workers
