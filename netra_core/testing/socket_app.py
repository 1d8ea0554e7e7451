"""A small live service around the manager: `/ws`, `/api/ws/ticket`, `/api/runs/{id}/events`.

Tokens are "user/workspace/session[/expires_at]"; a user_message logs a reference run. It stands
where tests of delivery need a server and no agents.
"""

import asyncio
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from netra_core.context import UserExecutionContext
from netra_core.errors import ApexError
from netra_core.events import EventLog
from netra_core.testing.runs import reference_run
from netra_core.websocket import (
    CancelRun,
    MemoryTicketStore,
    MessageAccepted,
    NoSuchConnectionError,
    NotAuthenticatedError,
    SocketIdentity,
    UnifiedWebSocketManager,
    UserMessage,
    run_events_response,
    serve_socket,
)


def token_of(
    user: str, *, workspace: str = "w1", session: str = "s1", expires_at: float | None = None
) -> str:
    """A token that the service below takes."""
    parts = [user, workspace, session, *([] if expires_at is None else [str(expires_at)])]
    return "/".join(parts)


async def read_token(token: str) -> SocketIdentity:
    """The identity of a test token. Raises NotAuthenticatedError."""
    user, workspace, session, expires, *_ = [*token.split("/"), "", "", ""]
    if not (user and workspace and session):
        raise NotAuthenticatedError("The token is not valid.")
    context = UserExecutionContext(
        user_id=user, workspace_id=workspace, request_id="socket", session_id=session
    )
    return SocketIdentity(context=context, expires_at=float(expires) if expires else None)


@dataclass
class LoggedRuns:
    """Handlers that log a reference run for each message, once a client_message_id."""

    event_log: EventLog
    accepted: dict[tuple[str, str], MessageAccepted] = field(default_factory=dict)
    runs: set[asyncio.Task[None]] = field(default_factory=set)

    async def user_message(
        self, ctx: UserExecutionContext, message: UserMessage
    ) -> MessageAccepted:
        """Start the run at once; its events come while the answer is made."""
        key = (ctx.user_id, message.client_message_id)
        known = self.accepted.get(key)
        if known is not None:
            return MessageAccepted(
                known.client_message_id, known.thread_id, known.run_id, duplicate=True
            )
        thread_id = message.thread_id or f"thread-{ctx.user_id}"
        run_id = f"run-{ctx.user_id}-{message.client_message_id}"
        answer = MessageAccepted(message.client_message_id, thread_id, run_id)
        self.accepted[key] = answer
        task = asyncio.create_task(self._run(ctx, run_id, thread_id))
        self.runs.add(task)
        task.add_done_callback(self.runs.discard)
        await asyncio.sleep(0)
        return answer

    async def cancel_run(self, ctx: UserExecutionContext, message: CancelRun) -> None:
        """No run is ever known here."""
        raise UnknownRunError(f"There is no run {message.run_id!r}.")

    async def _run(self, ctx: UserExecutionContext, run_id: str, thread_id: str) -> None:
        for new in reference_run(run_id, thread_id=thread_id):
            await self.event_log.append(ctx, new)


class UnknownRunError(NoSuchConnectionError):
    """No such run, as a service would say."""

    code = "RUN-404"


def socket_app(
    *,
    manager: UnifiedWebSocketManager,
    event_log: EventLog,
    handlers: LoggedRuns | None = None,
    tickets: MemoryTicketStore | None = None,
    allowed_origins: tuple[str, ...] = (),
) -> Starlette:
    """The ASGI app of the service."""
    store = tickets or MemoryTicketStore()
    logged = handlers or LoggedRuns(event_log)

    async def ws(websocket: WebSocket) -> None:
        await serve_socket(
            websocket,
            manager=manager,
            authenticate=read_token,
            handlers=logged,
            tickets=store,
            allowed_origins=allowed_origins,
        )

    async def identity(request: Request) -> SocketIdentity:
        return await read_token(request.headers.get("authorization", "").removeprefix("Bearer "))

    async def ticket(request: Request) -> Response:
        try:
            issued = await store.issue(await identity(request))
        except ApexError as error:
            return JSONResponse({"code": error.code}, status_code=error.status)
        return JSONResponse({"ticket": issued.ticket, "expires_in": issued.expires_in})

    async def events(request: Request) -> Response:
        who = await identity(request)
        return await run_events_response(
            manager=manager,
            event_log=event_log,
            ctx=who.context,
            run_id=request.path_params["run_id"],
            last_event_id=request.headers.get("last-event-id"),
        )

    return Starlette(
        routes=[
            WebSocketRoute("/ws", ws),
            Route("/api/ws/ticket", ticket, methods=["POST"]),
            Route("/api/runs/{run_id}/events", events),
        ]
    )
