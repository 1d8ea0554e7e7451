"""State in this process's memory: gone with it, and as strict as the durable back ends."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from time import time

from netra_core.database.scope import AnyContext
from netra_core.state.errors import ChangesCompactedError
from netra_core.state.scopes import of_agents
from netra_core.state.store import Batch, Change, Record, check_fence, decide
from netra_core.state.types import Address, Fence, Operation, Owner, Scope, StateQuery


class MemoryStateStore:
    """A StateStore in memory. Each method does its work without awaiting, so it is atomic."""

    def __init__(self, *, now: Callable[[], float] = time) -> None:
        self._now = now
        self._records: dict[Address, Record] = {}
        self._history: dict[Address, list[Change]] = {}
        self._feed: list[Change] = []
        self._fences: dict[tuple[Owner, str], int] = {}
        self._revision = 0
        self._floor = 0

    async def get(self, ctx: AnyContext, address: Address) -> Record | None:
        """The live record, or None."""
        record = self._records.get(address)
        if record is None or record.data is None:
            return None
        if record.expires_at is not None and record.expires_at <= self._now():
            return None
        return record

    async def read(self, ctx: AnyContext, addresses: Sequence[Address]) -> list[Record | None]:
        """The live records, None for absent ones, all of one moment."""
        now = self._now()
        found = (self._records.get(address) for address in addresses)
        return [record if record is not None and record.live(now) else None for record in found]

    async def apply(self, ctx: AnyContext, batch: Batch) -> list[Change]:
        """Make a batch, or raise and change nothing."""
        for fence in batch.fences:
            check_fence(fence, self._fences.get((fence.owner, fence.name), 0))
        now = self._now()
        trial: dict[Address, Record] = {}
        changes: list[Change] = []
        for write in batch.writes:
            current = trial.get(write.address) or self._records.get(write.address)
            revision = self._revision + len(changes) + 1
            change = decide(write, current, now=now, revision=revision, by=batch.by)
            if change is not None:
                trial[write.address] = change.record
                changes.append(change)
        self._keep(changes)
        batch.committed(changes)
        return changes

    def _keep(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._records[change.address] = change.record
            self._history.setdefault(change.address, []).append(change)
            self._feed.append(change)
            self._revision = change.record.revision

    async def query(
        self, ctx: AnyContext, owners: Sequence[Owner], query: StateQuery
    ) -> list[tuple[Address, Record]]:
        """The live entries of `owners` that match, by scope, owner and key."""
        now, wanted = self._now(), frozenset(owners)
        found = [
            (address, record)
            for address, record in self._records.items()
            if address.owner in wanted
            and record.live(now)
            and address.key.startswith(query.prefix)
            and address.key > query.after_key
            and record.version >= query.min_version
            and (query.updated_after is None or record.updated_at > query.updated_after)
        ]
        found.sort(key=lambda pair: pair[0])
        return found[: query.limit]

    async def history(self, ctx: AnyContext, address: Address, *, limit: int) -> list[Change]:
        """The newest changes of a key, oldest of them first."""
        return self._history.get(address, [])[-limit:]

    async def version(self, ctx: AnyContext, address: Address, version: int) -> Change | None:
        """What a key was at a version, where history still has it."""
        lines = self._history.get(address, ())
        return next((line for line in lines if line.record.version == version), None)

    async def changes(
        self, ctx: AnyContext, owners: Sequence[Owner] | None, *, after: int, limit: int
    ) -> list[Change]:
        """Changes with a revision above `after`, in order."""
        if after < self._floor:
            raise ChangesCompactedError(f"changes up to revision {self._floor} were removed")
        start = bisect_right(self._feed, after, key=lambda change: change.record.revision)
        wanted = None if owners is None else frozenset(owners)
        found: list[Change] = []
        for index in range(start, len(self._feed)):
            change = self._feed[index]
            if wanted is None or change.address.owner in wanted:
                found.append(change)
                if len(found) == limit:
                    break
        return found

    async def revision(self) -> int:
        """The newest revision."""
        return self._revision

    async def clear(self, ctx: AnyContext, owner: Owner, *, by: str) -> list[Change]:
        """Delete every live entry of one owner."""
        now = self._now()
        doomed = [
            address
            for address, record in self._records.items()
            if address.owner == owner and record.live(now)
        ]
        return self._end(sorted(doomed), "delete", by)

    async def expire(self, *, limit: int) -> list[Change]:
        """Turn entries past their time into deleted ones."""
        now = self._now()
        doomed = [
            address
            for address, record in self._records.items()
            if record.data is not None and not record.live(now)
        ]
        return self._end(sorted(doomed)[:limit], "expire", "expiry")

    def _end(self, doomed: Sequence[Address], operation: Operation, by: str) -> list[Change]:
        now = self._now()
        changes = [
            Change(
                address,
                operation,
                Record(None, self._records[address].version + 1, self._revision + i, now, by, None),
            )
            for i, address in enumerate(doomed, start=1)
        ]
        self._keep(changes)
        return changes

    async def compact(self, *, keep_versions: int) -> int:
        """Drop history beyond the newest versions of each key."""
        dropped: set[int] = set()
        for address, lines in self._history.items():
            dropped.update(line.record.revision for line in lines[:-keep_versions])
            self._history[address] = lines[-keep_versions:]
        self._feed = [line for line in self._feed if line.record.revision not in dropped]
        self._floor = max([self._floor, *dropped])
        return len(dropped)

    async def erase(
        self, ctx: AnyContext, *, workspace_id: str, user_id: str | None, subject: str | None
    ) -> int:
        """Remove values from entries and history alike."""

        def meant(owner: Owner) -> bool:
            return (
                owner.workspace_id == workspace_id
                and user_id in (None, owner.user_id)
                and (
                    subject in (None, owner.subject)
                    or (owner.scope is Scope.AGENT and owner.subject.startswith(of_agents(subject)))
                )
            )

        count = 0
        for address, record in self._records.items():
            if meant(address.owner) and record.data is not None:
                self._records[address] = _emptied(record)
                count += 1
        for address, lines in self._history.items():
            if meant(address.owner):
                self._history[address] = [_emptied_line(line) for line in lines]
        self._feed = [
            _emptied_line(line) if meant(line.address.owner) else line for line in self._feed
        ]
        return count

    async def owners(self, ctx: AnyContext, scope: Scope) -> list[Owner]:
        """Who has live entries in a scope."""
        now = self._now()
        live = (a.owner for a, record in self._records.items() if record.live(now))
        return sorted({owner for owner in live if owner.scope is scope})

    async def holds(self, ctx: AnyContext, fence: Fence) -> bool:
        """True while no newer fence of this name was taken."""
        return self._fences.get((fence.owner, fence.name), 0) == fence.token

    async def take_fence(self, ctx: AnyContext, owner: Owner, name: str) -> Fence:
        """The next fence of a name."""
        token = self._fences.get((owner, name), 0) + 1
        self._fences[(owner, name)] = token
        return Fence(owner, name, token)

    async def close(self) -> None:
        """Nothing to release."""


def _emptied(record: Record) -> Record:
    return Record(None, record.version, record.revision, record.updated_at, record.updated_by, None)


def _emptied_line(line: Change) -> Change:
    return Change(line.address, line.operation, _emptied(line.record))
