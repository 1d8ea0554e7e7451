"""Headers that every answer over HTTP has: kept out of caches and of guesses of type."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class PrivateAnswers:
    """Keeps answers out of caches, on disk and between, unless one says otherwise itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self._app(scope, receive, private(send) if scope["type"] == "http" else send)


def private(send: Send, **more: str) -> Send:
    """Sends an answer with these headers; `more` are further ones, a dash written as `_`."""

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Cache-Control", "no-store")
            headers["X-Content-Type-Options"] = "nosniff"
            for name, value in more.items():
                headers[name.replace("_", "-")] = value
        await send(message)

    return send_private
