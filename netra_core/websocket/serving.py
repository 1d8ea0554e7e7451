"""How uvicorn has to be set up for the limits to hold."""

from typing import Any

from netra_core.websocket.limits import SocketLimits


def uvicorn_socket_options(limits: SocketLimits) -> dict[str, Any]:  # Any: uvicorn's options
    """Keyword arguments for uvicorn.Config.

    The protocol takes events that were encoded once for all sockets, and drops peers that never
    read. Oversized messages are cut off while they arrive (1009), so they are never held in memory.
    Dead peers are found by protocol pings (1011). Compression is off: it costs some hundred kB a
    connection and would encode an event once a socket.
    """
    return {
        "ws": "netra_core.websocket.uvicorn_protocol:SocketProtocol",
        "ws_max_size": limits.message_bytes,
        "ws_ping_interval": limits.heartbeat_s,
        "ws_ping_timeout": limits.heartbeat_s,
        "ws_per_message_deflate": False,
    }
