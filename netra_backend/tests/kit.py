"""A whole platform for tests: the real auth service and backend behind one uvicorn on loopback."""

import asyncio
import gc
import json
import ssl
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import structlog
import websockets
from fastapi import FastAPI

from netra_auth import (
    AuthDatabaseManager,
    AuthDeps,
    AuthFolders,
    AuthOptions,
    PasswordCost,
)
from netra_auth import create_app as create_auth
from netra_auth.parts import AuthParts
from netra_backend import BackendDependencies, BackendOptions, RunLimits, TokenRules, create_app
from netra_backend.composition import Platform
from netra_backend.migrations import migrate_platform
from netra_backend.reasoner import DeterministicReasoner, Hearing, Intent
from netra_backend.tests.seeds import AUTH, PLATFORM, seed
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseOptions, DatabaseSessionManager, GroupCommit
from netra_core.events.fanout import FanOut, InProcessFanOut
from netra_core.events.log import SqlEventLog
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing.postgres import APP_ROLE, MIGRATION_ROLE, TestDatabase
from netra_core.testing.servers import RunningServer, running
from netra_core.websocket import uvicorn_socket_options
from netra_optimizer.usage.returning import return_memory, share_arenas

T = TypeVar("T")
SERVICE_SECRET = "service-secret-of-the-tests-0123456789abcdef"
BASE_URL = "http://auth.test"
ARENAS = 2
"""As `apex serve` has it."""
CHEAP = PasswordCost(time_cost=1, memory_kib=8, concurrency=2)
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Clock:
    """The time of a whole platform, which a test may move on."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC) + self.ahead


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
    async def socket(self, *, speak: bool = False) -> AsyncGenerator["Socket"]:
        """A socket of this person. One that speaks gets live events without the wait for a
        `resume` that a silent one is granted.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        async with websockets.connect(self.ws_url, additional_headers=headers) as raw:
            sock = Socket(raw)
            sock.established = await sock.receive()
            if speak:
                await sock.send(type="ping")
                assert (await sock.receive()) == {"type": "pong"}
            yield sock

    async def ask(self, content: str, **more: Any) -> dict[str, Any]:
        """Send a message over HTTP in a new thread; what was accepted."""
        thread = (await self.http.post("/api/threads", json={})).json()
        return await self.say(thread["id"], content, **more)

    async def say(self, thread_id: str, content: str, **more: Any) -> dict[str, Any]:
        """Send a message over HTTP; what was accepted."""
        body = {
            "content": content,
            "client_message_id": uuid.uuid4().hex,
            **more,
        }
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
        async with self.http.stream("GET", f"/api/runs/{run_id}/events", timeout=60) as stream:
            assert stream.status_code == 200
            sent = [
                json.loads(line.removeprefix("data: "))
                async for line in stream.aiter_lines()
                if line.startswith("data: ")
            ]
        return [message for message in sent if message["type"] != "agent_delta"]

    async def answer(self, content: str) -> dict[str, Any]:
        """Ask and wait for the end; the run."""
        accepted = await self.ask(content)
        await self.events(accepted["run_id"])
        return await ended(self, accepted["run_id"])

    async def upload(self, path: Path, **fields: str | list[str]) -> dict[str, Any]:
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


async def first_run(person: Person) -> str:
    """The id of this person's newest run, once there is one."""
    while True:
        runs = (await person.http.get("/api/runs")).json()["items"]
        if runs:
            return runs[0]["id"]
        await asyncio.sleep(0.02)


class Socket:
    """A socket that reads JSON; `texts` are the growing texts that came between the rest."""

    def __init__(self, raw: websockets.ClientConnection) -> None:
        self.raw = raw
        self.texts: list[dict[str, Any]] = []
        self.established: dict[str, Any] = {}

    async def send(self, **message: Any) -> None:
        """Send one message."""
        await self.raw.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """The next message that is no part of a growing text."""
        while (message := json.loads(await self.raw.recv()))["type"] == "agent_delta":
            self.texts.append(message)
        return message

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


