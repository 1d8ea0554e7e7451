"""Row-level security on PostgreSQL: the second wall, below the code that filters by owner."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import ARRAY, Connection, String, Table, bindparam, text

from netra_core.database.metadata import ROWS

# A setting that a transaction made for itself is empty after it, not null: nobody's rows then.
_MY_WORKSPACE: Final = "NULLIF(current_setting('apex.workspace_id', true), '')"
_SYSTEM: Final = "current_setting('apex.system', true) = 'on'"
_WORKSPACE: Final = f"workspace_id = {_MY_WORKSPACE}"
_USER: Final = "user_id = NULLIF(current_setting('apex.user_id', true), '')"
_POLICIES: Final = {
    "user": f"({_WORKSPACE} AND {_USER}) OR {_SYSTEM}",
    "workspace": f"{_WORKSPACE} OR {_SYSTEM}",
    "state": f"({_WORKSPACE} AND (user_id = '' OR {_USER})) OR {_SYSTEM}",
}
_GLOBAL: Final = f"workspace_id = '' AND {_MY_WORKSPACE} IS NOT NULL"
"""State of nobody's workspace: read by everybody who acts for somebody, written by the platform."""


_UNSECURED: Final = text(
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = current_schema() AND c.relname = ANY (:names) AND NOT ("
    "c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p"
    " WHERE p.polrelid = c.oid AND p.polname = 'apex_rows'))"
    " ORDER BY 1"
).bindparams(bindparam("names", type_=ARRAY(String)))


def secure_table(connection: Connection, name: str, owner: str) -> None:
    """Enable and FORCE row-level security for rows of `owner` on one table of the current schema.

    FORCE, because the owner of a table would pass otherwise. Does nothing on SQLite.
    """
    if owner == "none" or connection.dialect.name != "postgresql":
        return
    rule = _POLICIES[owner]
    statements = [
        f'ALTER TABLE "{name}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{name}" FORCE ROW LEVEL SECURITY',
        f'DROP POLICY IF EXISTS apex_rows ON "{name}"',
        f'DROP POLICY IF EXISTS apex_global ON "{name}"',
        f'CREATE POLICY apex_rows ON "{name}" USING ({rule}) WITH CHECK ({rule})',
    ]
    if owner == "state":
        statements.append(f'CREATE POLICY apex_global ON "{name}" FOR SELECT USING ({_GLOBAL})')
    for statement in statements:
        connection.execute(text(statement))


def unsecured_tables(connection: Connection, tables: Iterable[Table]) -> list[str]:
    """Which of the tables that hold someone's rows lack enforced row-level security or its policy.

    Asked of the database's own catalog; none on SQLite.
    """
    owned = [table.name for table in tables if table.info.get(ROWS, "none") != "none"]
    if connection.dialect.name != "postgresql" or not owned:
        return []
    return list(connection.execute(_UNSECURED, {"names": owned}).scalars())


def grant_to(connection: Connection, *, schema: str, role: str, version_table: str) -> None:
    """Let the application's role use the tables of a schema, and change none of them; which
    migrations ran it may read and not say.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    where, who = quote(schema), quote(role)
    for statement in (
        f"GRANT USAGE ON SCHEMA {where} TO {who}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {where} TO {who}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {where} TO {who}",
        f"REVOKE INSERT, UPDATE, DELETE ON {where}.{quote(version_table)} FROM {who}",
    ):
        connection.exec_driver_sql(statement)
