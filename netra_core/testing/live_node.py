"""One live node on loopback: a manager over an event log, with a small service around it."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from netra_core.events import EventLog, FanOut
from netra_core.testing.servers import RunningServer, running
from netra_core.testing.socket_app import LoggedRuns, socket_app
from netra_core.websocket import SocketLimits, UnifiedWebSocketManager, uvicorn_socket_options


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A running node."""

    manager: UnifiedWebSocketManager
    event_log: EventLog
    handlers: LoggedRuns
    server: RunningServer


@contextlib.asynccontextmanager
async def live_node(
    event_log: EventLog,
    fan_out: FanOut,
    *,
    limits: SocketLimits | None = None,
    port: int = 0,
    poll_s: float = 5.0,
) -> AsyncGenerator[LiveNode]:
    """Serve a node until the block ends; then every socket is closed with 1012."""
    bounds = limits or SocketLimits(resume_grace_s=0.05)
    manager = UnifiedWebSocketManager(
        event_log=event_log, fan_out=fan_out, limits=bounds, sweep_s=0.02, poll_s=poll_s
    )
    handlers = LoggedRuns(event_log)
    app = socket_app(
        manager=manager,
        event_log=event_log,
        handlers=handlers,
        allowed_origins=("https://app.example",),
    )
    async with running(app, port=port, **uvicorn_socket_options(bounds)) as server, manager:
        yield LiveNode(manager, event_log, handlers, server)
