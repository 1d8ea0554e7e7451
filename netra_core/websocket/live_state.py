"""Shared state, live: changes of a user's state reach all tabs; a tab's own state dies with it."""

from collections.abc import Callable

from netra_core.database import SystemContext
from netra_core.state import (
    ChangesCompactedError,
    ChangesLost,
    Notification,
    Scope,
    StateChange,
    UnifiedStateManager,
)
from netra_core.websocket.connection import Connection
from netra_core.websocket.manager import OperatorPass, UnifiedWebSocketManager

_PRIVATE = frozenset({Scope.USER, Scope.SESSION, Scope.THREAD})
_FEED = SystemContext(actor="live_state")


class LiveState:
    """Ties a state manager to the sockets.

    A committed change in the user, session or thread scope is sent to every connection of its owner
    as `state_changed {scope, subject, key, value, version}`, not logged. It hears of changes that
    other nodes make where somebody has the manager catch up now and then. When a connection ends,
    its websocket-scope entries are deleted.
    """

    def __init__(self, state: UnifiedStateManager, sockets: UnifiedWebSocketManager) -> None:
        self._state = state
        self._sockets = sockets
        self._stops: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to listen on both sides."""
        if not self._stops:
            self._stops = [
                self._state.add_listener(self._changed),
                self._sockets.on_close(self._closed),
            ]

    def stop(self) -> None:
        """Stop listening; idempotent."""
        for stop in self._stops:
            stop()
        self._stops.clear()

    async def _changed(self, change: Notification) -> None:
        if isinstance(change, ChangesLost):
            await self._catch_up(change.revision)
        elif change.owner.scope in _PRIVATE:
            await self._tell(change)

    async def _catch_up(self, revision: int) -> None:
        """Tell from the change feed what went by too fast. Tabs keep the highest version, so that
        one told twice does no harm; what the feed itself no longer has, they have to read again.
        """
        while True:
            try:
                page = await self._state.changes_since(_FEED, revision)
            except ChangesCompactedError:
                await self._sockets.broadcast(
                    {"type": "state_lost"}, operator=OperatorPass("state")
                )
                return
            for change in page:
                if change.owner.scope in _PRIVATE:
                    await self._tell(change)
            if not page:
                return
            revision = page[-1].revision

    async def _tell(self, change: StateChange) -> None:
        owner = change.owner
        await self._sockets.send_to_user(
            (owner.workspace_id, owner.user_id),
            {
                "type": "state_changed",
                "scope": owner.scope.value,
                "subject": owner.subject,
                "key": change.key,
                "value": change.value,
                "version": change.version,
            },
        )

    async def _closed(self, connection: Connection) -> None:
        await self._state.connection_closed(connection.context, connection.connection_id)
