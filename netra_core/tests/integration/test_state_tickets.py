"""Tickets of a cluster, on both databases."""

import asyncio

import pytest

from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager, GroupCommit
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.websocket import SocketIdentity
from netra_core.websocket.state_tickets import StateTicketStore

pytestmark = pytest.mark.integration


async def test_a_ticket_issued_on_one_node_is_good_once_on_another(
    sessions: DatabaseSessionManager, commits: GroupCommit
) -> None:
    issuing, taking = (
        StateTicketStore(UnifiedStateManager(SqlStateStore(sessions, commits))) for _ in "ab"
    )
    context = UserExecutionContext(user_id="ada", workspace_id="w1", request_id="socket")
    issued = await issuing.issue(SocketIdentity(context=context, expires_at=1e10))
    outcomes = await asyncio.gather(*[taking.redeem(issued.ticket) for _ in range(4)])
    (redeemed,) = [outcome for outcome in outcomes if outcome is not None]
    assert redeemed.identity == SocketIdentity(context=context, expires_at=1e10)
    assert await issuing.redeem(issued.ticket) is None
