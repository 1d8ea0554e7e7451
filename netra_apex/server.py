"""Runs the composed application under uvicorn, and tells when it is ready."""

import logging
import socket
from collections.abc import Awaitable, Callable

import uvicorn

from netra_apex.gateway import Gateway
from netra_core.configuration import Settings
from netra_core.errors import ApexError
from netra_core.websocket import SocketLimits, uvicorn_socket_options

GRACE_S = 5
"""How long open requests may take once the server is told to stop."""


class PortTakenError(ApexError):
    """Another program listens on the port."""

    code = "APX-101"


class ServiceNotStartedError(ApexError):
    """A service could not start."""

    code = "APX-102"


class Server(uvicorn.Server):
    """uvicorn that calls back once it listens, with the port it got."""

    def __init__(
        self, config: uvicorn.Config, *, on_ready: Callable[[int], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: "list[socket.socket] | None" = None) -> None:
        """Start listening, then tell."""
        await super().startup(sockets)
        if self.started and sockets:
            await self._on_ready(sockets[0].getsockname()[1])


async def run_server(
    app: Gateway,
    *,
    settings: Settings,
    on_ready: Callable[[int], Awaitable[None]],
) -> None:
    """Serve until a signal says stop; open requests get a few seconds to end.

    Raises:
        PortTakenError: the port is in use.
        ApexError: a service could not start, as the service said.
    """
    listener = _listen(settings.http.host, settings.http.port)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        lifespan="on",
        server_header=False,
        proxy_headers=bool(settings.http.trusted_proxies),
        forwarded_allow_ips=list(settings.http.trusted_proxies),
        timeout_graceful_shutdown=GRACE_S,
        **uvicorn_socket_options(_limits(settings)),
    )
    with listener:
        await Server(config, on_ready=on_ready).serve(sockets=[listener])
    if app.failure is not None:
        if isinstance(app.failure, ApexError):
            raise app.failure
        raise ServiceNotStartedError(
            f"A service failed: {type(app.failure).__name__}: {app.failure}"
        ) from app.failure


def _limits(settings: Settings) -> SocketLimits:
    sockets = settings.websocket
    return SocketLimits(message_bytes=sockets.max_message_bytes, heartbeat_s=sockets.heartbeat_s)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio sets TCP_NODELAY on what it accepts; without it every answer
    # that is written in two parts waits for the client's delayed acknowledgement, some 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            hint="Stop the other program, or choose a port with --port or APEX_HTTP_PORT.",
        ) from None
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def address(settings: Settings, port: int) -> str:
    """Where people reach the server that listens on `port`."""
    local = settings.http.host in {"127.0.0.1", "0.0.0.0", "::1", "::"}
    shown = "localhost" if local else settings.http.host
    return f"http://{shown}:{port}"
