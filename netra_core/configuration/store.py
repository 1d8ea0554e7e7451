"""Where revisions are kept: the port, and the store in memory."""

import threading
from collections.abc import Sequence
from typing import Protocol

from netra_core.configuration.errors import RevisionConflictError
from netra_core.configuration.revisions import GENESIS_HASH, Head, Revision


class RevisionStore(Protocol):
    """An append-only list of revisions, safe to use from many threads and processes."""

    def head(self) -> Head | None:
        """The record of the last revision, or None when there is none."""
        ...

    def read(self, *, after: int = 0) -> Sequence[Revision]:
        """The revisions with a number above `after`, in order."""
        ...

    def append(self, revision: Revision, head: Head) -> None:
        """Adds a revision and the record that it is the last; durable when this returns.

        Raises:
            RevisionConflictError: it does not continue the last one; nothing was written.
        """
        ...

    def close(self) -> None:
        """Lets go of what is held open."""
        ...


def conflict(number: int) -> RevisionConflictError:
    """The error for a revision that does not continue the last one."""
    return RevisionConflictError(f"Revision {number} was written by another node first.")


class MemoryRevisionStore:
    """Revisions of one process, gone with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revisions: list[Revision] = []
        self._head: Head | None = None

    def head(self) -> Head | None:
        """The record of the last revision."""
        return self._head

    def read(self, *, after: int = 0) -> Sequence[Revision]:
        """The revisions after this number."""
        with self._lock:
            return [r for r in self._revisions[max(after - 1, 0) :] if r.number > after]

    def append(self, revision: Revision, head: Head) -> None:
        """Adds a revision."""
        with self._lock:
            last = self._head or Head(0, GENESIS_HASH)
            if (revision.number, revision.previous_hash) != (last.number + 1, last.hash):
                raise conflict(revision.number)
            self._revisions.append(revision)
            self._head = head

    def close(self) -> None:
        """Nothing is held open."""


def open_store(url: str) -> RevisionStore:
    """The store at this address: `memory:`, or an SQLite or PostgreSQL database.

    Raises:
        StoreError: the address is none, or the database cannot be reached.
    """
    if url.rstrip("/") == "memory:":
        return MemoryRevisionStore()
    # SQLAlchemy is heavy; programs without a stored configuration never load it
    from netra_core.configuration.sql_store import SqlRevisionStore

    return SqlRevisionStore(url)
