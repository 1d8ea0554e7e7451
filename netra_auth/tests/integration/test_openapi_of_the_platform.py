"""The backend's OpenAPI document is true too: no 5xx and no undeclared answer."""

from collections.abc import Generator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import CheckFunction
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import content_type_conformance

from netra_auth.tests.integration.test_openapi import CHECKS
from netra_backend.tests.kit import ServerThread

pytestmark = [
    pytest.mark.integration,
    pytest.mark.process,
    # The generator of file bodies draws from a random module of its own.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]

TYPE = content_type_conformance
PLAIN = "GET /api/config/docs"
"""Answers in plain text, and its document calls its refusals plain text too."""


def checks_of(case: schemathesis.Case) -> list[CheckFunction]:
    return [check for check in CHECKS if case.operation.label != PLAIN or check is not TYPE]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerThread]:
    with ServerThread(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.mark.parametrize("who", ["nobody", "person"])
def test_no_request_to_the_backend_gets_an_undeclared_answer(
    who: str, server: ServerThread, full_counts: bool
) -> None:
    body = {"email": f"{who}@example.com", "password": "correct horse battery staple"}
    token = httpx.post(f"{server.url}/auth/register", json=body).json()["access_token"]
    headers = {} if who == "nobody" else {"Authorization": f"Bearer {token}"}
    schema = from_dict(httpx.get(f"{server.url}/openapi.json").json())
    seen: set[int] = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=60 if full_counts else 4,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def probe(case: schemathesis.Case) -> None:
            response = case.call(base_url=server.url, headers=headers)
            seen.add(response.status_code)
            case.validate_response(response, checks=checks_of(case))

        probe()
    assert (401 if who == "nobody" else 200) in seen
