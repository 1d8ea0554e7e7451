"""A whole platform for tests: the real auth service and backend behind one uvicorn on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import websockets

from netra_auth import (
    AuthDatabaseManager,
    AuthDeps,
    AuthFolders,
    AuthOptions,
    PasswordCost,
)
from netra_auth import create_app as create_auth
from netra_backend import BackendDependencies, BackendOptions, RunLimits, TokenRules, create_app
from netra_backend.composition import Platform
from netra_backend.migrations import migrate_platform
from netra_core.database import DatabaseSessionManager, GroupCommit
from netra_core.events.fanout import InProcessFanOut
from netra_core.events.log import SqlEventLog
from netra_core.testing.servers import RunningServer, running

SERVICE_SECRET = "service-secret-of-the-tests-0123456789abcdef"
BASE_URL = "http://auth.test"
CHEAP = PasswordCost(time_cost=1, memory_kib=8, concurrency=2)


@dataclass(slots=True)
class Person:
    """Someone signed in, with a client that carries the token."""

    http: httpx.AsyncClient
    token: str
    user_id: str
    workspace_id: str
    refresh_token: str
    ws_url: str

    @asynccontextmanager
    async def socket(self) -> AsyncIterator["Socket"]:
        """A socket of this person."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with websockets.connect(self.ws_url, additional_headers=headers) as raw:
            sock = Socket(raw)
            sock.established = await sock.receive()
            yield sock

    async def ask(self, content: str, **more: Any) -> dict[str, Any]:
        """Send a message over HTTP in a new thread; what was accepted."""
        thread = (await self.http.post("/api/threads", json={})).json()
        return await self.say(thread["id"], content, **more)

    async def say(self, thread_id: str, content: str, **more: Any) -> dict[str, Any]:
        """Send a message over HTTP; what was accepted."""
        body = {"content": content, "client_message_id": f"m-{id(object())}-{content}", **more}
        response = await self.http.post(f"/api/threads/{thread_id}/messages", json=body)
        assert response.status_code == 202, response.text
        return response.json()

    async def run(self, run_id: str) -> dict[str, Any]:
        """The run as the API shows it."""
        response = await self.http.get(f"/api/runs/{run_id}")
        assert response.status_code == 200, response.text
        return response.json()

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        """All events of a run, over SSE until its end."""
        out: list[dict[str, Any]] = []
        async with self.http.stream("GET", f"/api/runs/{run_id}/events", timeout=60) as stream:
            assert stream.status_code == 200
            out.extend(
                [
                    json.loads(line.removeprefix("data: "))
                    async for line in stream.aiter_lines()
                    if line.startswith("data: ")
                ]
            )
        return out

    async def answer(self, content: str) -> dict[str, Any]:
        """Ask and wait for the end; the run."""
        accepted = await self.ask(content)
        await self.events(accepted["run_id"])
        return await ended(self, accepted["run_id"])

    async def upload(self, path: Path, **fields: str) -> dict[str, Any]:
        """Upload a file and wait until it is read; the import."""
        with path.open("rb") as file:
            response = await self.http.post(
                "/api/usage/import", files={"file": (path.name, file)}, data=fields
            )
        assert response.status_code == 202, response.text
        import_id = response.json()["import_id"]
        while True:
            found = (await self.http.get(f"/api/usage/imports/{import_id}")).json()
            if found["status"] not in ("queued", "running"):
                return found
            await asyncio.sleep(0.02)


async def ended(person: Person, run_id: str) -> dict[str, Any]:
    """The run once its row says that it has ended, which is just after its terminal event."""
    while True:
        run = await person.run(run_id)
        if run["status"] not in ("pending", "running"):
            return run
        await asyncio.sleep(0.01)


class Socket:
    """A socket that reads JSON."""

    def __init__(self, raw: websockets.ClientConnection) -> None:
        self.raw = raw
        self.established: dict[str, Any] = {}

    async def send(self, **message: Any) -> None:
        """Send one message."""
        await self.raw.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """The next message."""
        return json.loads(await self.raw.recv())

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Messages up to the one wanted."""
        out: list[dict[str, Any]] = []
        while True:
            message = await self.receive()
            out.append(message)
            if wanted(message):
                return out

    async def until_end(self) -> list[dict[str, Any]]:
        """Messages up to a run's terminal event."""
        return await self.until(is_terminal)


