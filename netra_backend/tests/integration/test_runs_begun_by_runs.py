"""A run that ends has the next one begin, and keeps no trace of it among its own steps."""

from typing import Any

import pytest
from dbos import DBOS

from netra_backend.composition import Platform
from netra_backend.tests.kit import Person, ServerThread, Stack, ended, person
from netra_core.testing.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.both_databases]


async def steps_of(server: ServerThread, run_id: str) -> list[str]:
    async def names(_: Stack) -> list[str]:
        return [step["function_name"] for step in await DBOS.list_workflow_steps_async(run_id)]

    return await server.call(names)


async def released(server: ServerThread, who: Person, run_id: str) -> dict[str, Any]:
    """The run once it has ended; what waits at the gate is let through meanwhile."""

    async def ended_run() -> dict[str, Any]:
        server.release()
        run = await who.run(run_id)
        return {} if run["status"] in ("pending", "running") else run

    return await eventually(ended_run)


async def test_a_run_that_was_cancelled_with_another_behind_it_can_be_resumed(
    served: ServerThread,
) -> None:
    async with person(served.url, "heir") as ada:
        first = await ada.ask("hold it: where can we save?")
        second = await ada.say(first["thread_id"], "And which feature costs most?")
        await ada.http.post(f"/api/runs/{first['run_id']}/cancel")
        ends = [(await ended(ada, run["run_id"]))["status"] for run in (first, second)]
        resumed = (await ada.http.post(f"/api/runs/{first['run_id']}/resume")).json()
        third = await ada.say(first["thread_id"], "And then?")
        again = await released(served, ada, resumed["id"])
        await ended(ada, third["run_id"])
        steps = [await steps_of(served, run["run_id"]) for run in (first, second)]
    assert ends == ["cancelled", "completed"]
    assert (again["status"], again["error"]) == ("completed", None)
    assert all(name.startswith("supervisor/") for names in steps for name in names), steps


async def test_a_step_that_cannot_be_kept_closes_its_tool_and_says_so(
    served: ServerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = (await served.call(_platform)).engine
    keep = engine.step

    async def full(name: str, fn: object) -> object:
        if "usage_profile" in name:
            raise OSError("no space left")
        return await keep(name, fn)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "step", full)
    async with person(served.url, "fulldisk") as ada:
        accepted = await ada.ask("Where can we save?")
        events = await ada.events(accepted["run_id"])
        run = await ended(ada, accepted["run_id"])
    (broken,) = [e for e in events if e["type"] == "tool_completed" and not e["payload"]["ok"]]
    assert broken["payload"]["tool_name"] == "usage_profile"
    assert "could not be kept" in broken["payload"]["error"]
    assert (run["status"], events[-1]["type"]) == ("failed", "agent_error")
    assert "still executing" not in run["error"]["message"]


async def _platform(made: Stack) -> Platform:
    return made.platform
