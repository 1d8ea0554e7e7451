"""Statements of the shared state that several operations use."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    func,
    select,
    tuple_,
    update,
)

from netra_core.state.scopes import of_agents
from netra_core.state.sql_rows import address_columns, address_of, address_values, record_of
from netra_core.state.store import Record
from netra_core.state.tables import state_changes, state_entries
from netra_core.state.types import Address, Scope

_ONE: Final = select(state_entries).where(
    *(column == bindparam(f"at_{column.name}") for column in address_columns(state_entries))
)


def at(table: Table, address: Address) -> ColumnElement[bool]:
    """The condition that a row is at an address."""
    values = address_values(address)
    return and_(*(column == values[column.name] for column in address_columns(table)))


def records(connection: Connection, addresses: Sequence[Address]) -> dict[Address, Record]:
    """The records at the addresses, deleted and expired ones included."""
    if len(addresses) == 1:
        values = {f"at_{name}": value for name, value in address_values(addresses[0]).items()}
        rows = connection.execute(_ONE, values)
    else:
        wanted = [tuple(address_values(address).values()) for address in addresses]
        chosen = select(state_entries).where(tuple_(*address_columns(state_entries)).in_(wanted))
        rows = connection.execute(chosen)
    return {address_of(row): record_of(row) for row in rows}


def erase(
    connection: Connection, workspace_id: str, user_id: str | None, subject: str | None
) -> int:
    """Null the values of whatever matches, in entries and changes; answers the entries' count."""
    counts: list[int] = []
    for table in (state_changes, state_entries):
        change = update(table).where(table.c.workspace_id == workspace_id)
        if user_id is not None:
            change = change.where(table.c.user_id == user_id)
        if subject is not None:
            agents = func.substr(table.c.subject, 1, len(of_agents(subject))) == of_agents(subject)
            change = change.where(
                (table.c.subject == subject) | ((table.c.scope == Scope.AGENT.value) & agents)
            )
        change = change.where(table.c.data.is_not(None)).values(data=None, expires_at=None)
        counts.append(connection.execute(change).rowcount)
    return counts[-1]
