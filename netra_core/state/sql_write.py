"""What one batch does inside its transaction."""

from typing import Any, Final, Literal

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from netra_core.state import sql_statements as statements
from netra_core.state.sql_rows import (
    address_columns,
    address_of,
    address_values,
    change_values,
    entry_values,
    record_of,
)
from netra_core.state.store import Batch, Change, Record, check_fence, decide
from netra_core.state.tables import state_changes, state_clock, state_entries, state_fences
from netra_core.state.types import Address, Fence, Owner

_TICK: Final = (
    update(state_clock)
    .where(state_clock.c.id == 1)
    .values(revision=state_clock.c.revision + bindparam("by"))
    .returning(state_clock.c.revision)
)
_INSERT_CHANGE: Final = insert(state_changes)
_COMPACTED_AT_ONCE: Final = 2_000
"""Changes looked at in one transaction of compaction, so that writers wait for little."""
_KEPT: Final = ("data", "version", "revision", "updated_at", "updated_by", "expires_at")


def _upserts() -> dict[str, Any]:  # Any: one statement type a dialect, same use
    made: dict[str, Any] = {}
    for name, make in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert)):
        statement = make(state_entries)
        made[name] = statement.on_conflict_do_update(
            index_elements=address_columns(state_entries),
            set_={column: statement.excluded[column] for column in _KEPT},
        )
    return made


_UPSERT: Final = _upserts()


def tick(connection: Connection, by: int) -> int:
    """Reserve `by` revisions; answers the last. Taken first: it orders the writers of all nodes."""
    revision = connection.scalar(_TICK, {"by": by})
    if revision is None:
        insert_once = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(
            state_clock
        )
        connection.execute(
            insert_once.on_conflict_do_nothing(), {"id": 1, "revision": 0, "floor": 0}
        )
        revision = connection.scalar(_TICK, {"by": by})
    assert revision is not None
    return revision


def apply_batch(connection: Connection, batch: Batch, *, now: float) -> list[Change]:
    """Decide every write against what is there, then write all of them."""
    writes = batch.writes
    revision = tick(connection, len(writes)) - len(writes)
    for fence in batch.fences:
        check_fence(fence, newest_fence(connection, fence.owner, fence.name))
    addresses = list(dict.fromkeys(write.address for write in writes))
    held: dict[Address, Record] = statements.records(connection, addresses)
    changes: list[Change] = []
    for write in writes:
        change = decide(write, held.get(write.address), now=now, revision=revision + 1, by=batch.by)
        if change is not None:
            revision += 1
            held[write.address] = change.record
            changes.append(change)
    keep(connection, changes)
    return changes


def keep(connection: Connection, changes: list[Change]) -> None:
    """Write what became of the keys, and the history."""
    if not changes:
        return
    newest = {change.address: change for change in changes}
    connection.execute(
        _UPSERT[connection.dialect.name], [entry_values(change) for change in newest.values()]
    )
    connection.execute(_INSERT_CHANGE, [change_values(change) for change in changes])


def end_entries(
    connection: Connection,
    doomed: Select[Any],
    *,
    operation: Literal["delete", "expire"],
    by: str,
    now: float,
) -> list[Change]:
    """Delete the chosen entries, each with a version and a revision of its own."""
    revision = tick(connection, 0)
    rows = connection.execute(doomed).all()
    if not rows:
        return []
    tick(connection, len(rows))
    changes: list[Change] = []
    for number, row in enumerate(rows, start=1):
        old = record_of(row)
        ended = Record(None, old.version + 1, revision + number, now, by, None)
        changes.append(Change(address_of(row), operation, ended))
    keep(connection, changes)
    return changes


def next_fence(connection: Connection, owner: Owner, name: str) -> Fence:
    """One more than the newest fence of the name."""
    tick(connection, 0)
    token = newest_fence(connection, owner, name) + 1
    values = address_values(Address(owner, name))
    if token == 1:
        connection.execute(insert(state_fences), {**values, "token": token})
    else:
        where = statements.at(state_fences, Address(owner, name))
        connection.execute(update(state_fences).where(where).values(token=token))
    return Fence(owner, name, token)


def newest_fence(connection: Connection, owner: Owner, name: str) -> int:
    """The newest fence of the name; 0 when none was taken."""
    where = statements.at(state_fences, Address(owner, name))
    return connection.scalar(select(state_fences.c.token).where(where)) or 0


def compact(connection: Connection, keep_versions: int, after: int) -> tuple[int, int | None]:
    """Look at the next changes after a revision and drop what their keys no longer keep.

    Answers how many lines went and where to go on; None when there was nothing to look at.
    """
    tick(connection, 0)
    changes = state_changes.c
    window = (
        select(state_changes)
        .where(changes.revision > after)
        .order_by(changes.revision)
        .limit(_COMPACTED_AT_ONCE)
        .subquery()
    )
    columns = [window.c[column.name] for column in address_columns(state_changes)]
    newest = select(*columns, func.max(window.c.version).label("version")).group_by(*columns)
    seen = connection.scalar(select(func.max(window.c.revision)))
    if seen is None:
        return 0, None
    dropped: list[int] = []
    for row in connection.execute(newest).all():
        if row.version > keep_versions:
            old = delete(state_changes).where(
                statements.at(state_changes, address_of(row)),
                changes.version <= row.version - keep_versions,
            )
            dropped.extend(connection.scalars(old.returning(changes.revision)))
    if dropped:
        floor = state_clock.c.floor
        move = update(state_clock).where(state_clock.c.id == 1, floor < max(dropped))
        connection.execute(move.values(floor=max(dropped)))
    return len(dropped), seen
