"""Insert a row unless another one has its key."""

from collections.abc import Mapping

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession


async def insert_if_absent(
    session: AsyncSession, table: Table, values: Mapping[str, str | int | bytes | None]
) -> bool:
    """True when the row was inserted, False when a unique key of it was taken.

    A concurrent transaction that inserts the same key is waited for.
    """
    first = next(iter(table.primary_key))
    if session.get_bind().dialect.name == "postgresql":
        statement = postgresql.insert(table).values(**values).on_conflict_do_nothing()
        found = await session.execute(statement.returning(first))
    else:
        statement = sqlite.insert(table).values(**values).on_conflict_do_nothing()
        found = await session.execute(statement.returning(first))
    return found.one_or_none() is not None
