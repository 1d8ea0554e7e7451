"""StateView: shared state as one context sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from netra_core.context import UserExecutionContext
from netra_core.database.scope import AnyContext, SystemContext
from netra_core.state.errors import (
    InvalidStateKeyError,
    StateConflictError,
    StateNotFoundError,
    StateScopeError,
)
from netra_core.state.listeners import Listener
from netra_core.state.policies import Accumulate, LastWriter, Merge
from netra_core.state.scopes import address_in, check_limit, check_ttl, owner_in, owners_of
from netra_core.state.store import Batch, Change, Record, StateStore, Write, WriteKind
from netra_core.state.transaction import StateTransaction
from netra_core.state.types import (
    NEAREST_FIRST,
    Address,
    Fence,
    JsonValue,
    Scope,
    StateChange,
    StateEntry,
    StateQuery,
)
from netra_core.state.values import decode, encode

if TYPE_CHECKING:
    from netra_core.state.manager import UnifiedStateManager

_ATTEMPTS: Final = 100
"""Tries of an update before it gives up; each lost one means that another writer got through."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """What a nearest-scope read found, and where."""

    scope: Scope
    value: JsonValue
    version: int


class StateView:
    """All operations on shared state for one context; see UnifiedStateManager.for_context.

    Every method takes the scope, USER when left out. Absent, deleted and expired are the same.
    """

    def __init__(
        self,
        manager: UnifiedStateManager,
        ctx: AnyContext,
        *,
        agent: str | None,
        connection_id: str | None,
    ) -> None:
        self._manager = manager
        self._ctx = ctx
        self._owners = owners_of(ctx, agent=agent, connection_id=connection_id)
        self._by = ctx.user_id if isinstance(ctx, UserExecutionContext) else ctx.actor

    @property
    def _store(self) -> StateStore:
        return self._manager.open_store

    async def get(
        self, key: str, *, scope: Scope = Scope.USER, default: JsonValue = None
    ) -> JsonValue:
        """The value, a copy of its own; `default` when absent."""
        record = await self._store.get(self._ctx, address_in(self._owners, scope, key))
        return default if record is None else decode(record.data)

    async def entry(self, key: str, *, scope: Scope = Scope.USER) -> StateEntry | None:
        """The value with its version and times; None when absent."""
        address = address_in(self._owners, scope, key)
        record = await self._store.get(self._ctx, address)
        return None if record is None else _entry(address, record)

    async def nearest(self, key: str) -> Nearest | None:
        """The value in the narrowest scope of this context that has the key, and which it is."""
        scopes = [scope for scope in NEAREST_FIRST if scope in self._owners]
        addresses = [address_in(self._owners, scope, key) for scope in scopes]
        records = await self._store.read(self._ctx, addresses)
        for scope, record in zip(scopes, records, strict=True):
            if record is not None:
                return Nearest(scope, decode(record.data), record.version)
        return None

    async def set(
        self,
        key: str,
        value: JsonValue,
        *,
        scope: Scope = Scope.USER,
        expected_version: int | None = None,
        ttl: float | None = None,
        fence: Fence | None = None,
    ) -> StateEntry:
        """Write a value; returns it as it stands after the commit.

        `expected_version` (0: absent) meets the key's policy when it is not the one there; by
        default StateConflictError. `ttl` in seconds. An accumulating key takes the item to append,
        the candidate for the maximum, or the number to add.
        """
        address = self.writable(scope, key)
        policy = self._manager.policy_of(key)
        kind: WriteKind = policy.kind if isinstance(policy, Accumulate) else "set"
        if isinstance(policy, (Accumulate, LastWriter)):
            expected_version = None
        write = Write(
            address=address,
            kind=kind,
            data=encode(value),
            expected_version=expected_version,
            ttl_s=check_ttl(ttl),
        )
        if isinstance(policy, Merge) and expected_version is not None:
            return await self._merge(write, policy, fence)
        return _entry_of((await self.commit([write], fence))[0])

    async def compare_and_set(
        self,
        key: str,
        value: JsonValue,
        *,
        expected_version: int,
        scope: Scope = Scope.USER,
        ttl: float | None = None,
        fence: Fence | None = None,
    ) -> StateEntry:
        """Write when the version is the one expected, whatever the key's policy.

        Raises StateConflictError with expected and actual version, both values and their base.
        """
        write = Write(
            address=self.writable(scope, key),
            kind="set",
            data=encode(value),
            expected_version=expected_version,
            ttl_s=check_ttl(ttl),
        )
        return _entry_of((await self.commit([write], fence))[0])

    async def update(
        self,
        key: str,
        change: Callable[[JsonValue], JsonValue],
        *,
        scope: Scope = Scope.USER,
        default: JsonValue = None,
        ttl: float | None = None,
        fence: Fence | None = None,
    ) -> StateEntry:
        """Replace the value by `change(value)`, atomically; `default` stands for an absent one.

        `change` is pure and may run again when another process wrote in between.
        """
        address = self.writable(scope, key)
        check_ttl(ttl)
        conflict: StateConflictError | None = None
        async with self._manager.key_locks.held(address):
            for _ in range(_ATTEMPTS):
                record = await self._store.get(self._ctx, address)
                current = default if record is None else decode(record.data)
                write = Write(
                    address=address,
                    kind="set",
                    data=encode(change(current)),
                    expected_version=0 if record is None else record.version,
                    ttl_s=ttl,
                    expires_at=None if record is None else record.expires_at,
                )
                try:
                    return _entry_of((await self._commit_once([write], fence))[0])
                except StateConflictError as error:
                    conflict = error
        assert conflict is not None
        raise conflict

    async def delete(
        self,
        key: str,
        *,
        scope: Scope = Scope.USER,
        expected_version: int | None = None,
        fence: Fence | None = None,
    ) -> bool:
        """Delete a key; False when it was absent. Its version goes on from where it was."""
        write = Write(
            address=self.writable(scope, key), kind="delete", expected_version=expected_version
        )
        return bool(await self.commit([write], fence))

    def transaction(self) -> AbstractAsyncContextManager[StateTransaction]:
        """Several keys, all or nothing: `async with view.transaction() as tx`.

        What was read in it must be unchanged at its end, else StateConflictError and nothing is
        written; an exception in the block writes nothing either.
        """
        return StateTransaction(self)

    async def query(self, query: StateQuery | None = None) -> list[StateEntry]:
        """The entries of this view that match, by scope, owner and key."""
        query = query or StateQuery()
        check_limit(query.limit)
        if query.after_key and query.scope is None:
            raise InvalidStateKeyError("paging goes through one scope", hint="Name the scope.")
        if query.scope is None:
            owners = list(self._owners.values())
        else:
            owners = [owner_in(self._owners, query.scope)]
        found = await self._store.query(self._ctx, owners, query)
        return [_entry(address, record) for address, record in found]

    async def clear_scope(self, scope: Scope) -> int:
        """Delete every entry of this context's owner in one scope, and of nobody else."""
        owner = self.writable(scope, "any").owner
        changes = await self._store.clear(self._ctx, owner, by=self._by)
        self._manager.notify(changes)
        return len(changes)

    async def history(
        self, key: str, *, scope: Scope = Scope.USER, limit: int = 100
    ) -> list[StateChange]:
        """What the key was, oldest first, at most the newest `limit` changes."""
        address = address_in(self._owners, scope, key)
        changes = await self._store.history(self._ctx, address, limit=check_limit(limit))
        return self._manager.told(changes)

    async def restore(
        self, key: str, version: int, *, scope: Scope = Scope.USER, fence: Fence | None = None
    ) -> StateEntry | None:
        """Write the value of an earlier version as a new one; None when it was deleted then."""
        address = self.writable(scope, key)
        old = await self._store.version(self._ctx, address, version)
        if old is None:
            raise StateNotFoundError(
                f"{key!r} has no version {version}", hint="history(key) lists those kept."
            )
        if old.record.data is None:
            await self.commit([Write(address=address, kind="delete")], fence)
            return None
        write = Write(address=address, kind="set", data=old.record.data)
        return _entry_of((await self.commit([write], fence))[0])

    async def changes_since(self, revision: int, *, limit: int = 1000) -> list[StateChange]:
        """What changed in this view after `revision`, in order."""
        owners = list(self._owners.values())
        changes = await self._store.changes(
            self._ctx, owners, after=revision, limit=check_limit(limit)
        )
        return self._manager.told(changes)

    async def revision(self) -> int:
        """The newest revision, to follow changes from."""
        return await self._store.revision()

    def listen(
        self, listener: Listener, *, scope: Scope | None = None, prefix: str = ""
    ) -> Callable[[], None]:
        """Call `listener` with each committed change in this view; the answer ends it."""
        owners = list(self._owners.values()) if scope is None else [owner_in(self._owners, scope)]
        return self._manager.add_listener(listener, owners=owners, prefix=prefix)

    async def take_fence(self, name: str, *, scope: Scope = Scope.USER) -> Fence:
        """Become the writer of `name`: every earlier fence of it is refused from now on."""
        address = self.writable(scope, name)
        return await self._store.take_fence(self._ctx, address.owner, name)

    async def move_session(self, to_session_id: str) -> int:
        """Move this session's entries to another session of the same user, all or nothing."""
        source = owner_in(self._owners, Scope.SESSION)
        target = source._replace(subject=to_session_id)
        query = StateQuery(limit=100_000)
        found = await self._store.query(self._ctx, [source], query)
        writes: list[Write] = []
        for address, record in found:
            writes.append(
                Write(
                    address=Address(target, address.key),
                    kind="set",
                    data=record.data or b"",
                    expires_at=record.expires_at,
                )
            )
            writes.append(Write(address=address, kind="delete", expected_version=record.version))
        await self.commit(writes, None)
        return len(found)

    async def clear_connection(self) -> int:
        """Delete what belongs to this view's connection."""
        return await self.clear_scope(Scope.WEBSOCKET)

    async def commit(self, writes: Sequence[Write], fence: Fence | None) -> list[Change]:
        """Make writes; a conflict comes with the common base, where history has it."""
        try:
            return await self._commit_once(writes, fence)
        except StateConflictError as error:
            await self._add_base(error, writes)
            raise

    async def records(self, addresses: Sequence[Address]) -> list[Record | None]:
        """Live records of one moment, for transactions."""
        return await self._store.read(self._ctx, addresses)

    def address(self, scope: Scope, key: str) -> Address:
        """Where a key is, for transactions."""
        return address_in(self._owners, scope, key)

    def writable(self, scope: Scope, key: str) -> Address:
        """Where a key is, when this context may write it; raises StateScopeError."""
        if scope is Scope.GLOBAL and not isinstance(self._ctx, SystemContext):
            raise StateScopeError(
                "only the platform itself writes global state", hint="Use a narrower scope."
            )
        return address_in(self._owners, scope, key)

    async def _commit_once(self, writes: Sequence[Write], fence: Fence | None) -> list[Change]:
        if fence is not None and fence.owner not in self._owners.values():
            raise StateScopeError("the fence belongs to somebody else")
        fences = () if fence is None else (fence,)
        sockets = self._manager.connection_fence
        if sockets is not None and any(w.address.owner.scope is Scope.WEBSOCKET for w in writes):
            fences = (*fences, sockets)
        batch = Batch(writes, self._by, fences, self._manager.notify)
        return await self._store.apply(self._ctx, batch)

    async def _merge(self, write: Write, policy: Merge, fence: Fence | None) -> StateEntry:
        mine = decode(write.data)
        conflict: StateConflictError | None = None
        for _ in range(_ATTEMPTS):
            try:
                return _entry_of((await self.commit([write], fence))[0])
            except StateConflictError as error:
                conflict = error
                merged = policy.function(error.base, error.actual_value, mine)
                write = replace(write, data=encode(merged), expected_version=error.actual)
        assert conflict is not None
        raise conflict

    async def _add_base(self, error: StateConflictError, writes: Sequence[Write]) -> None:
        address = next(write.address for write in writes if write.address.key == error.key)
        if error.expected > 0:
            base = await self._store.version(self._ctx, address, error.expected)
            error.base = decode(base.record.data) if base is not None else None


def _entry(address: Address, record: Record) -> StateEntry:
    return StateEntry(
        owner=address.owner,
        key=address.key,
        value=decode(record.data),
        version=record.version,
        revision=record.revision,
        updated_at=record.updated_at,
        updated_by=record.updated_by,
        expires_at=record.expires_at,
    )


def _entry_of(change: Change) -> StateEntry:
    return _entry(change.address, change.record)
