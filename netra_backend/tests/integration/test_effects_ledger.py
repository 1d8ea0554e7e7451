"""Runs that go on from one another share one ledger of effects."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from netra_backend.runs.effects import RunEffects
from netra_backend.runs.records import RunRecord
from netra_backend.runs.store import RunStore
from netra_backend.tables import runs
from netra_backend.tests.state_database import Database, user

CALLS = [f"triage:{number}" for number in range(10)]


def now() -> datetime:
    return datetime.now(UTC)


async def a_run(database: Database, run_id: str, *, steps_from: str | None = None) -> RunRecord:
    """A run of ada's that executes for the first time."""
    async with database.sessions.session(user()) as session:
        await session.execute(
            insert(runs).values(
                id=run_id,
                workspace_id="w1",
                user_id="ada",
                thread_id="t",
                kind="chat",
                format=1,
                status="running",
                question="?",
                roles=[],
                created_at=now(),
                fence=1,
                steps_from=steps_from,
            )
        )
        query = select(runs).where(runs.c.id == run_id)
        return RunRecord.of((await session.execute(query)).mappings().one())


def ledger(database: Database, run: RunRecord) -> RunEffects:
    return RunEffects(database.sessions, RunStore(database.sessions, now), run, now)


@pytest.mark.integration
@pytest.mark.both_databases
class TestEffectsLedger:
    async def test_of_two_runs_that_resume_one_at_once_only_one_does_what_had_failed(
        self, database: Database
    ) -> None:
        first = ledger(database, await a_run(database, "first"))
        for call in CALLS[:5]:  # the others were never begun
            await first.begin(user(), call, tool="pay", repeatable=False)
            await first.settle(user(), call, {"ok": False, "code": "X", "message": "refused"})
        again = [
            ledger(database, await a_run(database, name, steps_from="first")) for name in ("a", "b")
        ]
        for call in CALLS:
            begun = await asyncio.gather(
                *(one.begin(user(), call, tool="pay", repeatable=False) for one in again)
            )
            assert sorted(intent.unknown for intent in begun) == [False, True], call
            assert {(intent.key, intent.outcome) for intent in begun} == {(f"first:{call}", None)}
