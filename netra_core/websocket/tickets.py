"""One-time tickets, with which a browser opens a socket without a token in its address."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from netra_core.context import UserExecutionContext

TICKET_TTL_S = 30.0
MAX_TICKETS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketIdentity:
    """Who opens a socket, and until when (Unix time) the token behind it is good."""

    context: UserExecutionContext
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemedTicket:
    """The identity a ticket was issued to, and how long ago, in seconds."""

    identity: SocketIdentity
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket to hand to the client; good for `expires_in` seconds and one use."""

    ticket: str
    expires_in: float


class TicketStore(Protocol):
    """Keeps tickets between issue and use. A ticket is good once and for a short time."""

    async def issue(self, identity: SocketIdentity) -> Ticket:
        """A new ticket, bound to this user, workspace and session."""
        ...

    async def redeem(self, ticket: str) -> RedeemedTicket | None:
        """The identity, once; None for a ticket that is unknown, used or expired."""
        ...


def ticket_digest(ticket: str) -> str:
    """What is stored in place of a ticket."""
    return hashlib.sha256(ticket.encode()).hexdigest()


class MemoryTicketStore:
    """Tickets of one process. Holds at most `limit`; the oldest give way."""

    def __init__(
        self,
        *,
        ttl_s: float = TICKET_TTL_S,
        limit: int = MAX_TICKETS,
        monotonic: Callable[[], float] = time.monotonic,
        new_ticket: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._ttl_s = ttl_s
        self._limit = limit
        self._monotonic = monotonic
        self._new_ticket = new_ticket
        self._tickets: dict[str, tuple[float, SocketIdentity]] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    async def issue(self, identity: SocketIdentity) -> Ticket:
        """A new ticket; expired ones are dropped on the way."""
        now = self._monotonic()
        while self._tickets:
            oldest = next(iter(self._tickets))
            expired = now - self._tickets[oldest][0] >= self._ttl_s
            if not expired and len(self._tickets) < self._limit:
                break
            del self._tickets[oldest]
        ticket = self._new_ticket()
        self._tickets[ticket_digest(ticket)] = (now, identity)
        return Ticket(ticket=ticket, expires_in=self._ttl_s)

    async def redeem(self, ticket: str) -> RedeemedTicket | None:
        """The identity, once."""
        found = self._tickets.pop(ticket_digest(ticket), None)
        if found is None:
            return None
        age = self._monotonic() - found[0]
        return RedeemedTicket(identity=found[1], age_s=age) if age < self._ttl_s else None
