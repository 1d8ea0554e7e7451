"""One-time tickets, in memory and in the shared state."""

import asyncio

import pytest

from netra_core.context import Role, UserExecutionContext
from netra_core.state import MemoryStateStore, UnifiedStateManager
from netra_core.websocket import MemoryTicketStore, SocketIdentity, TicketStore
from netra_core.websocket.state_tickets import StateTicketStore

IDENTITY = SocketIdentity(
    context=UserExecutionContext(
        user_id="ada",
        workspace_id="w1",
        request_id="socket",
        session_id="s1",
        roles=frozenset({Role.ANALYST}),
    ),
    expires_at=2000.0,
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "state"])
def store(request: pytest.FixtureRequest, clock: Clock) -> TicketStore:
    if request.param == "memory":
        return MemoryTicketStore(monotonic=clock)
    state = UnifiedStateManager(MemoryStateStore(now=clock))
    return StateTicketStore(state, clock=clock)


async def test_a_ticket_gives_its_identity_once(store: TicketStore, clock: Clock) -> None:
    issued = await store.issue(IDENTITY)
    other = await store.issue(IDENTITY)
    clock.now += 5
    redeemed = await store.redeem(issued.ticket)
    assert redeemed is not None
    assert (redeemed.identity, redeemed.age_s) == (IDENTITY, 5.0)
    assert await store.redeem(issued.ticket) is None
    assert await store.redeem(other.ticket) is not None
    assert issued.ticket != other.ticket and issued.expires_in == 30.0


async def test_an_expired_or_unknown_ticket_gives_nothing(store: TicketStore, clock: Clock) -> None:
    issued = await store.issue(IDENTITY)
    clock.now += 30
    assert await store.redeem(issued.ticket) is None
    assert await store.redeem("nobody's") is None


async def test_of_two_that_redeem_at_once_one_gets_in(store: TicketStore) -> None:
    issued = await store.issue(IDENTITY)
    outcomes = await asyncio.gather(*[store.redeem(issued.ticket) for _ in range(5)])
    assert sum(outcome is not None for outcome in outcomes) == 1


async def test_memory_holds_no_more_than_its_limit(clock: Clock) -> None:
    store = MemoryTicketStore(limit=3, monotonic=clock)
    tickets = [await store.issue(IDENTITY) for _ in range(5)]
    assert len(store) == 3
    assert await store.redeem(tickets[0].ticket) is None
    assert await store.redeem(tickets[-1].ticket) is not None
