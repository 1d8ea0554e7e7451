"""WebSocket and SSE delivery: who is connected, and delivery to exactly them."""

from typing import TYPE_CHECKING

from netra_core.websocket.close_codes import CloseCode
from netra_core.websocket.connection import Connection
from netra_core.websocket.dispatch import SocketHandlers
from netra_core.websocket.errors import (
    HandlerFailedError,
    MalformedMessageError,
    MessageTooBigError,
    NoSuchConnectionError,
    NotAuthenticatedError,
    NotCriticalEventError,
    OperatorsOnlyError,
    OriginRefusedError,
    SessionRevokedError,
    ShuttingDownError,
    TooManyConnectionsError,
    TooManyMessagesError,
)
from netra_core.websocket.limits import SocketLimits
from netra_core.websocket.manager import OperatorPass, ThreadOwner, UnifiedWebSocketManager
from netra_core.websocket.messages import CancelRun, MessageAccepted, UserMessage
from netra_core.websocket.recovery import Recovery, Replay, Resync
from netra_core.websocket.reports import ConnectionHealth, DeliveryReport, ManagerStats
from netra_core.websocket.serving import uvicorn_socket_options
from netra_core.websocket.supervisor import TaskHealth, TaskSupervisor
from netra_core.websocket.tickets import (
    MemoryTicketStore,
    RedeemedTicket,
    SocketIdentity,
    Ticket,
    TicketStore,
)
from netra_core.websocket.transport import SocketTransport

if TYPE_CHECKING:
    from netra_core.websocket.endpoint import serve_socket as serve_socket
    from netra_core.websocket.live_state import LiveState as LiveState
    from netra_core.websocket.socket_state import SocketState as SocketState
    from netra_core.websocket.sse import run_events_response as run_events_response

_AT_FIRST_USE = {
    "LiveState": "netra_core.websocket.live_state",
    "SocketState": "netra_core.websocket.socket_state",
    "serve_socket": "netra_core.websocket.endpoint",
    "run_events_response": "netra_core.websocket.sse",
}


def __getattr__(name: str) -> object:
    """Import what stands on Starlette or SQLAlchemy at first use; the rest needs neither."""
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_AT_FIRST_USE[name]), name)


__all__ = [
    "CancelRun",
    "CloseCode",
    "Connection",
    "ConnectionHealth",
    "DeliveryReport",
    "HandlerFailedError",
    "LiveState",
    "MalformedMessageError",
    "ManagerStats",
    "MemoryTicketStore",
    "MessageAccepted",
    "MessageTooBigError",
    "NoSuchConnectionError",
    "NotAuthenticatedError",
    "NotCriticalEventError",
    "OperatorPass",
    "OperatorsOnlyError",
    "OriginRefusedError",
    "Recovery",
    "RedeemedTicket",
    "Replay",
    "Resync",
    "SessionRevokedError",
    "ShuttingDownError",
    "SocketHandlers",
    "SocketIdentity",
    "SocketLimits",
    "SocketState",
    "SocketTransport",
    "TaskHealth",
    "TaskSupervisor",
    "ThreadOwner",
    "Ticket",
    "TicketStore",
    "TooManyConnectionsError",
    "TooManyMessagesError",
    "UnifiedWebSocketManager",
    "UserMessage",
    "run_events_response",
    "serve_socket",
    "uvicorn_socket_options",
]
