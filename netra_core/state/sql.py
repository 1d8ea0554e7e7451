"""State on SQLite and PostgreSQL."""

from collections.abc import Callable, Sequence
from time import time
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, tuple_

from netra_core.database import DatabaseSessionManager, GroupCommit, SystemContext
from netra_core.database.scope import AnyContext
from netra_core.state import sql_statements as statements
from netra_core.state.errors import ChangesCompactedError
from netra_core.state.sql_rows import address_columns, address_of, change_of, record_of
from netra_core.state.sql_write import (
    apply_batch,
    compact,
    end_entries,
    newest_fence,
    next_fence,
)
from netra_core.state.store import Batch, Change, Record
from netra_core.state.tables import state_changes, state_clock, state_entries
from netra_core.state.types import Address, Fence, Owner, Scope, StateQuery

T = TypeVar("T")
_SYSTEM: Final = SystemContext(actor="state")


class SqlStateStore:
    """A StateStore over the platform database, written through: an answer means committed.

    Writes of many callers share transactions (GroupCommit). On PostgreSQL each runs under its own
    user's row-level security, also within a shared transaction.
    """

    def __init__(
        self,
        sessions: DatabaseSessionManager,
        commits: GroupCommit,
        *,
        now: Callable[[], float] = time,
    ) -> None:
        self._sessions = sessions
        self._commits = commits
        self._now = now
        self._compacted = (0, 0)  # versions kept, and the revision up to which that was done

    async def get(self, ctx: AnyContext, address: Address) -> Record | None:
        """The live record, or None."""
        return (await self.read(ctx, (address,)))[0]

    async def read(self, ctx: AnyContext, addresses: Sequence[Address]) -> list[Record | None]:
        """The live records, None for absent ones, all of one moment."""
        now = self._now()
        records = await self._sessions.read(ctx, lambda c: statements.records(c, addresses))
        found = (records.get(address) for address in addresses)
        return [record if record is not None and record.live(now) else None for record in found]

    async def apply(self, ctx: AnyContext, batch: Batch) -> list[Change]:
        """Make a batch, or raise and change nothing."""
        now = self._now()
        return await self._commits.submit(
            ctx, lambda c: apply_batch(c, batch, now=now), committed=batch.committed
        )

    async def query(
        self, ctx: AnyContext, owners: Sequence[Owner], query: StateQuery
    ) -> list[tuple[Address, Record]]:
        """The live entries of `owners` that match, by scope, owner and key."""
        table, now = state_entries.c, self._now()
        chosen = (
            select(state_entries)
            .where(_owned(owners), table.data.is_not(None))
            .where(table.expires_at.is_(None) | (table.expires_at > now))
            .where(table.key > query.after_key, table.version >= query.min_version)
            .order_by(*address_columns(state_entries))
            .limit(query.limit)
        )
        if query.prefix:
            # LIKE would ignore case on SQLite.
            chosen = chosen.where(func.substr(table.key, 1, len(query.prefix)) == query.prefix)
            chosen = chosen.where(table.key >= query.prefix)
        if query.updated_after is not None:
            chosen = chosen.where(table.updated_at > query.updated_after)
        return await self._rows(ctx, chosen, lambda row: (address_of(row), record_of(row)))

    async def history(self, ctx: AnyContext, address: Address, *, limit: int) -> list[Change]:
        """The newest changes of a key, oldest of them first."""
        table = state_changes.c
        chosen = (
            select(state_changes)
            .where(statements.at(state_changes, address))
            .order_by(table.version.desc())
            .limit(limit)
        )
        return (await self._rows(ctx, chosen, change_of))[::-1]

    async def version(self, ctx: AnyContext, address: Address, version: int) -> Change | None:
        """What a key was at a version, where history still has it."""
        chosen = select(state_changes).where(
            statements.at(state_changes, address), state_changes.c.version == version
        )
        return next(iter(await self._rows(ctx, chosen, change_of)), None)

    async def changes(
        self, ctx: AnyContext, owners: Sequence[Owner] | None, *, after: int, limit: int
    ) -> list[Change]:
        """Changes with a revision above `after`, in order; of all owners when None."""
        table = state_changes.c
        chosen = (
            select(state_changes).where(table.revision > after).order_by(table.revision)
        ).limit(limit)
        if owners is not None:
            chosen = chosen.where(tuple_(*address_columns(state_changes)[:4]).in_(list(owners)))

        def fetch(connection: Connection) -> tuple[int, list[Change]]:
            # The floor after the rows: a compaction in between is noticed, never overlooked.
            rows = [change_of(row) for row in connection.execute(chosen)]
            return connection.scalar(select(state_clock.c.floor)) or 0, rows

        floor, changes = await self._sessions.read(ctx, fetch)
        if after < floor:
            raise ChangesCompactedError(f"changes up to revision {floor} were removed")
        return changes

    async def revision(self) -> int:
        """The newest revision."""
        chosen = select(state_clock.c.revision)
        return await self._sessions.read(_SYSTEM, lambda c: c.scalar(chosen) or 0)

    async def clear(self, ctx: AnyContext, owner: Owner, *, by: str) -> list[Change]:
        """Delete every live entry of one owner."""
        table, now = state_entries.c, self._now()
        doomed = (
            select(state_entries)
            .where(_owned([owner]), table.data.is_not(None))
            .where(table.expires_at.is_(None) | (table.expires_at > now))
            .order_by(table.key)
        )
        return await self._commits.submit(
            ctx, lambda c: end_entries(c, doomed, operation="delete", by=by, now=now)
        )

    async def expire(self, *, limit: int) -> list[Change]:
        """Turn entries past their time into deleted ones; returns their changes."""
        table, now = state_entries.c, self._now()
        doomed = (
            select(state_entries)
            .where(table.expires_at <= now, table.data.is_not(None))
            .order_by(*address_columns(state_entries))
            .limit(limit)
        )
        return await self._commits.submit(
            _SYSTEM, lambda c: end_entries(c, doomed, operation="expire", by="expiry", now=now)
        )

    async def compact(self, *, keep_versions: int) -> int:
        """Drop history beyond the newest versions of each key; returns how many lines went."""
        if self._compacted[0] != keep_versions:
            self._compacted = (keep_versions, 0)
        count = 0
        while True:
            after = self._compacted[1]
            dropped, seen = await self._commits.submit(
                _SYSTEM, lambda c, after=after: compact(c, keep_versions, after)
            )
            if seen is None:
                return count
            count += dropped
            self._compacted = (keep_versions, seen)

    async def erase(
        self, ctx: AnyContext, *, workspace_id: str, user_id: str | None, subject: str | None
    ) -> int:
        """Remove values from entries and history alike; versions stay."""
        return await self._commits.submit(
            ctx, lambda c: statements.erase(c, workspace_id, user_id, subject)
        )

    async def owners(self, ctx: AnyContext, scope: Scope) -> list[Owner]:
        """Who has live entries in a scope."""
        table, now = state_entries.c, self._now()
        columns = (table.workspace_id, table.user_id, table.subject)
        chosen = (
            select(*columns)
            .where(table.scope == scope.value, table.data.is_not(None))
            .where(table.expires_at.is_(None) | (table.expires_at > now))
            .distinct()
            .order_by(*columns)
        )

        def fetch(connection: Connection) -> list[Owner]:
            return [Owner(scope, *row) for row in connection.execute(chosen)]

        return await self._sessions.read(ctx, fetch)

    async def holds(self, ctx: AnyContext, fence: Fence) -> bool:
        """True while no newer fence of this name was taken."""
        newest = await self._sessions.read(ctx, lambda c: newest_fence(c, fence.owner, fence.name))
        return newest == fence.token

    async def take_fence(self, ctx: AnyContext, owner: Owner, name: str) -> Fence:
        """The next fence of a name; all earlier ones are stale from then on."""
        return await self._commits.submit(ctx, lambda c: next_fence(c, owner, name))

    async def close(self) -> None:
        """Nothing to release: sessions and writer belong to whoever built them."""

    async def _rows(
        self, ctx: AnyContext, chosen: Select[*tuple[Any, ...]], make: Callable[[Row[Any]], T]
    ) -> list[T]:
        def fetch(connection: Connection) -> list[T]:
            return [make(row) for row in connection.execute(chosen)]

        return await self._sessions.read(ctx, fetch)


def _owned(owners: Sequence[Owner]) -> ColumnElement[bool]:
    return tuple_(*address_columns(state_entries)[:4]).in_(list(owners))
