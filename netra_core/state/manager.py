"""UnifiedStateManager: shared state with scopes, versions and history."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from netra_core.context import UserExecutionContext
from netra_core.database.scope import AnyContext, SystemContext
from netra_core.state.errors import StateClosedError, StateScopeError
from netra_core.state.follower import StateFollower, shown
from netra_core.state.key_locks import KeyLocks
from netra_core.state.listeners import Listener, Listeners
from netra_core.state.policies import REJECT, Policy
from netra_core.state.store import Change, StateStore
from netra_core.state.types import Fence, Owner, StateChange
from netra_core.state.view import StateView

_MAINTENANCE: Final = SystemContext(actor="state_maintenance")


class UnifiedStateManager:
    """The one owner of shared state, over a StateStore handed in.

    Entries are reached through a view: `for_context(ctx)` sees what belongs to this user, their
    workspace and everybody, and cannot name anyone else's. Values go in and out as copies. What a
    write answers is committed.
    """

    def __init__(
        self,
        store: StateStore,
        *,
        listeners: Listeners | None = None,
        follower: StateFollower | None = None,
        only_for: tuple[str, str] | None = None,
    ) -> None:
        """`only_for` (workspace, user) binds the manager to one user; others are refused. Managers
        of one process that share `listeners` share their `follower` too: it tells apart what this
        process wrote.
        """
        self.store = store
        self._only_for = only_for
        self._listeners = listeners if listeners is not None else Listeners()
        self._follower = follower or StateFollower(store, self._listeners)
        self._policies: dict[str, Policy] = {}
        self.key_locks = KeyLocks()
        self.connection_fence: Fence | None = None
        """Carried by what is written for connections."""
        self._closed = False

    def guard_connections(self, fence: Fence) -> None:
        """Write websocket-scope entries under this fence from now on."""
        self.connection_fence = fence

    def for_context(
        self, ctx: AnyContext, *, agent: str | None = None, connection_id: str | None = None
    ) -> StateView:
        """A view of what `ctx` may reach; `agent` and `connection_id` open those two scopes."""
        _ = self.open_store
        if self._only_for is not None and (
            not isinstance(ctx, UserExecutionContext) or ctx.stream != self._only_for
        ):
            raise StateScopeError("this state manager belongs to another user")
        return StateView(self, ctx, agent=agent, connection_id=connection_id)

    @property
    def open_store(self) -> StateStore:
        """The store, for views; raises StateClosedError after the shutdown."""
        if self._closed:
            raise StateClosedError("the state manager was shut down")
        return self.store

    def declare_policy(self, pattern: str, policy: Policy) -> None:
        """Give keys a conflict policy; `*` in `pattern` stands for any text. The first declared
        pattern that fits a key decides; without one, conflicts are rejected.
        """
        self._policies[pattern] = policy

    def policy_of(self, key: str) -> Policy:
        """The policy of a key."""
        if key in self._policies:
            return self._policies[key]
        fits = (policy for name, policy in self._policies.items() if fnmatchcase(key, name))
        return next(fits, REJECT)

    def add_listener(
        self, listener: Listener, *, owners: Sequence[Owner] | None = None, prefix: str = ""
    ) -> Callable[[], None]:
        """Call `listener` with each committed change of this process; the answer ends it.

        For operators: it sees every owner unless `owners` are given. `view.listen` is for users.
        """
        wanted = None if owners is None else frozenset(owners)
        return self._listeners.add(listener, owners=wanted, prefix=prefix)

    @property
    def listener_count(self) -> int:
        """How many listeners there are."""
        return len(self._listeners)

    async def changes_since(
        self, ctx: AnyContext, revision: int, *, limit: int = 1000
    ) -> list[StateChange]:
        """Changes of all owners after `revision`, in order; for the platform itself.

        Raises ChangesCompactedError when some of them were removed.
        """
        if not isinstance(ctx, SystemContext):
            raise StateScopeError("only the platform itself reads the changes of all owners")
        return self.told(await self.store.changes(ctx, None, after=revision, limit=limit))

    async def connection_closed(self, ctx: UserExecutionContext, connection_id: str) -> int:
        """Delete the websocket-scope entries of one connection of `ctx`; returns how many."""
        return await self.for_context(ctx, connection_id=connection_id).clear_connection()

    async def expire(self, *, limit: int = 1000) -> int:
        """Delete entries whose time is over, telling listeners; returns how many."""
        changes = await self.store.expire(limit=limit)
        self.notify(changes)
        return len(changes)

    async def compact(self, *, keep_versions: int = 100) -> int:
        """Drop history beyond the newest versions of each key; returns how many lines went."""
        return await self.store.compact(keep_versions=keep_versions)

    async def tidy(self, *, keep_versions: int = 100) -> None:
        """Delete what has expired, and drop history beyond the newest versions of each key."""
        while await self.expire():
            pass
        await self.compact(keep_versions=keep_versions)

    async def catch_up(self) -> int:
        """Tell listeners what other processes wrote since the last time; returns how many
        changes. The first call only notes where to begin.
        """
        return await self._follower.catch_up()

    async def follow(self, *, every_s: float = 0.5) -> None:
        """Catch up from time to time, until cancelled; for a task that somebody owns. Needed where
        several processes share a database; one process tells its listeners by itself.
        """
        await self._follower.run(every_s=every_s)

    async def erase(
        self,
        ctx: SystemContext,
        *,
        workspace_id: str,
        user_id: str | None = None,
        subject: str | None = None,
    ) -> int:
        """Remove the values of a workspace, of a person in it, or of one thread or session of
        theirs, from entries and history; versions and revisions stay.
        """
        return await self.store.erase(
            ctx, workspace_id=workspace_id, user_id=user_id, subject=subject
        )

    async def shutdown(self) -> None:
        """Tell listeners what waits, then refuse everything."""
        self.refuse()
        await self._listeners.close()
        await self.store.close()

    def refuse(self) -> None:
        """Refuse everything from now on, through views that exist as well."""
        self._closed = True

    def notify(self, changes: Sequence[Change]) -> None:
        """Tell listeners of changes that this process committed."""
        self._follower.committed(changes)

    @staticmethod
    def told(changes: Sequence[Change]) -> list[StateChange]:
        """Changes as callers see them, each with a value of its own."""
        return shown(changes)
