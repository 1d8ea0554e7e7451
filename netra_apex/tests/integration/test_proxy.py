"""One origin before nodes in other processes, over real sockets."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from netra_apex.proxy import create_proxy
from netra_core.testing.servers import running

STREAMS = 120


def node(over: asyncio.Event) -> Starlette:
    """A node with streams that stay until `over`, and a path that answers at once."""

    async def pieces() -> AsyncGenerator[bytes]:
        yield b"begun"
        await over.wait()

    async def stream(_: Request) -> Response:
        return StreamingResponse(pieces())

    async def now(_: Request) -> Response:
        return JSONResponse({"answered": True})

    return Starlette(routes=[Route("/api/stream", stream), Route("/api/now", now)])


async def test_streams_that_stay_open_hold_up_nobody_else() -> None:
    over = asyncio.Event()
    many = httpx.Limits(max_connections=None)
    async with (
        running(node(over)) as upstream,
        running(create_proxy(["/api"], [upstream.url]), lifespan="on") as origin,
        httpx.AsyncClient(base_url=origin.url, limits=many, timeout=20) as http,
        AsyncExitStack() as streams,
    ):
        open_ones: list[AsyncIterator[bytes]] = []
        for _ in range(STREAMS):
            answer = await streams.enter_async_context(http.stream("GET", "/api/stream"))
            open_ones.append(answer.aiter_raw())
            assert await anext(open_ones[-1]) == b"begun"
        assert (await http.get("/api/now")).json() == {"answered": True}
        over.set()
