"""Tools that change the world outside do it at most once, wherever their process dies."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from netra_backend import RunLimits
from netra_backend.agents.context import Effect, ToolPolicy
from netra_backend.tests.agents_kit import Till, request_of, with_payment
from netra_backend.tests.effect_child import Plan
from netra_backend.tests.kit import Person, ServerThread, ended, first_run, person, stack
from netra_core.environment import get_env
from netra_core.testing.base import BaseIntegrationTest
from netra_core.testing.servers import running

if TYPE_CHECKING:
    from netra_core.testing.postgres import PostgresTestServer

ONCE = ToolPolicy(effect=Effect.ONCE)


@pytest.fixture
async def till() -> AsyncGenerator[tuple[Till, str]]:
    made = Till()
    async with running(made) as server:
        yield made, server.url


def start(plan: Plan) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "netra_backend.tests.effect_child", msgspec.json.encode(plan)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={k: v for k, v in get_env().get_all().items() if k in ("PATH", "HOME", "LANG")},
    )


async def killed(plan: Plan) -> None:
    """Let the process come to the end that its plan has."""
    with start(plan) as process:
        output, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == -signal.SIGKILL, output


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, object]]:
    """What the log says of tools, up to the payment's end."""
    return [
        (event["type"], event["payload"]["tool_name"], event["payload"].get("ok"))
        for event in events
        if event["type"].startswith("tool_") and event["agent_name"] == "triage"
    ]


@pytest.mark.integration
@pytest.mark.process
class TestEffectsHappenOnce(BaseIntegrationTest):
    """An effect is never repeated behind its user's back.

    Segment: teams whose agents act outside: tickets, mails, payments, deployments
    Goal: trust
    Value: a crash may leave a question, never a second payment
    Impact: one effect done twice ends the use of agents for anything that matters
    """

    async def test_a_process_killed_after_the_effect_repeats_nothing_that_its_user_refuses(
        self, till: tuple[Till, str]
    ) -> None:
        made, url = till
        await killed(Plan(home=str(self.home), till=url))
        async with (
            stack(self.home, before_start=with_payment(url, ONCE)) as platform,
            person(platform.url, "ada", how="login") as ada,
        ):
            request = await self.eventually(lambda: request_of(ada))
            run_id = await first_run(ada)
            await ada.http.post(f"/api/approvals/{request['id']}", json={"approve": False})
            run = await ended(ada, run_id)
            events = await ada.events(run_id)
        assert (made.paid, run["status"]) == (1, "failed")
        assert request["detail"] == {"tool": "pay", "args": {"amount": 3}}
        assert "outcome is unknown" in run["error"]["message"]
        assert told(events) == [
            ("tool_executing", "pay", None),
            ("tool_completed", "pay", False),
            ("tool_executing", "request_approval", None),
            ("tool_completed", "request_approval", True),
        ]

    async def test_an_outcome_that_was_noted_stands_though_its_step_was_not_recorded(
        self, till: tuple[Till, str]
    ) -> None:
        made, url = till
        await killed(Plan(home=str(self.home), till=url, when="settled"))
        async with (
            stack(self.home, before_start=with_payment(url, ONCE)) as platform,
            person(platform.url, "ada", how="login") as ada,
        ):
            run = await ended(ada, await first_run(ada))
            events = await ada.events(run["id"])
        assert (made.paid, run["status"]) == (1, "completed")
        assert told(events) == [("tool_executing", "pay", None), ("tool_completed", "pay", True)]

    async def test_a_run_cancelled_in_the_effect_asks_and_repeats_it_when_its_user_says_so(
        self, till: tuple[Till, str]
    ) -> None:
        made, url = till
        async with stack(self.home, before_start=with_payment(url, ONCE)) as platform:
            async with person(platform.url, "ada") as ada:
                resumed = await _resumed_in_the_effect(ada, made)
                request = await self.eventually(lambda: request_of(ada))
                before = made.paid
                await ada.http.post(f"/api/approvals/{request['id']}", json={"approve": True})
                run = await ended(ada, resumed["id"])
                events = await ada.events(resumed["id"])
        assert request["run_id"] == resumed["id"]
        assert (before, made.paid, run["status"]) == (1, 2, "completed")
        assert told(events)[-1] == ("tool_completed", "pay", True)

    async def test_one_that_may_be_repeated_is_so_under_the_same_key(
        self, till: tuple[Till, str]
    ) -> None:
        made, url = till
        policy = ToolPolicy(effect=Effect.REPEATABLE)
        async with stack(self.home, before_start=with_payment(url, policy)) as platform:
            async with person(platform.url, "ada") as ada:
                run = await ended(ada, (await _resumed_in_the_effect(ada, made))["id"])
        assert (len(made.calls), made.paid, run["status"]) == (2, 1, "completed")

    async def test_a_run_is_cancelled_through_a_node_that_does_not_execute_it(
        self, till: tuple[Till, str], postgres: "PostgresTestServer"
    ) -> None:
        made, url = till
        made.open.clear()
        database = postgres.new_database()
        plan = Plan(
            home=str(self.home),
            till=url,
            signal=0,
            database=(database.name, database.host, database.port),
        )
        other = ServerThread(
            self.home, database=database, node_id="other", limits=RunLimits(in_all=0)
        )
        with other:
            async with person(other.url, "ada") as ada:
                with start(plan) as process:
                    await made.called.wait()
                    run_id = await first_run(ada)
                    await ada.http.post(f"/api/runs/{run_id}/cancel")
                    run = await ended(ada, run_id)
                    made.open.set()
                    output, _ = await asyncio.to_thread(process.communicate)
        assert (process.returncode, output) == (0, "")
        assert (run["status"], made.paid) == ("cancelled", 1)

    async def test_an_owner_that_wakes_up_after_a_takeover_changes_nothing(
        self, till: tuple[Till, str], postgres: "PostgresTestServer"
    ) -> None:
        made, url = till
        database = postgres.new_database()
        node = ServerThread(
            self.home,
            database=database,
            node_id="survivor",
            limits=RunLimits(in_all=0),
            before_start=with_payment(url, ONCE),
        )
        plan = Plan(
            home=str(self.home),
            till=url,
            signal=signal.SIGSTOP,
            database=(database.name, database.host, database.port),
        )
        with node:
            async with person(node.url, "ada") as ada:
                with start(plan) as process:
                    request = await self.eventually(lambda: request_of(ada))
                    run_id = await first_run(ada)
                    await _refuse(ada, request)
                    run = await ended(ada, run_id)
                    events = await ada.events(run_id)
                    process.send_signal(signal.SIGCONT)
                    output, _ = await asyncio.to_thread(process.communicate)
                after = await ada.events(run_id)
                again = await ended(ada, run_id)
        assert (process.returncode, output) == (0, "")
        assert (made.paid, run["status"]) == (1, "failed")
        assert (after, again) == (events, run)


async def _resumed_in_the_effect(ada: Person, till: Till) -> dict[str, Any]:
    """A run that goes on from one that was cancelled while the till had not answered."""
    till.open.clear()
    accepted = await ada.ask("Pay, please.")
    await till.called.wait()
    await ada.http.post(f"/api/runs/{accepted['run_id']}/cancel")
    cancelled = await ended(ada, accepted["run_id"])
    assert cancelled["status"] == "cancelled"
    till.open.set()
    return (await ada.http.post(f"/api/runs/{cancelled['id']}/resume")).json()


async def _refuse(ada: Person, request: dict[str, Any]) -> None:
    answer = await ada.http.post(f"/api/approvals/{request['id']}", json={"approve": False})
    assert answer.status_code == 200
