"""`/ws` on Starlette or FastAPI: accept, authenticate, read, dispatch."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from netra_core.errors import ApexError
from netra_core.websocket.close_codes import CloseCode
from netra_core.websocket.connection import Connection
from netra_core.websocket.dispatch import Dispatcher, SocketHandlers
from netra_core.websocket.errors import (
    NotAuthenticatedError,
    SessionRevokedError,
    ShuttingDownError,
    TooManyConnectionsError,
)
from netra_core.websocket.manager import UnifiedWebSocketManager
from netra_core.websocket.messages import encode_message, error_frame
from netra_core.websocket.starlette_transport import StarletteTransport
from netra_core.websocket.tickets import SocketIdentity, TicketStore

Authenticate: TypeAlias = Callable[[str], Awaitable[SocketIdentity]]
"""A bearer token to its identity; raises an ApexError for one that is not valid."""

_log = structlog.get_logger("netra.websocket")


async def serve_socket(
    websocket: WebSocket,
    *,
    manager: UnifiedWebSocketManager,
    authenticate: Authenticate,
    handlers: SocketHandlers,
    tickets: TicketStore | None = None,
    allowed_origins: Sequence[str] = (),
) -> None:
    """Serve one socket until it ends.

    A page's Origin must be this host or in `allowed_origins` (403 before accepting); programs
    send none. Credentials are `Authorization: Bearer` or a one-time `?ticket=`; without valid ones
    the socket is accepted, told why and closed with 4401, since a browser sees no HTTP status.
    """
    if not origin_allowed(websocket, allowed_origins):
        await websocket.close()
        return
    began = time.monotonic()
    try:
        identity, age = await _identify(websocket, authenticate, tickets)
    except ApexError as error:
        _log.info("socket refused", code=error.code)
        await _turn_away(websocket, NotAuthenticatedError("Sign in first."))
        return
    await websocket.accept()
    transport = StarletteTransport(websocket)
    try:
        connection = await manager.add_connection(
            transport,
            identity.context,
            expires_at=identity.expires_at,
            authenticated_at=began - age,
        )
    except ApexError as error:
        await _turn_away(websocket, error, accepted=True)
        return
    try:
        await _read(websocket, connection, Dispatcher(manager, connection, handlers))
    except asyncio.CancelledError:
        if not transport.aborted:
            raise
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
    finally:
        await manager.remove_connection(connection.connection_id)


def origin_allowed(websocket: WebSocket, allowed: Sequence[str]) -> bool:
    """True without an Origin (no browser), for our own host, and for listed origins."""
    origin = websocket.headers.get("origin")
    if origin is None:
        return True
    if origin.rstrip("/") in {entry.rstrip("/") for entry in allowed}:
        return True
    host = websocket.headers.get("host", "")
    return bool(host) and urlsplit(origin).netloc.lower() == host.lower()


async def _identify(
    websocket: WebSocket, authenticate: Authenticate, tickets: TicketStore | None
) -> tuple[SocketIdentity, float]:
    ticket = websocket.query_params.get("ticket")
    if ticket and tickets is not None:
        redeemed = await tickets.redeem(ticket)
        if redeemed is None:
            raise NotAuthenticatedError("The ticket is unknown, used or expired.")
        return redeemed.identity, redeemed.age_s
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticatedError("There is no bearer token and no ticket.")
    return await authenticate(token.strip()), 0.0


async def _turn_away(websocket: WebSocket, error: ApexError, *, accepted: bool = False) -> None:
    code = CloseCode.SERVER_FAULT
    if isinstance(error, NotAuthenticatedError):
        code = CloseCode.NOT_AUTHENTICATED
    elif isinstance(error, SessionRevokedError):
        code = CloseCode.SESSION_REVOKED
    elif isinstance(error, TooManyConnectionsError):
        code = CloseCode.TOO_MANY_CONNECTIONS
    elif isinstance(error, ShuttingDownError):
        code = CloseCode.RESTART
    try:
        if not accepted:
            await websocket.accept()
        await websocket.send_text(encode_message(error_frame(error)))
        await websocket.close(code, error.message)
    except (WebSocketDisconnect, RuntimeError):
        _log.info("socket left while it was turned away", code=error.code)


async def _read(websocket: WebSocket, connection: Connection, dispatcher: Dispatcher) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("text")
        if data is None:
            data = message.get("bytes")
        if connection.is_open and data is not None:
            await dispatcher.take(data)
            # Messages that have arrived do not suspend `receive`: let the others have their turn.
            await asyncio.sleep(0)
