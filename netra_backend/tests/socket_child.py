"""A node whose sockets keep state, until somebody kills or stops it.

The one argument is a Plan as JSON. It says `kept` once two sockets are open and have written; after
a line on its input it says whether its fence held, how its sockets ended, and writes for a new one.
"""

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import websockets

from netra_backend.tests.crash_child import Plan, say
from netra_backend.tests.kit import Person, person, stack
from netra_core.context import UserExecutionContext
from netra_core.database import SystemContext
from netra_core.errors import ApexError
from netra_core.state import Scope, UnifiedStateManager
from netra_core.testing.postgres import TestDatabase


def of(someone: Person) -> UserExecutionContext:
    return UserExecutionContext(
        user_id=someone.user_id, workspace_id=someone.workspace_id, request_id="r"
    )


async def keep(state: UnifiedStateManager, someone: Person, connection_id: str) -> str:
    """Write for a connection; what came of it."""
    view = state.for_context(of(someone), connection_id=connection_id)
    try:
        await view.set("tab", "open", scope=Scope.WEBSOCKET)
    except ApexError as error:
        return type(error).__name__
    return "written"


async def main(plan: Plan) -> None:
    database = TestDatabase(*plan.database) if plan.database else None
    how = "register" if database is None else "login"
    async with stack(Path(plan.home), database=database, node_id=plan.node_id) as made:
        state = made.platform.deps.state
        assert state is not None
        async with person(made.url, "ada", how=how) as ada, ada.socket() as one:
            async with ada.socket() as two:
                ids = [socket.established["connection_id"] for socket in (one, two)]
                first = [await keep(state, ada, name) for name in ids]
                say("kept", ids=ids, outcome=first)
                fence = state.connection_fence
                assert fence is not None
                await asyncio.to_thread(sys.stdin.readline)
                held = await state.store.holds(SystemContext(actor="test"), fence)
                closed = [await end_of(socket.raw) for socket in (one, two)]
        async with ada.socket() as three:
            again = await keep(state, ada, three.established["connection_id"])
        say("woke", held=held, closed=closed, again=again)


async def end_of(socket: websockets.ClientConnection) -> int | None:
    """The code it is closed with."""
    try:
        while True:
            json.loads(await socket.recv())
    except websockets.ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
