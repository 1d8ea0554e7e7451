"""What auth decides holds at the backend: real services, real sockets, one token."""

import asyncio
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from joserfc import jwt
from joserfc.jwk import OKPKey

from netra_auth import AuthDatabaseManager, AuthDeps, AuthFolders, AuthOptions, Operators
from netra_auth.parts import AuthParts, build_parts
from netra_backend.tests.kit import Person, ServerThread, Socket, person
from netra_core import Role

pytestmark = [pytest.mark.integration, pytest.mark.process]
NO_TOKEN_NEEDED = {"/health/live", "/health/ready", "/metrics", "/health"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerThread]:
    with ServerThread(tmp_path_factory.mktemp("platform")) as running:
        yield running


def routes(server: ServerThread) -> list[tuple[str, str, object]]:
    """Every route of the backend with a body that it takes, from its OpenAPI document."""
    document: dict[str, Any] = httpx.get(f"{server.url}/openapi.json").json()
    return [
        (method.upper(), path, _body(document, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path not in NO_TOKEN_NEEDED
    ]


def _body(document: dict[str, Any], operation: dict[str, Any]) -> object:
    """The smallest JSON body of an operation: its required members alone."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return None if content is None else _value(document, content["schema"])


def _value(document: dict[str, Any], schema: dict[str, Any]) -> object:
    """Some value that a schema accepts."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "enum" in schema:
        return schema["enum"][0]
    properties = schema.get("properties", {})
    required = {name: properties[name] for name in schema.get("required", [])}
    plain: dict[str, object] = {"boolean": True, "integer": 1, "number": 1, "array": []}
    if schema.get("type") == "object":
        return {name: _value(document, part) for name, part in required.items()}
    return plain.get(schema.get("type", "string"), "x")


def forged(user_id: str, workspace_id: str) -> dict[str, str]:
    """Authorization headers that an attacker may try, all of them worth nothing."""
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    claims: dict[str, Any] = {
        "iss": "http://localhost:8000",
        "aud": "netra-apex",
        "sub": user_id,
        "ws": workspace_id,
        "roles": ["owner"],
        "sid": "ses_0",
        "jti": "tok_0",
        "iat": 1,
        "nbf": 1,
        "exp": 4_000_000_000,
        "auth_time": 1,
    }
    head = {"alg": "Ed25519", "typ": "at+jwt", "kid": str(key.kid)}
    own = jwt.encode(head, claims, key, algorithms=["Ed25519"])
    payload = own.split(".")[1]
    return {
        "own key": own,
        "none": f"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoieCJ9.{payload}.",
        "key": "apxk_" + "A" * 43,
    }


async def test_every_backend_route_refuses_forged_tokens_and_spoofed_headers(
    server: ServerThread,
) -> None:
    found = routes(server)
    assert len(found) >= 15
    async with person(server.url, "victim") as victim, httpx.AsyncClient() as http:
        tokens = forged(victim.user_id, victim.workspace_id)
        spoofed = {
            "X-User-ID": victim.user_id,
            "X-Workspace-ID": victim.workspace_id,
            "X-Forwarded-User": victim.user_id,
            "X-Forwarded-For": "127.0.0.1",
        }
        for method, path, _body in found:
            url = server.url + re.sub(r"{\w+}", "0", path)
            tries = [spoofed]
            tries += [{"Authorization": f"Bearer {token}", **spoofed} for token in tokens.values()]
            answers = await asyncio.gather(
                *(http.request(method, url, headers=headers) for headers in tries)
            )
            assert {answer.status_code for answer in answers} == {401}, (method, path)


async def test_foreign_ids_look_like_no_ids_on_every_backend_route(server: ServerThread) -> None:
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(person(server.url, "owner"))
        stranger = await stack.enter_async_context(person(server.url, "stranger"))
        run = await owner.answer("What do we use?")
        ids = {"thread_id": run["thread_id"], "run_id": run["id"]}
        tried = 0
        for method, path, body in routes(server):
            names = re.findall(r"{(\w+_id)}", path)
            if not names or len(names) != path.count("{"):
                continue  # named within the own workspace: there is nothing foreign to reach
            known = {name: ids.get(name, "0" * 26) for name in names}
            answers = [
                await stranger.http.request(method, path.format(**given), json=body)
                for given in (known, dict.fromkeys(names, "0" * 26))
            ]
            assert [answer.status_code for answer in answers] == [404, 404], (method, path)
            details = [answer.json()["code"] for answer in answers]
            assert details[0] == details[1]
            tried += 1
        assert tried >= 5
        assert (await owner.run(run["id"]))["status"] == "completed"


async def test_a_page_of_another_site_opens_no_socket(server: ServerThread) -> None:
    async with person(server.url, "origin") as ada:
        bearer = {"Authorization": f"Bearer {ada.token}"}
        for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(ada.ws_url, additional_headers=bearer, origin=origin)
            assert refused.value.response.status_code == 403
        own = server.url
        async with websockets.connect(ada.ws_url, additional_headers=bearer, origin=own) as raw:
            assert (await Socket(raw).receive())["type"] == "connection_established"


async def test_disabling_closes_the_open_socket_and_ends_the_token(server: ServerThread) -> None:
    async with person(server.url, "disabled") as ada, ada.socket() as socket:
        async with auth_beside(server) as parts:
            await parts.accounts.set_disabled(ada.user_id, disabled=True, actor=None)
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await socket.receive()
        assert (await ada.http.get("/api/threads")).status_code == 401


async def test_a_changed_role_takes_the_old_token_back_and_the_next_one_obeys(
    server: ServerThread,
) -> None:
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(person(server.url, "boss"))
        member = await stack.enter_async_context(person(server.url, "member"))
        place = f"/auth/workspaces/{owner.workspace_id}"
        token = await invite(server, owner, "member@example.com", Role.ANALYST)
        joined = await member.http.post("/auth/invitations/accept", json={"token": token})
        assert joined.status_code == 200
        entered = (await member.http.post(f"{place}/token")).json()
        member.http.headers["Authorization"] = f"Bearer {entered['access_token']}"
        assert (await member.http.post("/api/threads", json={})).is_success
        async with websockets.connect(
            member.ws_url,
            additional_headers={"Authorization": f"Bearer {entered['access_token']}"},
        ) as raw:
            assert (await Socket(raw).receive())["type"] == "connection_established"
            changed = await owner.http.patch(
                f"{place}/members/{member.user_id}", json={"role": "viewer"}
            )
            assert changed.status_code == 204
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await raw.recv()
        assert (await member.http.post("/api/threads", json={})).status_code == 401
        again = await member.http.post(
            "/auth/refresh", json={"refresh_token": member.refresh_token}
        )
        assert again.json()["workspace"]["role"] == "viewer"
        member.http.headers["Authorization"] = f"Bearer {again.json()['access_token']}"
        assert (await member.http.get("/api/threads")).status_code == 200
        assert (await member.http.post("/api/threads", json={})).status_code == 403


@asynccontextmanager
async def auth_beside(server: ServerThread) -> AsyncGenerator[AuthParts]:
    """The auth service's parts on the same database, as a second process has them."""
    home = server._home
    database = AuthDatabaseManager(f"sqlite+aiosqlite:///{home / 'auth.sqlite'}")
    folders = AuthFolders(keys=home / "keys", outbox=home / "outbox-beside")
    parts = build_parts(AuthDeps(options=AuthOptions(), database=database, folders=folders))
    parts.mail.start()
    try:
        yield parts
    finally:
        await parts.mail.aclose()
        parts.passwords.close()
        await database.dispose()


async def invite(server: ServerThread, owner: Person, email: str, role: Role) -> str:
    """The token that an invited person finds in the mail."""
    async with auth_beside(server) as parts:
        _, principal = await parts.sessions.authenticate(owner.token)
        await parts.workspaces.invite(principal, owner.workspace_id, email=email, role=role)
        await parts.mail.flush()
        (letter,) = Operators(parts.deps).outbox(1)
    return letter.text.partition("/invite#token=")[2].split()[0]
