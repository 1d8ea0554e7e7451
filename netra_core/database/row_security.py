"""Row-level security on PostgreSQL: the second wall, below the code that filters by owner."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, Table, text

from netra_core.database.metadata import ROWS

_SYSTEM: Final = "current_setting('apex.system', true) = 'on'"
_WORKSPACE: Final = "workspace_id = current_setting('apex.workspace_id', true)"
_USER: Final = "user_id = current_setting('apex.user_id', true)"
_POLICIES: Final = {
    "user": f"({_WORKSPACE} AND {_USER}) OR {_SYSTEM}",
    "workspace": f"{_WORKSPACE} OR {_SYSTEM}",
    "state": (f"(workspace_id = '' OR {_WORKSPACE}) AND (user_id = '' OR {_USER}) OR {_SYSTEM}"),
}


def secure_tables(connection: Connection, tables: Iterable[Table]) -> None:
    """Enable and FORCE row-level security on every table that holds someone's rows.

    FORCE, because the owner of a table would pass otherwise. Does nothing on SQLite.
    """
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        secure_table(connection, table.name, table.info.get(ROWS, "none"))


def secure_table(connection: Connection, name: str, owner: str) -> None:
    """Put the policy for rows of `owner` on one table of the current schema."""
    if owner == "none" or connection.dialect.name != "postgresql":
        return
    rule = _POLICIES[owner]
    for statement in (
        f'ALTER TABLE "{name}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{name}" FORCE ROW LEVEL SECURITY',
        f'DROP POLICY IF EXISTS apex_rows ON "{name}"',
        f'CREATE POLICY apex_rows ON "{name}" USING ({rule}) WITH CHECK ({rule})',
    ):
        connection.execute(text(statement))


def grant_to(connection: Connection, *, schema: str, role: str) -> None:
    """Let the application's role use the tables of a schema, and change none of them."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    where, who = quote(schema), quote(role)
    for statement in (
        f"GRANT USAGE ON SCHEMA {where} TO {who}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {where} TO {who}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {where} TO {who}",
    ):
        connection.exec_driver_sql(statement)
