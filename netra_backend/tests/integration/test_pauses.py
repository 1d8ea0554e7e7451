"""A pause is one row, however many hands put it, and holds what it names and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert

from netra_backend import RunLimits
from netra_backend.runs.pauses import PauseStore
from netra_backend.runs.store import RunStore
from netra_backend.tables import runs
from netra_backend.tests.integration.test_config_api import configured, people
from netra_backend.tests.state_database import Database, user
from netra_core.database import SystemContext
from netra_core.testing.waiting import eventually


@pytest.mark.integration
@pytest.mark.both_databases
async def test_twenty_admins_that_pause_the_same_at_once_leave_one_pause_with_a_reason_of_theirs(
    database: Database,
) -> None:
    pauses = PauseStore(database.sessions, lambda: datetime.now(UTC))
    names = [f"admin{number}" for number in range(20)]

    async def put(name: str) -> None:
        for _ in range(5):
            await pauses.put(user(name), scope="agent", key="chat", reason=f"says {name}")

    await asyncio.gather(*map(put, names))
    found = await pauses.all(user())
    assert [(pause.scope, pause.key) for pause in found] == [("agent", "chat")]
    assert found[0].reason == f"says {found[0].paused_by}"
    await pauses.lift(user(), scope="agent", key="chat")
    assert await pauses.all(user()) == []


@pytest.mark.integration
async def test_runs_that_are_held_keep_nobody_elses_from_beginning(database: Database) -> None:
    """However many of them wait before the others."""
    pauses = PauseStore(database.sessions, lambda: datetime.now(UTC))
    await pauses.put(user("ada", "held"), scope="agent", key="chat", reason="")
    store = RunStore(database.sessions, lambda: datetime.now(UTC))
    async with database.sessions.session(SystemContext(actor="test")) as session:
        for number in range(450):
            workspace = "held" if number < 449 else "free"
            await session.execute(insert(runs).values(**waiting(number, workspace)))
    begun = await store.begin_next("node", RunLimits(per_user=3, in_all=20), no_uses)
    assert [run.workspace_id for run in begun] == ["free"]
    await pauses.lift(user("ada", "held"), scope="agent", key="chat")
    begun = await store.begin_next("node", RunLimits(per_user=3, in_all=20), no_uses)
    assert [run.id for run in begun] == [f"r{number:03}" for number in range(19)]


def no_uses(workspace: str, who: str) -> frozenset[tuple[str, str]]:
    return frozenset()


def waiting(number: int, workspace: str) -> dict[str, object]:
    """One of many, each of a user and a thread of its own."""
    moment = datetime(2026, 11, 26, tzinfo=UTC) + timedelta(seconds=number)
    named = {"id": f"r{number:03}", "thread_id": f"t{number}", "user_id": f"u{number}"}
    fixed = {"kind": "chat", "format": 1, "status": "pending", "question": "?", "fence": 0}
    return {**named, **fixed, "workspace_id": workspace, "roles": [], "created_at": moment}


@pytest.mark.integration
async def test_a_pause_of_a_model_holds_those_whose_questions_it_reads(tmp_path: Path) -> None:
    async with configured(tmp_path) as (platform, _):
        ada, bob = await people(platform, "ada", "bob")
        chosen = {"value": "openai:gpt-4.1-mini"}
        for person in (ada, bob):
            held = {"scope": "model", "key": "gpt-4.1-mini", "reason": "too dear"}
            (await person.http.put("/api/pauses", json=held)).raise_for_status()
        path = "/api/config/keys/llm.model"
        (await ada.http.put(path, json=chosen, params={"scope": "user"})).raise_for_status()
        listed = [(await person.http.get("/api/pauses")).json()["items"] for person in (ada, bob)]
        assert [[pause["holds_me"] for pause in items] for items in listed] == [[True], [False]]
        asked = [await ask(person.http) for person in (ada, bob)]
        ended = await end_of(bob.http, asked[1])
        waits = await status_of(ada.http, asked[0])
        (await ada.http.delete("/api/pauses/model/gpt-4.1-mini")).raise_for_status()
        began = await end_of(ada.http, asked[0])
    assert (waits, ended, began) == ("pending", "completed", "completed")


async def ask(http: httpx.AsyncClient) -> str:
    thread = (await http.post("/api/threads", json={})).raise_for_status().json()["id"]
    body = {"content": "Where can we save?", "client_message_id": "m1"}
    asked = await http.post(f"/api/threads/{thread}/messages", json=body)
    return asked.raise_for_status().json()["run_id"]


async def status_of(http: httpx.AsyncClient, run_id: str) -> str:
    return (await http.get(f"/api/runs/{run_id}")).raise_for_status().json()["status"]


async def end_of(http: httpx.AsyncClient, run_id: str) -> str:
    async def ended() -> str:
        status = await status_of(http, run_id)
        return "" if status in ("pending", "running") else status

    return await eventually(ended)
