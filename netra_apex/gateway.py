"""One address for all services: each request goes to the app that owns its path."""

from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.applications import Starlette

AUTH_PREFIXES = ("/auth", "/.well-known")
BACKEND_PREFIXES = ("/api", "/v1", "/ws", "/health", "/metrics", "/openapi.json")


class Gateway:
    """Routes by first path segment; starts the services in order and stops them in reverse."""

    def __init__(
        self,
        *,
        services: "Sequence[tuple[tuple[str, ...], Starlette]]",
        otherwise: ASGIApp | None = None,
    ) -> None:
        self.services = services
        self._otherwise = otherwise
        self.failure: Exception | None = None
        """Why a service did not start or stop, when one did not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, socket, or the process's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        app = self._owner(scope["path"])
        if app is not None:
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "no such socket"})
        else:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    def _owner(self, path: str) -> ASGIApp | None:
        for prefixes, app in self.services:
            if any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes):
                return app
        return self._otherwise

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        stage = "startup"
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                stage = "shutdown"
                await receive()
        except Exception as error:
            # uvicorn logs the message; the error itself is kept for whoever started the server.
            self.failure = error
            await send({"type": f"lifespan.{stage}.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def running(self) -> "AsyncGenerator[None]":
        """The services started; stopped in reverse afterwards."""
        async with AsyncExitStack() as stack:
            for _, app in self.services:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield
