"""What the running platform tidies by itself."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from netra_backend.migrations import migrate_platform
from netra_backend.tests.kit import stack
from netra_backend.tests.state_database import user
from netra_core.database import DatabaseSessionManager


@pytest.mark.integration
async def test_the_platform_closes_a_database_session_that_was_forgotten(tmp_path: Path) -> None:
    now = [0.0]
    url = f"sqlite+aiosqlite:///{tmp_path / 'platform.sqlite'}"
    await migrate_platform(url)
    sessions = DatabaseSessionManager(url, clock=lambda: now[0])
    forgotten = sessions.session(user(), read_only=True)
    await forgotten.__aenter__()
    now[0] = sessions.options.max_session_s + 1
    async with (
        stack(tmp_path, change=lambda deps: replace(deps, sessions=sessions)),
        asyncio.timeout(20),
    ):
        while not sessions.stats().leaked:
            await sessions.health_check()
    assert (sessions.stats().leaked, sessions.stats().open_now) == (1, 0)
    await sessions.dispose()