def client(url: str) -> httpx.AsyncClient:
    """A client of a server on loopback; each TLS context of its own would cost 20 ms and 1 MB."""
    limits = httpx.Limits(keepalive_expiry=2)  # the server lets go of what rests after 5 s
    return httpx.AsyncClient(base_url=url, timeout=30, verify=_NO_TLS, limits=limits)


@asynccontextmanager
async def person(url: str, name: str, *, how: str = "register") -> AsyncGenerator[Person]:
    """Someone who registers (or logs in), with clients that are closed at the end."""
    async with client(url) as http:
        body = {"email": f"{name}@example.com", "password": f"correct horse {name} staple 9"}
        response = await http.post(f"/auth/{how}", json=body)
        assert response.is_success, response.text
        found = response.json()
        http.headers["Authorization"] = f"Bearer {found['access_token']}"
        yield Person(
            http=http,
            token=found["access_token"],
            user_id=found["user"]["id"],
            workspace_id=found["workspace"]["id"],
            refresh_token=found["refresh_token"],
            ws_url=f"{url.replace('http', 'ws', 1)}/ws",
        )


@dataclass(slots=True)
class Stack:
    """A running platform; `platform` reaches its parts, from its own loop only."""

    server: RunningServer
    platform: Platform
    sessions: DatabaseSessionManager
    events: SqlEventLog
    commits: GroupCommit
    auth: AuthParts

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.url


class GatedReasoner(DeterministicReasoner):
    """Stands for a model provider: `hold …` waits until released, `boom …` fails once each time.

    `asked` counts the questions that reached it, which is how often a model would be paid.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.broken = True
        self.gate = asyncio.Event()

    @property
    def models(self) -> tuple[str, ...]:
        return ("gate-1",)

    async def understand(self, question: str, *, heard: Hearing | None = None) -> Intent:
        self.asked.append(question)
        if question.startswith("hold"):
            await self.gate.wait()
        if question.startswith("boom") and self.broken:
            raise RuntimeError("the provider said no to key sk-very-secret")
        return await super().understand(question)


class ServerThread:
    """A stack in a thread with a loop of its own, so that many tests share one real server."""

    def __init__(self, home: Path, **options: Any) -> None:
        self._home = home
        self._options = options
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self.reasoner: GatedReasoner
        self.stack: Stack
        self._thread = threading.Thread(target=self._main, name="test platform")

    def __enter__(self) -> "ServerThread":
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.stack.url

    async def call(self, work: Callable[[Stack], Awaitable[T]]) -> T:
        """Run something in the server's loop."""

        async def run() -> T:
            return await work(self.stack)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._loop))

    def release(self) -> None:
        """Let every question that waits at the gate go on, and those to come wait again."""

        def pulse() -> None:
            self.reasoner.gate.set()
            self.reasoner.gate = asyncio.Event()

        self._loop.call_soon_threadsafe(pulse)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.reasoner = GatedReasoner()
        async with stack(
            self._home,
            change=lambda deps: replace(deps, reasoner=self.reasoner),
            **self._options,
        ) as made:
            self.stack = made
            self._ready.set()
            await self._stop.wait()


