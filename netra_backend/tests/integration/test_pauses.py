"""A pause is one row, however many hands put it."""

import asyncio
from datetime import UTC, datetime

import pytest

from netra_backend.runs.pauses import PauseStore
from netra_backend.tests.state_database import Database, user


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
