"""The server under the live benchmarks: a bare uvicorn loop, or Apex's delivery.

Started by the other scripts: `live_server.py bare|apex [sqlite file]`. It prints its port, then
obeys lines on standard input and answers each with one line.
"""

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from netra_core.context import UserExecutionContext
from netra_core.events import AgentThinking, EventLog, InProcessFanOut, NewEvent, SqlEventLog
from netra_core.testing.event_log import MemoryEventLog
from netra_core.testing.runs import reference_run
from netra_core.testing.socket_app import socket_app
from netra_core.websocket import SocketLimits, UnifiedWebSocketManager, uvicorn_socket_options

LIMITS = SocketLimits(
    connections_per_user=10**6, resume_grace_s=0, messages_per_minute=10**6, outbox_events=10**6
)
READY = json.dumps(
    {
        "v": 1,
        "type": "agent_thinking",
        "event_id": "0" * 32,
        "epoch": "0" * 32,
        "seq": 100000,
        "workspace_id": "w",
        "thread_id": "thread",
        "run_id": "run-ada",
        "run_seq": 100000,
        "agent_name": "supervisor",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "payload": {"thought": "x" * 100, "step_number": 1},
    },
    separators=(",", ":"),
)


class Bare:
    """What uvicorn does without us: a loop that sends text that is ready."""

    def __init__(self) -> None:
        self.sockets: list[WebSocket] = []
        self.app = Starlette(routes=[WebSocketRoute("/ws", self.ws)])

    async def ws(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text('{"type":"connection_established"}')
        self.sockets.append(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            self.sockets.remove(websocket)

    async def push(self, count: int, batch: int) -> None:
        for _ in range(count):
            for websocket in self.sockets:
                await websocket.send_text(READY)


class Apex:
    """The manager over a log in memory or in SQLite."""

    def __init__(self, database: str | None) -> None:
        self.database = database
        self.fan_out = InProcessFanOut()
        self.log: EventLog
        self.closers: list[Any] = []
        self.appended = 0

    async def start(self) -> None:
        if self.database is None:
            self.log = MemoryEventLog(fan_out=self.fan_out)
        else:
            from netra_backend.migrations import migrate_platform
            from netra_core.database import DatabaseSessionManager, GroupCommit

            url = f"sqlite+aiosqlite:///{self.database}"
            await migrate_platform(url)
            sessions = DatabaseSessionManager(url)
            commits = GroupCommit(sessions)
            self.log = SqlEventLog(sessions, commits, fan_out=self.fan_out, cached_runs=4096)
        self.manager = UnifiedWebSocketManager(
            event_log=self.log, fan_out=self.fan_out, limits=LIMITS
        )
        await self.manager.start()
        self.app = socket_app(manager=self.manager, event_log=self.log)

    async def push(self, count: int, batch: int) -> None:
        """Events of one user, `batch` a commit."""
        for start in range(0, count, batch):
            await self.append("ada", min(batch, count - start), "x" * 100)

    async def append(self, user: str, count: int, thought: str) -> None:
        ctx = UserExecutionContext(user_id=user, workspace_id="w1", request_id="b")
        new = [self.thought(user, thought) for _ in range(count)]
        await self.log.append_many(ctx, new)

    async def begin(self, users: int) -> None:
        """Open a run for each user."""
        for n in range(users):
            ctx = UserExecutionContext(user_id=f"u{n}", workspace_id="w1", request_id="b")
            await self.log.append(ctx, reference_run(f"run-u{n}")[0])

    def thought(self, user: str, thought: str) -> NewEvent:
        self.appended += 1
        return NewEvent.of(
            AgentThinking(thought, 1),
            run_id=f"run-{user}",
            thread_id="thread",
            step=f"s{self.appended}",
            ordinal=0,
            agent_name="supervisor",
        )

    async def rate(self, users: int, per_second: int, seconds: float) -> str:
        """Open loop: events are due at fixed times; each carries the moment it was due."""
        total = int(per_second * seconds)
        began = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        sent = 0
        while sent < total:
            due = min(total, int((time.monotonic() - began) * per_second))
            for n in range(sent, due):
                stamp = f"{began + n / per_second:017.6f}"
                task = asyncio.create_task(self.append(f"u{n % users}", 1, f"due={stamp}"))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            sent = due
            await asyncio.sleep(0.002)
        while tasks:
            await asyncio.wait(tasks)
        return f"{total} events in {time.monotonic() - began:.2f} s"


def memory_kb() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


async def obey(served: "Bare | Apex", line: str) -> str:
    command, *arguments = line.split()
    if command == "push":
        await served.push(int(arguments[0]), int(arguments[1]))
        return "pushed"
    if command == "memory":
        return str(memory_kb())
    assert isinstance(served, Apex)
    if command == "begin":
        await served.begin(int(arguments[0]))
        return "begun"
    if command == "start":
        ctx = UserExecutionContext(user_id="ada", workspace_id="w1", request_id="b")
        await served.log.append(ctx, reference_run("run-ada")[0])
        return "started"
    if command == "rate":
        return await served.rate(int(arguments[0]), int(arguments[1]), float(arguments[2]))
    if command == "drop":
        for connection in list(served.manager._connections.values()):
            connection.transport.abort()
        return "dropped"
    raise ValueError(line)


async def main() -> None:
    mode, *rest = sys.argv[1:]
    if mode == "bare":
        served: Bare | Apex = Bare()
        options: dict[str, Any] = {"ws_per_message_deflate": False}
    else:
        served = Apex(rest[0] if rest else None)
        await served.start()
        options = uvicorn_socket_options(LIMITS)
    # As `apex serve` listens: with the protocol named asyncio sets TCP_NODELAY.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    config = uvicorn.Config(served.app, log_level="critical", lifespan="off", **options)
    serving = asyncio.create_task(uvicorn.Server(config).serve([listener]))
    print(listener.getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(await obey(served, line), flush=True)
    serving.cancel()


if __name__ == "__main__":
    asyncio.run(main())