def is_terminal(message: dict[str, Any]) -> bool:
    """True for an event that ends a run."""
    if message["type"] in ("agent_error", "run_cancelled"):
        return True
    return message["type"] == "agent_completed" and message["agent_name"] == "supervisor"


@dataclass(slots=True)
class Stack:
    """A running platform; `platform` reaches its parts."""

    server: RunningServer
    platform: Platform
    sessions: DatabaseSessionManager
    people: list[Person] = field(default_factory=list)

    async def register(self, name: str) -> Person:
        """Someone new."""
        return await self._enter("register", name)

    async def login(self, name: str) -> Person:
        """Someone known."""
        return await self._enter("login", name)

    async def _enter(self, how: str, name: str) -> Person:
        async with httpx.AsyncClient(base_url=self.server.url) as http:
            body = {"email": f"{name}@example.com", "password": f"correct horse {name} staple 9"}
            response = await http.post(f"/auth/{how}", json=body)
            assert response.is_success, response.text
            found = response.json()
        token = found["access_token"]
        person = Person(
            http=httpx.AsyncClient(
                base_url=self.server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30
            ),
            token=token,
            user_id=found["user"]["id"],
            workspace_id=found["workspace"]["id"],
            refresh_token=found["refresh_token"],
            ws_url=self.server.ws_url,
        )
        self.people.append(person)
        return person


Change = Callable[[BackendDependencies], Awaitable[BackendDependencies] | BackendDependencies]


@asynccontextmanager
async def stack(
    home: Path,
    *,
    change: Callable[[BackendDependencies], BackendDependencies] = lambda deps: deps,
    limits: RunLimits | None = None,
    port: int = 0,
) -> AsyncIterator[Stack]:
    """The platform on files under `home`; started again on the same home it goes on."""
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    url = f"sqlite+aiosqlite:///{home / 'platform.sqlite'}"
    async with AsyncExitStack() as exits:
        await migrate_platform(url)
        sessions = DatabaseSessionManager(url)
        exits.push_async_callback(sessions.dispose)
        commits = GroupCommit(sessions)
        exits.push_async_callback(commits.close)
        fan_out = InProcessFanOut()
        log = SqlEventLog(sessions, commits, fan_out=fan_out)
        exits.push_async_callback(log.close)
        auth = create_auth(
            AuthDeps(
                options=AuthOptions(
                    service_secret=SERVICE_SECRET, password_cost=CHEAP, public_url=BASE_URL
                ),
                database=AuthDatabaseManager(
                    f"sqlite+aiosqlite:///{home / 'auth.sqlite'}", testing=True
                ),
                folders=AuthFolders(keys=home / "keys", outbox=home / "outbox"),
            )
        )
        exits.push_async_callback(auth.state.parts.deps.database.dispose)
        await exits.enter_async_context(auth.router.lifespan_context(auth))
        client = await exits.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(auth, client=("127.0.0.1", 1)), base_url=BASE_URL
            )
        )
        options = auth.state.parts.deps.options
        deps = change(
            BackendDependencies(
                options=BackendOptions(
                    uploads=home / "uploads",
                    dbos_url=f"sqlite:///{home / 'dbos.sqlite'}",
                    token=TokenRules(issuer=options.issuer, audience=options.audience),
                    service_credential=SERVICE_SECRET,
                    limits=limits or RunLimits(),
                ),
                sessions=sessions,
                events=log,
                fan_out=fan_out,
                open_usage=lambda: _open_usage(home),
                auth_client=client,
            )
        )
        app = create_app(deps)
        await exits.enter_async_context(app.router.lifespan_context(app))

        async def route(scope: Any, receive: Any, send: Any) -> None:
            path: str = scope.get("path", "")
            to_auth = path.startswith(("/auth", "/.well-known"))
            await (auth if to_auth else app)(scope, receive, send)

        server = await exits.enter_async_context(running(route, port=port))
        made = Stack(server=server, platform=app.state.platform, sessions=sessions)
        try:
            yield made
        finally:
            for person in made.people:
                await person.http.aclose()


def _open_usage(home: Path) -> Any:
    from netra_optimizer import UsageStore

    return UsageStore.open(home / "usage")


__all__ = ["Person", "Socket", "Stack", "ended", "is_terminal", "replace", "stack"]
