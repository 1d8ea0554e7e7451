"""Rows of the shared state: from and to addresses, records and changes."""

from typing import Any

from sqlalchemy import Column, Row, Table

from netra_core.state.store import Change, Record
from netra_core.state.types import Address, Owner, Scope


def address_columns(table: Table) -> list[Column[Any]]:
    """The five columns of an address, in its order."""
    columns = table.c
    return [
        columns.scope,
        columns.workspace_id,
        columns.user_id,
        columns.subject,
        columns.key,
    ]


def address_values(address: Address) -> dict[str, str]:
    """An address as column values."""
    scope, workspace_id, user_id, subject = address.owner
    return {
        "scope": scope.value,
        "workspace_id": workspace_id,
        "user_id": user_id,
        "subject": subject,
        "key": address.key,
    }


def address_of(row: Row[Any]) -> Address:
    """The address in a row."""
    owner = Owner(Scope(row.scope), row.workspace_id, row.user_id, row.subject)
    return Address(owner, row.key)


def record_of(row: Row[Any]) -> Record:
    """The record in a row of state_entries."""
    return Record(
        data=None if row.data is None else row.data.encode(),
        version=row.version,
        revision=row.revision,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        expires_at=row.expires_at,
    )


def change_of(row: Row[Any]) -> Change:
    """The change in a row of state_changes."""
    record = Record(
        data=None if row.data is None else row.data.encode(),
        version=row.version,
        revision=row.revision,
        updated_at=row.at,
        updated_by=row.by,
        expires_at=row.expires_at,
    )
    return Change(address_of(row), row.operation, record)


def entry_values(change: Change) -> dict[str, Any]:
    """A change as a row of state_entries."""
    record = change.record
    return {
        **address_values(change.address),
        "data": None if record.data is None else record.data.decode(),
        "version": record.version,
        "revision": record.revision,
        "updated_at": record.updated_at,
        "updated_by": record.updated_by,
        "expires_at": record.expires_at,
    }


def change_values(change: Change) -> dict[str, Any]:
    """A change as a row of state_changes."""
    record = change.record
    return {
        **address_values(change.address),
        "revision": record.revision,
        "operation": change.operation,
        "data": None if record.data is None else record.data.decode(),
        "version": record.version,
        "at": record.updated_at,
        "by": record.updated_by,
        "expires_at": record.expires_at,
    }
