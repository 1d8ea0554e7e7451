"""What the database layer holds: revisions folded, one after the other. No I/O here."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from netra_core.configuration.encryption import Cipher
from netra_core.configuration.errors import HistoryError, TamperedHistoryError
from netra_core.configuration.layers import Source
from netra_core.configuration.revisions import GENESIS_HASH, Change, Revision, Stored
from netra_core.configuration.scopes import ScopeKey

Address = tuple[ScopeKey, str]
"""A scope and a key."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A stored value, the revision that set it, and what stood there before."""

    value: Stored
    revision: Revision
    previous: Stored | None


ScopeEntries = Mapping[str, StoredEntry]
"""What is stored for one scope, by key."""


class StoredState:
    """All stored values after the last revision that was applied. Never changed once published:
    `after` gives a new one, which shares the scopes that stayed as they were.
    """

    def __init__(
        self,
        revisions: Sequence[Revision] = (),
        scopes: Mapping[ScopeKey, ScopeEntries] | None = None,
    ) -> None:
        self.revisions = tuple(revisions)
        self.scopes: Mapping[ScopeKey, ScopeEntries] = scopes or {}

    @property
    def number(self) -> int:
        """The number of the last revision, 0 before the first."""
        return self.revisions[-1].number if self.revisions else 0

    @property
    def hash(self) -> str:
        """The hash of the last revision."""
        return self.revisions[-1].hash if self.revisions else GENESIS_HASH

    def after(
        self, more: Iterable[Revision], *, cipher: Cipher | None, trust: bool
    ) -> "StoredState":
        """The state after these further revisions.

        Raises:
            TamperedHistoryError: one of them does not continue the chain, and not `trust`.
        """
        added = list(more)
        if not added:
            return self
        previous = self.hash
        if not trust:
            for revision in added:
                _check(revision, previous, cipher)
                previous = revision.hash
        return StoredState((*self.revisions, *added), _folded(self.scopes, added))

    def get(self, address: Address) -> StoredEntry | None:
        """What is stored there."""
        scope, key = address
        return self.scopes.get(scope, {}).get(key)

    def revision(self, number: int) -> Revision:
        """The revision of this number.

        Raises:
            HistoryError: there is none.
        """
        found = next((r for r in self.revisions if r.number == number), None)
        if found is None:
            raise HistoryError(
                f"There is no revision {number}.", hint=f"The last one is {self.number}."
            )
        return found

    def values_at(self, number: int) -> dict[Address, Stored]:
        """The stored values right after revision `number`; none of them at 0.

        Raises:
            HistoryError: there is no such revision.
        """
        if number != 0:
            self.revision(number)
        return _flat(_folded({}, (r for r in self.revisions if r.number <= number)))

    def values(self) -> dict[Address, Stored]:
        """The stored values now."""
        return _flat(self.scopes)


def _check(revision: Revision, previous: str, cipher: Cipher | None) -> None:
    sound = (
        revision.previous_hash == previous
        and hashlib.sha256(revision.body().encode()).hexdigest() == revision.hash
        and (not revision.seal or cipher is None or cipher.seal_holds(revision.hash, revision.seal))
    )
    if not sound:
        raise TamperedHistoryError(
            f"Revision {revision.number} is not what was written.",
            hint="`apex config history --verify` says where; restore from a backup.",
        )


def _folded(
    scopes: Mapping[ScopeKey, ScopeEntries], revisions: Iterable[Revision]
) -> dict[ScopeKey, ScopeEntries]:
    after: dict[ScopeKey, ScopeEntries] = dict(scopes)
    touched: dict[ScopeKey, dict[str, StoredEntry]] = {}
    for revision in revisions:
        for change in revision.changes:
            if change.source is not Source.DATABASE:
                continue
            scope = ScopeKey(change.scope, change.owner)
            entries = touched.get(scope)
            if entries is None:
                entries = touched[scope] = after[scope] = dict(after.get(scope, {}))
            before = entries.get(change.key)
            if change.current is None:
                entries.pop(change.key, None)
            else:
                previous = before.value if before else change.previous
                entries[change.key] = StoredEntry(change.current, revision, previous)
    return {scope: entries for scope, entries in after.items() if entries}


def _flat(scopes: Mapping[ScopeKey, ScopeEntries]) -> dict[Address, Stored]:
    return {
        (scope, key): entry.value
        for scope, entries in scopes.items()
        for key, entry in entries.items()
    }


def changes_between(
    before: Mapping[Address, Stored], after: Mapping[Address, Stored]
) -> Iterator[Change]:
    """The changes of the database layer that lead from one set of values to the other."""
    for address in sorted(before.keys() | after.keys(), key=lambda a: (str(a[0]), a[1])):
        old, new = before.get(address), after.get(address)
        if old != new:
            scope, key = address
            yield Change(
                key=key,
                scope=scope.scope,
                owner=scope.owner,
                source=Source.DATABASE,
                previous=old,
                current=new,
            )
