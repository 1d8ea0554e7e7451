"""What becomes of a second message while a run works in its thread, over the socket."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from netra_backend.runs.approvals import Approvals
from netra_backend.tests.kit import ServerThread, Socket, ended, person
from netra_backend.tests.state_database import Database, user
from netra_core.testing.waiting import eventually

pytestmark = pytest.mark.integration


async def say(socket: Socket, content: str, **more: Any) -> dict[str, Any]:
    """What a message is answered."""
    key = uuid.uuid4().hex
    await socket.send(type="user_message", content=content, client_message_id=key, **more)
    return (await socket.until(lambda m: m.get("client_message_id") == key))[-1]


async def test_the_sender_chooses_to_wait_to_be_refused_or_to_interrupt(
    served: ServerThread,
) -> None:
    async with person(served.url, "chooser") as ada, ada.socket(speak=True) as socket:
        first = await say(socket, "hold this")
        there = {"thread_id": first["thread_id"]}
        waits = await say(socket, "And this?", **there)
        refused = await say(socket, "Only if free", while_busy="reject", **there)
        odd = {"type": "user_message", "content": "?", "client_message_id": "x"}
        await socket.send(**odd, while_busy="shout")
        wrong = (await socket.until(lambda m: m["type"] == "error"))[-1]
        now = await say(socket, "Drop that", while_busy="interrupt", **there)
        runs = [await ended(ada, one["run_id"]) for one in (first, waits, now)]
    assert (refused["type"], refused["code"]) == ("error", "RUN-003")
    assert wrong["code"] == "WS-001"
    assert [run["status"] for run in runs] == ["cancelled", "cancelled", "completed"]


@pytest.mark.both_databases
async def test_two_executions_that_ask_the_same_at_once_make_one_request(
    database: Database,
) -> None:
    """One that was taken over does not know it yet."""
    ctx = user(run_id="r", thread_id="t")
    asking = [Approvals(database.sessions, lambda: datetime.now(UTC)) for _ in range(8)]
    waiting = [asyncio.create_task(one.ask(ctx, "q", title="Go on?", detail={})) for one in asking]
    found = await eventually(lambda: asking[0].pending(ctx))
    await asking[0].decide(ctx, "q", approve=True)
    assert await asyncio.gather(*waiting) == [True] * 8
    assert [one.id for one in found] == ["q"]
