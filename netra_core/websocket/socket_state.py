"""Websocket-scope state of one process: gone with its connections, also when it is killed."""

import uuid
from collections.abc import Collection

import structlog

from netra_core.database import SystemContext
from netra_core.state import Fence, Owner, Scope, UnifiedStateManager

_SYSTEM = SystemContext(actor="socket_state")
_log = structlog.get_logger("netra.websocket")


class SocketState:
    """The right of one process, the `holder`, to the state of its connections.

    Its connections' ids begin with its name, and what is written for them carries its fence.
    Whoever finds a holder dead takes the fence, so that a process which was only stopped writes
    nothing more, and then deletes what its connections left.
    """

    def __init__(self, state: UnifiedStateManager, holder: str) -> None:
        self._state = state
        self._holder = holder

    def new_connection_id(self) -> str:
        """The id of one more connection."""
        return f"{self._holder}/{uuid.uuid4().hex}"

    async def begin(self) -> None:
        """Take the fence; again after it was lost."""
        self._state.guard_connections(await self._take(self._holder))

    async def lost(self) -> bool:
        """True when somebody found this process dead."""
        fence = self._state.connection_fence
        return fence is not None and not await self._state.store.holds(_SYSTEM, fence)

    async def sweep(self, holders: Collection[str]) -> int:
        """Delete what connections of these holders left; returns how many entries."""
        doomed = [owner for owner in await self._left() if _holder_of(owner) in holders]
        for holder in sorted({_holder_of(owner) for owner in doomed}):
            await self._take(holder)
        count = 0
        for owner in doomed:
            changes = await self._state.store.clear(_SYSTEM, owner, by=_SYSTEM.actor)
            self._state.notify(changes)
            count += len(changes)
        if count:
            _log.warning("state_of_dead_sockets_deleted", entries=count, holders=sorted(holders))
        return count

    async def sweep_all_but(self, living: Collection[str]) -> int:
        """Delete what connections of anybody else left; returns how many entries."""
        left = {_holder_of(owner) for owner in await self._left()}
        return await self.sweep(left - {self._holder, *living})

    async def _left(self) -> list[Owner]:
        return await self._state.store.owners(_SYSTEM, Scope.WEBSOCKET)

    async def _take(self, holder: str) -> Fence:
        return await self._state.store.take_fence(_SYSTEM, Owner(Scope.GLOBAL), f"sockets/{holder}")


def _holder_of(owner: Owner) -> str:
    return owner.subject.partition("/")[0]
