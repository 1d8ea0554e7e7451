"""The port of state back ends, and the one rule by which each of them decides a write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from netra_core.database.scope import AnyContext
from netra_core.state.errors import StaleFenceError, StateConflictError
from netra_core.state.policies import accumulate
from netra_core.state.types import Address, Fence, Operation, Owner, Scope, StateQuery
from netra_core.state.values import decode, encode

WriteKind: TypeAlias = Literal["set", "delete", "append", "max", "counter", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One change asked of a key. `data` is the value's JSON, empty for a delete.

    A `check` changes nothing: it makes the batch fail unless the version is the one expected.
    `expected_version` is 0 for "must be absent" and None for "whatever is there".
    """

    address: Address
    kind: WriteKind
    data: bytes = b""
    expected_version: int | None = None
    ttl_s: float | None = None
    expires_at: float | None = None
    """When there is no `ttl_s`: the end kept from the value before."""


@dataclass(frozen=True, slots=True)
class Record:
    """A key as a back end keeps it, deleted and expired ones included: versions live on."""

    data: bytes | None
    version: int
    revision: int
    updated_at: float
    updated_by: str
    expires_at: float | None

    def live(self, now: float) -> bool:
        """False when deleted or expired."""
        return self.data is not None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of history: what an address became."""

    address: Address
    operation: Operation
    record: Record


def _nobody(_changes: list[Change]) -> None:
    """Who hears of changes when nobody asked to."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Writes that happen all or not at all, by one writer, under its fences.

    `committed` hears what changed after the commit, in the order of the commits, also when the
    caller of `apply` was cancelled meanwhile.
    """

    writes: Sequence[Write]
    by: str
    fences: Sequence[Fence] = ()
    committed: Callable[[list[Change]], None] = _nobody


class StateStore(Protocol):
    """Where state is kept.

    Guarantees (proved by `netra_core.testing.state_conformance`): each batch is atomic, and all
    batches are in one order, that of their revisions; a read sees every batch acknowledged before
    it began; nothing that was acknowledged is lost as long as the back end keeps data at all.
    """

    async def get(self, ctx: AnyContext, address: Address) -> Record | None:
        """The live record, or None."""
        ...

    async def read(self, ctx: AnyContext, addresses: Sequence[Address]) -> list[Record | None]:
        """The live records, None for absent ones, all of one moment."""
        ...

    async def apply(self, ctx: AnyContext, batch: Batch) -> list[Change]:
        """Make a batch; answers what changed, in order (a check, or a delete of an absent key,
        changes nothing).

        Raises StateConflictError, StaleFenceError or StatePolicyError; nothing was written then.
        """
        ...

    async def query(
        self, ctx: AnyContext, owners: Sequence[Owner], query: StateQuery
    ) -> list[tuple[Address, Record]]:
        """The live entries of `owners` that match, by scope, owner and key."""
        ...

    async def history(self, ctx: AnyContext, address: Address, *, limit: int) -> list[Change]:
        """The newest changes of a key, oldest of them first."""
        ...

    async def version(self, ctx: AnyContext, address: Address, version: int) -> Change | None:
        """What a key was at a version, where history still has it."""
        ...

    async def changes(
        self, ctx: AnyContext, owners: Sequence[Owner] | None, *, after: int, limit: int
    ) -> list[Change]:
        """Changes with a revision above `after`, in order; of all owners when None."""
        ...

    async def revision(self) -> int:
        """The newest revision."""
        ...

    async def clear(self, ctx: AnyContext, owner: Owner, *, by: str) -> list[Change]:
        """Delete every live entry of one owner."""
        ...

    async def expire(self, *, limit: int) -> list[Change]:
        """Turn entries past their time into deleted ones; returns their changes."""
        ...

    async def compact(self, *, keep_versions: int) -> int:
        """Drop history beyond the newest versions of each key; returns how many lines went."""
        ...

    async def erase(
        self, ctx: AnyContext, *, workspace_id: str, user_id: str | None, subject: str | None
    ) -> int:
        """Remove the values of a workspace, a person in it, or one subject of theirs, from
        entries and history alike; versions stay. Returns how many entries lost their value.
        """
        ...

    async def owners(self, ctx: AnyContext, scope: Scope) -> list[Owner]:
        """Who has live entries in a scope."""
        ...

    async def holds(self, ctx: AnyContext, fence: Fence) -> bool:
        """True while no newer fence of this name was taken."""
        ...

    async def take_fence(self, ctx: AnyContext, owner: Owner, name: str) -> Fence:
        """The next fence of a name; all earlier ones are stale from then on."""
        ...

    async def close(self) -> None:
        """Release what the back end holds."""
        ...


def decide(
    write: Write, current: Record | None, *, now: float, revision: int, by: str
) -> Change | None:
    """What `write` makes of `current`; None when nothing changes. Pure: every back end uses it."""
    live = current if current is not None and current.live(now) else None
    version = current.version if current is not None else 0
    if write.expected_version is not None and write.expected_version != (
        live.version if live else 0
    ):
        raise moved(write.address, write.expected_version, live, write.data)
    if write.kind == "check":
        return None
    if write.kind == "delete":
        if live is None:
            return None
        return Change(write.address, "delete", Record(None, version + 1, revision, now, by, None))
    data, kept = write.data, write.expires_at
    if write.kind != "set":
        kept = live.expires_at if live else None
        value = accumulate(
            write.kind,
            decode(live.data) if live else None,
            decode(write.data),
            absent=live is None,
        )
        data = encode(value)
    expires = now + write.ttl_s if write.ttl_s is not None else kept
    return Change(write.address, "set", Record(data, version + 1, revision, now, by, expires))


def moved(
    address: Address, expected: int, live: Record | None, wanted: bytes = b""
) -> StateConflictError:
    """The conflict of a key that is not at the version expected; its base is not looked up."""
    return StateConflictError(
        address.key,
        expected=expected,
        actual=live.version if live else 0,
        base=None,
        actual_value=decode(live.data) if live else None,
        wanted_value=decode(wanted or None),
    )


def check_fence(fence: Fence, newest: int) -> None:
    """Raise StaleFenceError when a newer fence was taken."""
    if fence.token != newest:
        raise StaleFenceError(
            f"the fence {fence.name!r} was taken over (yours {fence.token}, newest {newest})",
            hint="Stop; another writer goes on.",
        )
