"""Client of Apex's public protocol: HTTP, WebSocket that resumes, server-sent events."""

from netra_client.closing import Reaction, reaction_to
from netra_client.errors import (
    ApiError,
    ClientError,
    ProtocolError,
    SignedOutError,
    UnreachableError,
)
from netra_client.events import AgentView, Draft, LiveEvent, RunStatus, RunView, TextDelta, ToolView
from netra_client.http import ApexClient, socket_url
from netra_client.live import LiveConnection
from netra_client.protocol import (
    Accepted,
    Connected,
    LiveProtocol,
    Refused,
    Resynced,
    Transient,
    Update,
)
from netra_client.sse import SseDecoder

__all__ = [
    "Accepted",
    "AgentView",
    "ApexClient",
    "ApiError",
    "ClientError",
    "Connected",
    "Draft",
    "LiveConnection",
    "LiveEvent",
    "LiveProtocol",
    "ProtocolError",
    "Reaction",
    "Refused",
    "Resynced",
    "RunStatus",
    "RunView",
    "SignedOutError",
    "SseDecoder",
    "TextDelta",
    "ToolView",
    "Transient",
    "UnreachableError",
    "Update",
    "reaction_to",
    "socket_url",
]