@asynccontextmanager
async def stack(
    home: Path,
    *,
    change: Callable[[BackendDependencies], BackendDependencies] = lambda deps: deps,
    limits: RunLimits | None = None,
    port: int = 0,
    database: TestDatabase | None = None,
    node_id: str | None = None,
    max_upload_bytes: int = 2 * 1024 * 1024,
    clock: "Clock | None" = None,
    before_start: Callable[[Platform], None] = lambda platform: None,
) -> AsyncGenerator[Stack]:
    """The platform on files under `home`; started again on the same home it goes on."""
    _as_alone_in_its_process()
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(seed, home)
    usage = f"usage-{node_id or ''}"
    async with AsyncExitStack() as exits:
        url, dbos_url = await _databases(home, database)
        # Processes are killed here, power is not: a busy disk is what tests would wait for most.
        sessions = DatabaseSessionManager(url, options=DatabaseOptions(durability="process_crash"))
        exits.push_async_callback(sessions.dispose)
        commits = GroupCommit(sessions)
        exits.push_async_callback(commits.close)
        fan_out: FanOut = InProcessFanOut()
        if database is not None:
            from netra_core.events.fanout_postgres import PostgresFanOut

            fan_out = PostgresFanOut(database.url(MIGRATION_ROLE))
        exits.push_async_callback(fan_out.close)
        log = SqlEventLog(sessions, commits, fan_out=fan_out)
        exits.push_async_callback(log.close)
        auth = await _auth(home, exits, clock)
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
                    dbos_url=dbos_url,
                    node_id=node_id,
                    clustered=database is not None,
                    token=TokenRules(issuer=options.issuer, audience=options.audience),
                    service_credential=SERVICE_SECRET,
                    limits=limits or RunLimits(),
                    max_upload_bytes=max_upload_bytes,
                ),
                sessions=sessions,
                events=log,
                fan_out=fan_out,
                open_usage=lambda: _open_usage(home / usage),
                usage_kept=lambda: (home / usage).exists(),
                auth_client=client,
                state=UnifiedStateManager(SqlStateStore(sessions, commits)),
                **({} if clock is None else {"clock": clock.now}),
            )
        )
        app = create_app(deps)
        before_start(app.state.platform)
        await exits.enter_async_context(app.router.lifespan_context(app))

        async def route(scope: Any, receive: Any, send: Any) -> None:
            path: str = scope.get("path", "")
            to_auth = path.startswith(("/auth", "/.well-known"))
            await (auth if to_auth else app)(scope, receive, send)

        server = await exits.enter_async_context(
            running(route, port=port, **uvicorn_socket_options(deps.options.sockets))
        )
        yield Stack(
            server=server,
            platform=app.state.platform,
            sessions=sessions,
            events=log,
            commits=commits,
            auth=auth.state.parts,
        )


def _as_alone_in_its_process() -> None:
    """What `apex serve` sees to; and what platforms before this one left behind is let go.

    A platform that has ended is a large cycle, which would stay beside its successor. Tracebacks
    are written as the server does: drawn with all variables one takes 7 MB.
    """
    share_arenas(ARENAS)
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    gc.collect()
    return_memory()


async def _databases(home: Path, database: TestDatabase | None) -> tuple[str, str]:
    """The URLs of the platform and of DBOS, the platform's schema made."""
    if database is not None:
        await migrate_platform(database.migration_url, app_role=APP_ROLE)
        return database.app_url, database.url(MIGRATION_ROLE, driver="postgresql+psycopg")
    url = f"sqlite+aiosqlite:///{home / PLATFORM}"
    await migrate_platform(url)
    return url, f"sqlite:///{home / 'dbos.sqlite'}"


async def _auth(home: Path, exits: AsyncExitStack, clock: "Clock | None") -> FastAPI:
    """The auth service on its files, started."""
    auth = create_auth(
        AuthDeps(
            options=AuthOptions(
                service_secret=SERVICE_SECRET, password_cost=CHEAP, public_url=BASE_URL
            ),
            database=AuthDatabaseManager(f"sqlite+aiosqlite:///{home / AUTH}", testing=True),
            folders=AuthFolders(keys=home / "keys", outbox=home / "outbox"),
            clock=time.time if clock is None else lambda: clock.now().timestamp(),
        )
    )
    exits.push_async_callback(auth.state.parts.deps.database.dispose)
    await exits.enter_async_context(auth.router.lifespan_context(auth))
    return auth


def _open_usage(folder: Path) -> Any:
    from netra_optimizer import UsageStore

    return UsageStore.open(folder)


def limited_to(new: RunLimits) -> Callable[[Stack], Awaitable[RunLimits]]:
    """Puts limits into force; answers those before."""

    async def use(made: Stack) -> RunLimits:
        before = made.platform.options.limits
        made.platform.use(replace(made.platform.options, limits=new))
        return before

    return use


def of(someone: Person, run_id: str) -> UserExecutionContext:
    """The context of a run of somebody."""
    return UserExecutionContext(
        user_id=someone.user_id, workspace_id=someone.workspace_id, request_id="r", run_id=run_id
    )
