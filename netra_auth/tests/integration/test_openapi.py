"""The OpenAPI document is true: whatever is sent, the answer is declared and never a 5xx."""

import asyncio
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from netra_auth import AuthDatabaseManager, AuthDeps, AuthFolders, AuthOptions, PasswordCost
from netra_auth.api import create_app
from netra_auth.tests.kit import PASSWORD, SERVICE_SECRET, Clock
from netra_core.testing.servers import running

pytestmark = [pytest.mark.integration, pytest.mark.process]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DAY = 86_400


@dataclass
class Live:
    """The service on a real socket, on a clock that the tester moves past the rate limits."""

    url: str
    clock: Clock
    document: dict[str, object]

    def token(self) -> dict[str, str]:
        body = {"email": "ada@example.com", "password": PASSWORD}
        answer = httpx.post(self.url + "/auth/register", json=body)
        answer.raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@contextmanager
def serve(folder: Path) -> Generator[Live]:
    clock = Clock()
    deps = AuthDeps(
        options=AuthOptions(
            service_secret=SERVICE_SECRET,
            password_cost=PasswordCost(time_cost=1, memory_kib=8),
            access_ttl_s=300 * DAY,
            refresh_idle_ttl_s=300 * DAY,
            refresh_absolute_ttl_s=300 * DAY,
        ),
        database=AuthDatabaseManager("sqlite+aiosqlite:///:memory:", testing=True),
        folders=AuthFolders(keys=folder / "keys", outbox=folder / "outbox"),
        clock=clock,
    )
    app = create_app(deps)
    started: Future[str] = Future()

    async def work() -> None:
        stopped = asyncio.Event()
        async with running(app, lifespan="on") as server:
            loops.append((asyncio.get_running_loop(), stopped))
            started.set_result(server.url)
            await stopped.wait()
        await deps.database.dispose()

    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    with ThreadPoolExecutor(1) as threads:
        serving = threads.submit(asyncio.run, work())
        try:
            yield Live(started.result(30), clock, app.openapi())
        finally:
            for loop, stopped in loops:
                loop.call_soon_threadsafe(stopped.set)
            serving.result(30)


@pytest.mark.parametrize("who", ["nobody", "person", "service"])
def test_no_request_gets_an_undeclared_answer(who: str, tmp_path: Path, full_counts: bool) -> None:
    with serve(tmp_path) as live:
        headers = {
            "nobody": {},
            "person": live.token(),
            "service": {"Authorization": f"Bearer {SERVICE_SECRET}"},
        }[who]
        schema = from_dict(live.document)
        seen: set[int] = set()
        for result in schema.get_all_operations():
            operation = result.ok()

            @settings(
                max_examples=100 if full_counts else 6,
                deadline=None,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy())
            def probe(case: schemathesis.Case) -> None:
                live.clock.move(10)
                if who == "service" and isinstance(case.query.get("wait_s"), int | float):
                    case.query["wait_s"] = 0.01  # a valid wait is a real one
                response = case.call(base_url=live.url, headers=headers)
                seen.add(response.status_code)
                case.validate_response(response, checks=CHECKS)

            probe()
        assert {401, 422} <= seen
        assert who != "person" or {200, 201, 204, 404} <= seen


def test_every_route_is_described_with_its_refusals(tmp_path: Path) -> None:
    with serve(tmp_path) as live:
        paths = live.document["paths"]
        assert isinstance(paths, dict)
        assert len(paths) >= 30
        for path, methods in paths.items():
            for method, operation in methods.items():
                assert operation.get("description"), (method, path)
                secured = "security" in operation
                assert ("401" in operation["responses"]) or not secured, (method, path)
                if "{" in path and "provider" not in path:
                    assert "404" in operation["responses"], (method, path)
