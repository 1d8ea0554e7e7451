"""The base class of the suites keeps its promises."""

import asyncio

import pytest

from netra_core.environment import get_env
from netra_core.testing import BaseIntegrationTest


@pytest.mark.integration
class TestBaseIntegrationTest(BaseIntegrationTest):
    """Segment: contributors.

    Goal: tests that do not disturb each other.
    Value: a red test means a broken behaviour.
    Impact: without it a leftover of one test fails another.
    """

    async def test_each_test_has_an_empty_home_and_says_that_it_is_a_test(self) -> None:
        assert self.env.environment == "test"
        assert self.env.require("APEX_HOME") == str(self.home)
        assert list(self.home.iterdir()) == []

    def test_a_started_process_sees_the_tests_environment(self) -> None:
        program = "import os; print(os.environ['ENVIRONMENT'], os.environ['EXTRA'])"
        process = self.start_process(["-c", program], env={"EXTRA": "1"})
        assert process.communicate()[0] == "test 1\n"

    def test_writes_to_the_process_environment_are_undone_afterwards(self) -> None:
        get_env().set("APEX_BASE_TEST", "1", "test")
        assert get_env().is_isolated()

    async def test_eventually_waits_for_an_answer_that_comes_later(self) -> None:
        ready = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, ready.set)
        assert await self.eventually(ready.is_set, what="the event")

    async def test_eventually_fails_by_name(self) -> None:
        with pytest.raises(pytest.fail.Exception, match="in vain for a miracle"):
            await self.eventually(lambda: False, what="a miracle", within_s=0.02)
