"""PostgreSQL as `apex db upgrade` leaves it: three schemas, two roles, and a wall between owners.

What is asked here is asked of the database's own catalog, so that a new table counts at once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from netra_apex.cli import main
from netra_auth.database.tables import metadata as auth_metadata
from netra_backend.migrations.runner import platform_metadata
from netra_core.environment import get_env
from netra_core.testing.postgres import (
    APP_ROLE,
    MIGRATION_ROLE,
    PASSWORD,
    PostgresTestServer,
    TestDatabase,
)

pytestmark = pytest.mark.integration

Connection = psycopg.Connection[tuple[object, ...]]
NOBODYS = {"alembic_version", "configuration_head", "configuration_revisions", "nodes"}
NOBODYS |= {"state_clock"}
PEOPLE = (("acme", "ann"), ("acme", "bob"), ("evil", "ann"))
GLOBAL = ("", "")


@dataclass(frozen=True)
class Roles:
    """One migrated database, and how each role gets in."""

    database: TestDatabase
    server: PostgresTestServer

    def connect(self, role: str = APP_ROLE) -> Connection:
        url = self.database.url(role, driver="postgresql")
        return psycopg.connect(url, options="-c search_path=platform", autocommit=True)

    def superuser(self) -> Connection:
        """Above every policy: to put rows where the test needs them."""
        return psycopg.connect(
            host=str(self.server.folder / "data"),
            port=self.server.port,
            user="postgres",
            dbname=self.database.name,
            options="-c search_path=platform -c session_replication_role=replica",
            autocommit=True,
        )


def upgrade(database: TestDatabase, home: str, **more: str) -> None:
    variables = {
        "APEX_HOME": home,
        "DATABASE_URL": database.app_url,
        "MIGRATION_DATABASE_URL": database.migration_url,
        **more,
    }
    with get_env().isolated(variables), pytest.raises(SystemExit) as ended:
        main(["db", "upgrade"])
    assert not ended.value.code


@pytest.fixture(scope="module")
def roles(
    postgres: PostgresTestServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Roles]:
    database = postgres.new_database()
    upgrade(database, str(tmp_path_factory.mktemp("home")))
    yield Roles(database, postgres)
    postgres.drop_database(database)


def tables_of(connection: Connection, schema: str) -> set[str]:
    found = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)
    ).fetchall()
    return {str(name) for (name,) in found}


def owned_tables(connection: Connection) -> list[str]:
    """Tables of the platform with an owner's column, by the catalog."""
    found = connection.execute(
        "SELECT DISTINCT table_name FROM information_schema.columns"
        " WHERE table_schema = 'platform' AND column_name IN ('workspace_id', 'user_id')"
        " ORDER BY 1"
    ).fetchall()
    return [str(name) for (name,) in found]


def test_each_schema_holds_its_own_tables_and_no_other(roles: Roles) -> None:
    with roles.connect(MIGRATION_ROLE) as connection:
        platform = {table.name for table in platform_metadata().sorted_tables}
        auth = {table.name for table in auth_metadata.sorted_tables}
        assert tables_of(connection, "platform") == platform | {"alembic_version"}
        assert tables_of(connection, "auth") == auth | {"alembic_version_auth"}
        assert {"workflow_status", "operation_outputs"} <= tables_of(connection, "dbos")
        assert tables_of(connection, "public") == set()


