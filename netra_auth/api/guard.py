"""Bounds on every request and safe headers on every answer."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netra_auth.api.problems import problem
from netra_auth.errors import BodyTooLarge
from netra_core.private_answers import private

MAX_BODY = 64 * 1024


class GuardMiddleware:
    """Refuses bodies over 64 KiB and keeps answers out of caches, frames and guesses of type."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        send_safe = private(send, X_Frame_Options="DENY", Referrer_Policy="no-referrer")
        body = await _read(scope, receive)
        if body is None:
            await problem(BodyTooLarge("The body is too large."))(scope, receive, send_safe)
            return
        await self._app(scope, _replay(body, receive), send_safe)


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body, or None as soon as it is known to be too large."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY:
            return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body that was read, then whatever comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
