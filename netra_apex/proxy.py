"""One origin before services in other processes: HTTP and WebSocket requests are passed on."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host"}
)
CONNECT_TIMEOUT_S = 2.0
TO_NODES = httpx.Limits(max_connections=None, keepalive_expiry=2.0)
"""As many connections as there are requests: one may be a stream that stays. One that rests is let
go before its node does so (after 5 s), or a request could go into one that is just being closed.
"""


class Upstreams:
    """Nodes of one service, taken in turn; the next one is tried when one cannot be reached."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._turn = count()

    def in_turn(self) -> list[str]:
        """All nodes, another one first each time."""
        first = next(self._turn) % len(self._urls)
        return [*self._urls[first:], *self._urls[:first]]


def create_proxy(prefixes: Sequence[str], urls: Sequence[str]) -> Starlette:
    """Pass paths with these prefixes on to the nodes at these base URLs.

    A node that cannot be reached is passed over; when none can, the answer is 503 with
    Retry-After. Bodies are streamed both ways. Answers in progress end with their node: clients
    resume, as the protocol says.
    """
    client = httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        limits=TO_NODES,
        follow_redirects=False,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with client:
            yield

    http, socket = _endpoints(client, Upstreams(urls))
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    routes: list[Route | WebSocketRoute] = []
    for prefix in prefixes:
        for path in (prefix, f"{prefix}/{{rest:path}}"):
            routes.append(Route(path, http, methods=methods))
            routes.append(WebSocketRoute(path, socket))
    return Starlette(routes=routes, lifespan=lifespan)


def _endpoints(
    client: httpx.AsyncClient, upstreams: Upstreams
) -> tuple[Callable[[Request], Awaitable[Response]], Callable[[WebSocket], Awaitable[None]]]:
    async def http(request: Request) -> Response:
        # A body that has been read cannot be sent to a second node.
        retryable = request.method in {"GET", "HEAD", "OPTIONS"}
        for base in upstreams.in_turn():
            try:
                return await _forward(client, request, base)
            except httpx.ConnectError:
                continue
            except httpx.TransportError:
                if not retryable:
                    break
        return JSONResponse(
            {"title": "No node answers.", "code": "APX-503", "retryable": True, "status": 503},
            status_code=503,
            headers={"Retry-After": "1"},
            media_type="application/problem+json",
        )

    async def socket(websocket: WebSocket) -> None:
        for base in upstreams.in_turn():
            try:
                upstream = await _open(websocket, base)
            except (OSError, InvalidHandshake, TimeoutError):
                continue
            async with upstream:
                await websocket.accept(subprotocol=upstream.subprotocol)
                await _pump(websocket, upstream)
            return
        await websocket.close(1013, "no node answers")

    return http, socket


async def _forward(client: httpx.AsyncClient, request: Request, base: str) -> Response:
    outgoing = client.build_request(
        request.method,
        f"{base}{request.url.path}",
        params=request.url.query.encode() or None,
        headers=_forwarded(request),
        content=request.stream()
        if "content-length" in request.headers or "transfer-encoding" in request.headers
        else None,
    )
    answer = await client.send(outgoing, stream=True)

    async def body() -> AsyncGenerator[bytes]:
        try:
            async for chunk in answer.aiter_raw():
                yield chunk
        finally:
            await answer.aclose()

    response = StreamingResponse(body(), status_code=answer.status_code)
    response.raw_headers = [
        (name.lower(), value)
        for name, value in answer.headers.raw
        if name.decode().lower() not in HOP_BY_HOP
    ]
    return response


def _forwarded(request: Request | WebSocket) -> dict[str, str]:
    kept = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
    client = request.client.host if request.client else "unknown"
    # What a client claims about itself is replaced, not passed on.
    for name in [name for name in kept if name.startswith("x-forwarded") or name == "forwarded"]:
        del kept[name]
    kept["x-forwarded-for"] = client
    kept["x-forwarded-host"] = request.headers.get("host", "")
    kept["x-forwarded-proto"] = "https" if request.url.scheme in {"https", "wss"} else "http"
    kept["host"] = request.headers.get("host", "")
    return kept


async def _open(websocket: WebSocket, base: str) -> ClientConnection:
    query = f"?{websocket.url.query}" if websocket.url.query else ""
    headers = {
        name: value
        for name, value in _forwarded(websocket).items()
        if not name.startswith("sec-websocket") and name not in {"host", "origin"}
    }
    return await connect(
        f"{base.replace('http', 'ws', 1)}{websocket.url.path}{query}",
        additional_headers=headers,
        origin=websocket.headers.get("origin"),  # pyright: ignore[reportArgumentType]
        open_timeout=CONNECT_TIMEOUT_S,
        compression=None,
        max_size=None,
        ping_interval=None,
        user_agent_header=None,
    )


async def _pump(websocket: WebSocket, upstream: ClientConnection) -> None:
    """Pass messages both ways until one side closes; the close code is passed on too."""

    async def up() -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                await upstream.close(message.get("code") or 1000)
                return
            text = message.get("text")
            await upstream.send(text if text is not None else message["bytes"])

    async def down() -> None:
        async for message in upstream:
            if isinstance(message, str):
                await websocket.send_text(message)
            else:
                await websocket.send_bytes(message)

    tasks = [asyncio.create_task(up(), name="proxy-up"), asyncio.create_task(down(), name="down")]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    unexpected = [
        error
        for error in results
        if isinstance(error, Exception)
        and not isinstance(error, ConnectionClosed | WebSocketDisconnect)
    ]
    if unexpected:
        raise unexpected[0]
    if upstream.close_code is not None and tasks[1].done():
        code = upstream.close_code if upstream.close_code not in {1005, 1006} else 1012
        await _close(websocket, code, upstream.close_reason or "")


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    if websocket.client_state.name == "CONNECTED":
        await websocket.close(code, reason)