def test_every_table_with_an_owner_forces_its_policy_and_the_rest_is_known(roles: Roles) -> None:
    with roles.connect() as connection:
        owned = owned_tables(connection)
        assert tables_of(connection, "platform") - set(owned) == NOBODYS
        secured = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid"
            " WHERE c.relnamespace = 'platform'::regnamespace AND c.relrowsecurity"
            " AND c.relforcerowsecurity AND p.polname = 'apex_rows' AND p.polcmd = '*'"
            " AND p.polpermissive AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL"
            " ORDER BY 1"
        ).fetchall()
        assert [name for (name,) in secured] == owned
        more = connection.execute(
            "SELECT DISTINCT polname, polcmd FROM pg_policy WHERE polname <> 'apex_rows'"
        ).fetchall()
        assert more == [("apex_global", "r")]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE platform.mine (a integer)",
        "CREATE TABLE auth.mine (a integer)",
        "CREATE TABLE dbos.mine (a integer)",
        "CREATE TABLE public.mine (a integer)",
        "CREATE SCHEMA mine",
        "CREATE VIEW platform.mine AS SELECT 1",
        "CREATE FUNCTION platform.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE platform.events DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE platform.events NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY apex_rows ON platform.events",
        "CREATE POLICY all_rows ON platform.events USING (true)",
        "DROP TABLE platform.events",
        "TRUNCATE platform.events",
        "UPDATE platform.alembic_version SET version_num = '9999'",
        "DELETE FROM auth.alembic_version_auth",
        f"ALTER ROLE {APP_ROLE} BYPASSRLS",
        f"SET ROLE {MIGRATION_ROLE}",
        "SET session_replication_role = replica",
    ],
)
def test_the_applications_role_changes_no_table_policy_or_role(
    roles: Roles, statement: str
) -> None:
    with roles.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_roles_of_auth_and_platform_that_are_apart_do_not_read_each_other(
    postgres: PostgresTestServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = postgres.new_database()
    with postgres.admin() as admin:
        admin.execute("DROP ROLE IF EXISTS apex_people")
        admin.execute(
            sql.SQL("CREATE ROLE apex_people LOGIN PASSWORD {}").format(sql.Literal(PASSWORD))
        )
    home = str(tmp_path_factory.mktemp("home"))
    upgrade(database, home, AUTH_DATABASE_URL=database.url("apex_people"))
    reads = {"platform": "SELECT count(*) FROM platform.events", "auth": "SELECT 1 FROM auth.users"}
    for role, own in (("apex_app", "platform"), ("apex_people", "auth")):
        with psycopg.connect(database.url(role, driver="postgresql"), autocommit=True) as inside:
            inside.execute(reads[own])
            (foreign,) = reads.keys() - {own}
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                inside.execute(reads[foreign])
    postgres.drop_database(database)


# -- raw SQL of the application's role ------------------------------------------------------------


def fill(connection: Connection, table: str) -> None:
    """One row of each person, and of nobody where the table has such rows."""
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'platform' AND table_name = %s ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    people = [*PEOPLE, GLOBAL] if table.startswith("state_") else list(PEOPLE)
    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    for number, (workspace, user) in enumerate(people):
        values = {
            str(name): value_of(str(name), str(kind), number, workspace, user)
            for name, kind in columns
        }
        names = sql.SQL(", ").join(map(sql.Identifier, values))
        marks = sql.SQL(", ").join([sql.Placeholder()] * len(values))
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})")
        connection.execute(
            statement.format(sql.Identifier(table), names, marks), list(values.values())
        )


def value_of(name: str, kind: str, number: int, workspace: str, user: str) -> object:
    if name in ("workspace_id", "user_id"):
        return workspace if name == "workspace_id" else user
    if "char" in kind or kind == "text":
        return f"v{number}"
    if "timestamp" in kind:
        return "2026-11-26T00:00:00Z"
    if kind == "boolean":
        return False
    return "{}" if "json" in kind else number + 1


def act_as(connection: Connection, workspace: str | None, user: str | None) -> None:
    """What each transaction of the application does first; None leaves it out."""
    if workspace is not None:
        connection.execute(
            "SELECT set_config('apex.workspace_id', %s, true),"
            " set_config('apex.user_id', %s, true), set_config('apex.system', 'off', true)",
            (workspace, user),
        )


def owners(connection: Connection, table: str) -> list[tuple[object, ...]]:
    """Of each row that the connection sees, whose it is."""
    has_user = "user_id" in columns_of(connection, table)
    query = sql.SQL("SELECT workspace_id, {} FROM {}").format(
        sql.Identifier("user_id") if has_user else sql.SQL("''"), sql.Identifier(table)
    )
    return sorted(connection.execute(query).fetchall())


def columns_of(connection: Connection, table: str) -> set[str]:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s", (table,)
    ).fetchall()
    return {str(name) for (name,) in found}


def policies(connection: Connection) -> dict[str, bool]:
    """Of each table with an owner: whether its policy looks at the user as well."""
    found = connection.execute(
        "SELECT c.relname, pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p"
        " JOIN pg_class c ON c.oid = p.polrelid WHERE p.polname = 'apex_rows'"
    ).fetchall()
    return {str(name): bool(re.search("apex.user_id", str(rule))) for name, rule in found}


def may_touch(by_user: bool, owner: tuple[object, ...]) -> bool:
    """Whether ann of acme may change the row of `owner`."""
    return owner[0] == "acme" and (not by_user or owner[1] == "ann")


