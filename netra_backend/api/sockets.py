"""The socket and its tickets."""

from fastapi import APIRouter, WebSocket

from netra_backend.api.edge import Person, PlatformDep, socket_identity
from netra_backend.api.models import TicketOut
from netra_backend.api.problems import RESPONSES
from netra_backend.chat.records import WhileBusy
from netra_backend.composition import Platform
from netra_backend.errors import ForbiddenError
from netra_core.context import Role, UserExecutionContext
from netra_core.websocket import (
    CancelRun,
    MessageAccepted,
    SocketIdentity,
    UserMessage,
    serve_socket,
)

router = APIRouter()


@router.post("/api/ws/ticket", tags=["chat"], responses=RESPONSES)
async def issue_ticket(caller: Person, platform: PlatformDep) -> TicketOut:
    """Give a one-time ticket with which a browser opens `/ws`."""
    ticket = await platform.deps.tickets.issue(
        SocketIdentity(context=caller.ctx, expires_at=caller.identity.expires_at)
    )
    return TicketOut(ticket=ticket.ticket, expires_in=ticket.expires_in)


@router.websocket("/ws")
async def socket(websocket: WebSocket) -> None:
    """Serve one socket; see docs/protocol.md."""
    platform: Platform = websocket.app.state.platform
    if not platform.ready:
        await websocket.close()
        return

    async def authenticate(bearer: str) -> SocketIdentity:
        return await socket_identity(platform, bearer)

    await serve_socket(
        websocket,
        manager=platform.sockets,
        authenticate=authenticate,
        handlers=ChatHandlers(platform),
        tickets=platform.deps.tickets,
        allowed_origins=platform.options.allowed_origins,
    )


class ChatHandlers:
    """What messages of a socket lead to."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def user_message(
        self, ctx: UserExecutionContext, message: UserMessage
    ) -> MessageAccepted:
        """Accept a message, as over HTTP."""
        _need_analyst(ctx)
        accepted = await self._platform.chat.send(
            ctx,
            content=message.content,
            client_message_id=message.client_message_id,
            thread_id=message.thread_id,
            while_busy=WhileBusy(message.while_busy),
        )
        return MessageAccepted(
            message.client_message_id, accepted.thread_id, accepted.run_id, accepted.duplicate
        )

    async def cancel_run(self, ctx: UserExecutionContext, message: CancelRun) -> None:
        """Cancel a run, as over HTTP."""
        _need_analyst(ctx)
        await self._platform.runs.cancel(ctx, message.run_id, reason="cancelled by the user")


def _need_analyst(ctx: UserExecutionContext) -> None:
    if not ctx.has_role(Role.OWNER, Role.ADMIN, Role.ANALYST):
        raise ForbiddenError("Your role in this workspace does not allow this.")
