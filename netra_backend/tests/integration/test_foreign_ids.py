"""What belongs to others does not exist: every route of the OpenAPI document, and the socket.

The routes come from the document itself: one with an id that is not told of here fails the test.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netra_backend.tests.kit import Person, ServerThread, Stack, person
from netra_core.context import Role, UserExecutionContext

pytestmark = pytest.mark.integration

NEVER = "0123456789abcdef0123456789abcdef"
NAMES = {"key", "scope"}
"""Path parameters that are names of settings and scopes, and no ids of anybody's things."""
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/api/threads/{thread_id}/messages"): {"content": "hi", "client_message_id": "m"},
    ("post", "/api/runs/{run_id}/fork"): {"content": "hi"},
    ("post", "/api/approvals/{request_id}"): {"approve": True},
}
OPERATORS = {"/metrics", "/health/live", "/health/ready"}


@asynccontextmanager
async def waiting_request(served: ServerThread, owner: Person, run_id: str) -> AsyncGenerator[str]:
    """The id of a request that waits for `owner`, as an agent of the run makes one."""
    ctx = UserExecutionContext(
        user_id=owner.user_id,
        workspace_id=owner.workspace_id,
        run_id=run_id,
        request_id="asking",
        roles=frozenset({Role.OWNER}),
    )
    asking: list[asyncio.Task[bool]] = []

    async def ask(stack: Stack) -> None:
        approvals = stack.platform.approvals
        request = approvals.ask(ctx, "request-1", title="Apply the patch?", detail={})
        asking.append(asyncio.create_task(request))

    async def withdraw(_: Stack) -> None:
        asking[0].cancel()

    await served.call(ask)
    while not (await owner.http.get("/api/approvals")).json()["items"]:
        pass
    yield "request-1"
    await served.call(withdraw)


async def everything_of(owner: Person, usage_file: Path) -> dict[str, str]:
    """One of each thing that has an id, by the name of its path parameter."""
    imported = await owner.upload(usage_file)
    run = await owner.answer("Where can we save money?")
    assert (imported["status"], run["status"]) == ("completed", "completed")
    removal = await owner.http.post("/api/usage/erase", json={"user": "nobody"})
    analysis = (await owner.http.get("/api/analyses")).json()["items"][0]
    return {
        "thread_id": run["thread_id"],
        "run_id": run["id"],
        "import_id": imported["import_id"],
        "removal_id": removal.json()["removal_id"],
        "analysis_id": analysis["id"],
    }


class TestForeignIds:
    """Whoever guesses an id learns nothing by it."""

    async def test_every_route_with_an_id_answers_as_for_one_that_never_was(
        self, served: ServerThread, usage_file: Path
    ) -> None:
        async with person(served.url, "has-things") as ada, person(served.url, "guesses") as eve:
            ids = await everything_of(ada, usage_file)
            before = await ada.events(ids["run_id"])
            document = (await eve.http.get("/openapi.json")).json()
            tried: set[str] = set()
            async with waiting_request(served, ada, ids["run_id"]) as request_id:
                foreign = {**ids, "request_id": request_id}
                for path, operations in document["paths"].items():
                    parameters = set(re.findall(r"{(\w+)}", path)) - NAMES
                    if not parameters:
                        continue
                    assert parameters <= set(foreign), f"{path}: an id that nobody guessed here"
                    for method, operation in operations.items():
                        body = BODIES.get((method, path))
                        assert ("requestBody" in operation) == (body is not None), (method, path)
                        theirs, never = [
                            await eve.http.request(method.upper(), path.format(**given), json=body)
                            for given in (foreign, dict.fromkeys(foreign, NEVER))
                        ]
                        assert theirs.status_code == 404, (method, path, theirs.text)
                        assert theirs.json() == never.json(), (method, path)
                        assert theirs.headers["content-type"] == never.headers["content-type"]
                        tried.add(f"{method} {path}")
                pending = (await ada.http.get("/api/approvals")).json()["items"]
            assert len(tried) >= 12, tried
            assert [request["status"] for request in pending] == ["pending"]
            assert await ada.events(ids["run_id"]) == before

    async def test_no_list_and_no_total_holds_anything_of_others(
        self, served: ServerThread, usage_file: Path
    ) -> None:
        async with person(served.url, "has-lists") as ada, person(served.url, "lists") as eve:
            ids = await everything_of(ada, usage_file)
            secrets = [
                *ids.values(),
                ada.user_id,
                ada.workspace_id,
                "support_chat",
                usage_file.name,
            ]
            document = (await eve.http.get("/openapi.json")).json()
            tried: set[str] = set()
            for path, operations in document["paths"].items():
                if "{" in path or "get" not in operations or path in OPERATORS:
                    continue
                named = {one["name"] for one in operations["get"].get("parameters", [])}
                for query in [{}, *({name: ids["thread_id"]} for name in named & {"after"})]:
                    text = (await eve.http.get(path, params=query)).text
                    assert [one for one in secrets if one in text] == [], (path, query)
                tried.add(path)
            assert {"/api/threads", "/api/runs", "/api/usage/summary", "/api/usage/export"} <= tried
            runs = [
                (await eve.http.get("/api/runs", params={"thread_id": thread})).json()
                for thread in (ids["thread_id"], NEVER)
            ]
            assert runs == [{"items": [], "next": None}] * 2

    async def test_the_socket_knows_neither_threads_nor_runs_nor_streams_of_others(
        self, served: ServerThread, usage_file: Path
    ) -> None:
        async with person(served.url, "has-stream") as ada, person(served.url, "listens") as eve:
            ids = await everything_of(ada, usage_file)
            async with ada.socket() as mine, eve.socket() as theirs:
                answers: list[list[dict[str, Any]]] = []
                for thread, run in ((ids["thread_id"], ids["run_id"]), (NEVER, NEVER)):
                    await theirs.send(type="cancel_run", run_id=run)
                    cancelled = await theirs.receive()
                    message = {"content": "hi", "thread_id": thread, "client_message_id": "m"}
                    await theirs.send(type="user_message", **message)
                    refused = [cancelled, await theirs.receive()]
                    assert [answer["run_id"] for answer in refused] == [run, None]
                    answers.append([{**answer, "run_id": None} for answer in refused])
                assert answers[0] == answers[1]
                assert [answer["type"] for answer in answers[0]] == ["error", "error"]
                await theirs.send(type="resume", epoch=mine.established["epoch"], after_seq=0)
                assert (await theirs.receive())["type"] == "resync_required"
            assert (await ada.run(ids["run_id"]))["status"] == "completed"
