"""StateManagerFactory: the managers of one process, over one store."""

from collections import OrderedDict

from netra_core.context import UserExecutionContext
from netra_core.state.follower import StateFollower
from netra_core.state.listeners import Listeners
from netra_core.state.manager import UnifiedStateManager
from netra_core.state.store import StateStore


class StateManagerFactory:
    """Makes one global manager and one for each user, at most `max_users` of these at once.

    A user's manager refuses every other user; policies declared on it are its own. The one used
    longest ago makes room: it holds no data, so its user notices nothing. Listeners of all managers
    hear the changes made through any of them.
    """

    def __init__(self, store: StateStore, *, max_users: int = 1000) -> None:
        self._store = store
        self._max_users = max_users
        self._listeners = Listeners()
        self._follower = StateFollower(store, self._listeners)
        self._global: UnifiedStateManager | None = None
        self._users: OrderedDict[tuple[str, str], UnifiedStateManager] = OrderedDict()

    def get_global_manager(self) -> UnifiedStateManager:
        """The manager for all contexts; the same one each time."""
        if self._global is None:
            self._global = UnifiedStateManager(
                self._store, listeners=self._listeners, follower=self._follower
            )
        return self._global

    def get_user_manager(self, ctx: UserExecutionContext) -> UnifiedStateManager:
        """The manager of this user in this workspace."""
        manager = self._users.get(ctx.stream)
        if manager is None:
            manager = UnifiedStateManager(
                self._store,
                listeners=self._listeners,
                follower=self._follower,
                only_for=ctx.stream,
            )
            self._users[ctx.stream] = manager
            while len(self._users) > self._max_users:
                self._users.popitem(last=False)
        self._users.move_to_end(ctx.stream)
        return manager

    def get_manager_count(self) -> dict[str, int]:
        """How many managers there are: `global`, `user` and `total`."""
        counts = {"global": int(self._global is not None), "user": len(self._users)}
        return {**counts, "total": sum(counts.values())}

    async def shutdown(self) -> None:
        """Tell listeners what waits, forget all managers and close the store."""
        for manager in (self._global, *self._users.values()):
            if manager is not None:
                manager.refuse()
        self._users.clear()
        self._global = None
        await self._listeners.close()
        await self._store.close()