def test_raw_sql_reads_changes_and_removes_no_foreign_row_of_any_table(roles: Roles) -> None:
    with roles.superuser() as above, roles.connect() as app:
        by_user = policies(app)
        assert len(by_user) >= 14
        for table, user_counts in by_user.items():
            fill(above, table)
            everybody = owners(above, table)
            own = [owner for owner in everybody if may_touch(user_counts, owner)]
            readable = sorted([*own, *(owner for owner in everybody if owner == GLOBAL)])
            assert own and readable != everybody, table
            with app.transaction():
                act_as(app, "acme", "ann")
                assert owners(app, table) == readable, table
                name = sql.Identifier(table)
                changed = app.execute(
                    sql.SQL("UPDATE {} SET workspace_id = workspace_id").format(name)
                )
                assert changed.rowcount == len(own), table
                removed = app.execute(sql.SQL("DELETE FROM {}").format(name))
                assert removed.rowcount == len(own), table
            assert owners(above, table) == [o for o in everybody if o not in own], table


def test_raw_sql_makes_no_row_foreign_and_no_foreign_row(roles: Roles) -> None:
    with roles.superuser() as above, roles.connect() as app:
        for table, user_counts in policies(app).items():
            fill(above, table)
            row = sql.SQL("INSERT INTO {} SELECT * FROM copied").format(sql.Identifier(table))
            moves = [("workspace_id", "evil"), ("workspace_id", "")]
            moves += [("user_id", "bob")] if user_counts else []
            for column, value in moves:
                with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
                    act_as(app, "acme", "ann")
                    move = sql.SQL("UPDATE {} SET {} = %s WHERE workspace_id = 'acme'")
                    app.execute(
                        move.format(sql.Identifier(table), sql.Identifier(column)), (value,)
                    )
                with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
                    act_as(app, "acme", "ann")
                    copy = sql.SQL(
                        "CREATE TEMPORARY TABLE copied ON COMMIT DROP AS"
                        " SELECT * FROM {} WHERE workspace_id = 'acme' LIMIT 1"
                    )
                    app.execute(copy.format(sql.Identifier(table)))
                    app.execute(
                        sql.SQL("UPDATE copied SET {} = %s").format(sql.Identifier(column)),
                        (value,),
                    )
                    app.execute(row)


@pytest.mark.parametrize("context", [(None, None), ("", ""), ("acme", ""), ("", "ann")])
@pytest.mark.parametrize("role", [APP_ROLE, MIGRATION_ROLE])
def test_without_a_whole_context_nothing_is_seen_or_written(
    roles: Roles, context: tuple[str | None, str | None], role: str
) -> None:
    with roles.superuser() as above, roles.connect(role) as connection:
        with connection.transaction():  # what it leaves behind is an empty setting, not none
            act_as(connection, "acme", "ann")
        for table, user_counts in policies(connection).items():
            if context[0] and not user_counts:
                continue  # a table of the workspace asks for no user
            fill(above, table)
            shared = [GLOBAL] if context[0] and table.startswith("state_") else []
            with connection.transaction():
                act_as(connection, *context)
                assert owners(connection, table) == shared, table
                name = sql.Identifier(table)
                for statement in ("DELETE FROM {}", "UPDATE {} SET workspace_id = 'acme'"):
                    assert connection.execute(sql.SQL(statement).format(name)).rowcount == 0, table


def test_views_and_functions_of_the_tables_owner_show_no_foreign_row_either(roles: Roles) -> None:
    with roles.superuser() as above, roles.connect(MIGRATION_ROLE) as owner:
        fill(above, "threads")
        owner.execute("CREATE VIEW seen AS SELECT user_id FROM threads")
        owner.execute(
            "CREATE FUNCTION told() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER"
            " SET search_path = platform AS 'SELECT user_id::text FROM threads'"
        )
        owner.execute(f"GRANT SELECT ON seen TO {APP_ROLE}")
        try:
            with roles.connect() as app, app.transaction():
                act_as(app, "acme", "ann")
                assert app.execute("SELECT * FROM seen").fetchall() == [("ann",)]
                assert app.execute("SELECT * FROM told()").fetchall() == [("ann",)]
        finally:
            owner.execute("DROP VIEW seen")
            owner.execute("DROP FUNCTION told()")
