"""Fixtures of the auth tests: a running service on a database file, and a clock that is moved."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from netra_auth import (
    AuthDatabaseManager,
    AuthDeps,
    AuthFolders,
    AuthOptions,
    PasswordCost,
    create_app,
)
from netra_auth.parts import AuthParts
from netra_auth.tests.kit import BASE_URL, SERVICE_SECRET, Clock, Kit

IN_MEMORY = "sqlite+aiosqlite:///:memory:"
CHEAP = PasswordCost(time_cost=1, memory_kib=8, concurrency=2)


@pytest.fixture
def clock() -> Clock:
    return Clock()


StartAuth = Callable[..., AbstractAsyncContextManager[Kit]]


@pytest.fixture
def start_auth(tmp_path: Path, clock: Clock) -> StartAuth:
    """Start the service; options by keyword, `announced` collects what the operator sees."""

    @asynccontextmanager
    async def start(
        *,
        database: str | None = None,
        announced: list[str] | None = None,
        real_time: bool = False,
        **options: object,
    ) -> AsyncGenerator[Kit]:
        values = {
            "service_secret": SERVICE_SECRET,
            "password_cost": CHEAP,
            "public_url": BASE_URL,
            **options,
        }
        deps = AuthDeps(
            options=AuthOptions(**values),
            database=AuthDatabaseManager(database or IN_MEMORY, testing=True),
            folders=AuthFolders(keys=tmp_path / "keys", outbox=tmp_path / "outbox"),
            clock=time.time if real_time else clock,
            announce=(announced if announced is not None else []).append,
        )
        app = create_app(deps)
        parts: AuthParts = app.state.parts
        transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
        try:
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url=BASE_URL) as http,
            ):
                yield Kit(app=app, parts=parts, http=http, clock=clock)
        finally:
            await deps.database.dispose()

    return start


@pytest.fixture
async def kit(start_auth: StartAuth) -> AsyncGenerator[Kit]:
    """The service as in development."""
    async with start_auth() as running:
        yield running
