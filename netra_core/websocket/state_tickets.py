"""Tickets that every node of a cluster takes, kept in the shared state."""

import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from netra_core.context import Role, UserExecutionContext
from netra_core.database import SystemContext
from netra_core.state import Scope, UnifiedStateManager
from netra_core.websocket.tickets import (
    TICKET_TTL_S,
    RedeemedTicket,
    SocketIdentity,
    Ticket,
    ticket_digest,
)

_PLATFORM: Final = SystemContext(actor="ws_tickets")


class StateTicketStore:
    """A TicketStore over the shared state: issued on one node, used once on any.

    Only a digest of the ticket is stored. Of two that redeem at once, the one whose delete found
    the entry wins.
    """

    def __init__(
        self,
        state: UnifiedStateManager,
        *,
        ttl_s: float = TICKET_TTL_S,
        clock: Callable[[], float] = time.time,
        new_ticket: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._view = state.for_context(_PLATFORM)
        self._ttl_s = ttl_s
        self._clock = clock
        self._new_ticket = new_ticket

    async def issue(self, identity: SocketIdentity) -> Ticket:
        """A new ticket, bound to this user, workspace and session."""
        ticket = self._new_ticket()
        context = identity.context
        stored = {
            "user_id": context.user_id,
            "workspace_id": context.workspace_id,
            "session_id": context.session_id,
            "roles": sorted(role.value for role in context.roles),
            "expires_at": identity.expires_at,
            "issued_at": self._clock(),
        }
        await self._view.set(_key(ticket), stored, scope=Scope.GLOBAL, ttl=self._ttl_s)
        return Ticket(ticket=ticket, expires_in=self._ttl_s)

    async def redeem(self, ticket: str) -> RedeemedTicket | None:
        """The identity, once; None for a ticket that is unknown, used or expired."""
        key = _key(ticket)
        stored: Any = await self._view.get(key, scope=Scope.GLOBAL)
        if stored is None or not await self._view.delete(key, scope=Scope.GLOBAL):
            return None
        context = UserExecutionContext(
            user_id=stored["user_id"],
            workspace_id=stored["workspace_id"],
            session_id=stored["session_id"],
            roles=frozenset(Role(role) for role in stored["roles"]),
            request_id="socket",
        )
        return RedeemedTicket(
            identity=SocketIdentity(context=context, expires_at=stored["expires_at"]),
            age_s=max(0.0, self._clock() - stored["issued_at"]),
        )


def _key(ticket: str) -> str:
    return f"ws_ticket/{ticket_digest(ticket)}"
