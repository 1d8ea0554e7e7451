"""`apex db` on real files and a real PostgreSQL."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from netra_apex.cli import main
from netra_core.environment import get_env
from netra_core.testing import BaseIntegrationTest
from netra_core.testing.postgres import MIGRATION_ROLE, PostgresTestServer, TestDatabase

pytestmark = [pytest.mark.integration]


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def apex_db(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command as `apex` runs it, in this process: starting Python is not what is shown here."""

    def run(*arguments: str, home: Path, **variables: str) -> Result:
        with get_env().isolated({"APEX_HOME": str(home), **variables}):
            try:
                main(["db", *arguments])
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return run


def test_upgrade_makes_what_check_missed(apex_db: Callable[..., Result], tmp_path: Path) -> None:
    before = apex_db("check", home=tmp_path)
    assert before.returncode == 1
    assert "DB-015" in before.stderr
    assert "apex db upgrade" in before.stderr
    assert apex_db("upgrade", home=tmp_path).returncode == 0
    after = apex_db("check", home=tmp_path)
    assert (after.returncode, after.stderr) == (0, "")
    assert (tmp_path / "platform.sqlite").is_file()
    assert (tmp_path / "auth.sqlite").is_file()


def test_a_newer_database_is_named_and_the_other_still_reported(
    apex_db: Callable[..., Result], tmp_path: Path
) -> None:
    apex_db("upgrade", home=tmp_path)
    with closing(sqlite3.connect(tmp_path / "platform.sqlite")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    result = apex_db("upgrade", home=tmp_path)
    assert result.returncode == 1
    assert "DB-014" in result.stderr
    assert "'9999'" in result.stderr
    assert "auth" in result.stdout
    assert "Traceback" not in result.stderr


def test_the_migration_role_migrates_for_the_applications_role(
    apex_db: Callable[..., Result], tmp_path: Path, postgres_database: TestDatabase
) -> None:
    urls = {"DATABASE_URL": postgres_database.app_url}
    refused = apex_db("upgrade", "--only", "platform", home=tmp_path, **urls)
    assert refused.returncode == 1
    assert "DB-019" in refused.stderr
    urls["MIGRATION_DATABASE_URL"] = postgres_database.migration_url
    result = apex_db("upgrade", home=tmp_path, **urls)
    assert (result.returncode, result.stderr) == (0, "")
    assert "p%40ss" not in result.stdout
    assert "***" in result.stdout
    assert apex_db("check", home=tmp_path, **urls).returncode == 0


def test_wrong_use_is_exit_code_two(apex_db: Callable[..., Result], tmp_path: Path) -> None:
    assert apex_db("upgrade", "--only", "nothing", home=tmp_path).returncode == 2


def test_a_policy_that_was_switched_off_by_hand_fails_the_check(
    apex_db: Callable[..., Result], tmp_path: Path, postgres_database: TestDatabase
) -> None:
    urls = {"DATABASE_URL": postgres_database.migration_url}
    assert apex_db("upgrade", home=tmp_path, **urls).returncode == 0
    assert apex_db("check", home=tmp_path, **urls).returncode == 0
    url = postgres_database.url(MIGRATION_ROLE, driver="postgresql")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("ALTER TABLE platform.events NO FORCE ROW LEVEL SECURITY")
        owner.execute("DROP POLICY apex_rows ON platform.threads")
    result = apex_db("check", home=tmp_path, **urls)
    assert result.returncode == 1
    assert "row-level security is off on events, threads" in result.stderr


def test_a_database_elsewhere_is_migrated_where_it_is(
    apex_db: Callable[..., Result],
    tmp_path: Path,
    postgres: PostgresTestServer,
    postgres_database: TestDatabase,
) -> None:
    people = postgres.new_database()
    urls = {
        "DATABASE_URL": postgres_database.app_url,
        "MIGRATION_DATABASE_URL": postgres_database.migration_url,
        "AUTH_DATABASE_URL": people.migration_url,
    }
    assert apex_db("upgrade", home=tmp_path, **urls).returncode == 0
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname IN ('platform', 'auth', 'dbos')"
    for database, wanted in ((postgres_database, {"platform", "dbos"}), (people, {"auth"})):
        with psycopg.connect(database.url(MIGRATION_ROLE, driver="postgresql")) as inside:
            assert {name for (name,) in inside.execute(schemas)} == wanted
    assert apex_db("check", home=tmp_path, **urls).returncode == 0
    postgres.drop_database(people)


def test_tables_of_durable_runs_that_are_missing_or_newer_are_named(
    apex_db: Callable[..., Result], tmp_path: Path, postgres_database: TestDatabase
) -> None:
    urls = {"DATABASE_URL": postgres_database.migration_url}
    missing = apex_db("check", "--only", "dbos", home=tmp_path, **urls)
    assert (missing.returncode, "DB-015" in missing.stderr) == (1, True)
    assert apex_db("upgrade", "--only", "dbos", home=tmp_path, **urls).returncode == 0
    assert apex_db("check", "--only", "dbos", home=tmp_path, **urls).returncode == 0
    url = postgres_database.url(MIGRATION_ROLE, driver="postgresql")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("UPDATE dbos.dbos_migrations SET version = 99999")
    for command in ("upgrade", "check", "current"):
        newer = apex_db(command, "--only", "dbos", home=tmp_path, **urls)
        assert (newer.returncode, "DB-014" in newer.stderr) == (1, True)


@pytest.mark.process
class TestTwoRoles(BaseIntegrationTest):
    """Apex on PostgreSQL as its documentation sets it up.

    Segment: operators.
    Goal: the service holds no right to change tables.
    Value: a flaw in the service cannot rewrite the schema or switch off the second wall.
    Impact: least privilege is what a security review asks for first.
    """

    def test_apex_serves_with_the_applications_role_what_the_other_prepared(
        self, postgres_database: TestDatabase
    ) -> None:
        self.env.update(
            {"ENVIRONMENT": "development", "DATABASE_URL": postgres_database.app_url}, "operator"
        )
        migrator = {"MIGRATION_DATABASE_URL": postgres_database.migration_url}
        upgrade = self.start_process(["-m", "netra_apex", "db", "upgrade"], env=migrator)
        said = upgrade.communicate()[0]
        assert (upgrade.returncode, said.count("is up to date")) == (0, 3), said
        server = self.start_process(["-m", "netra_apex", "serve", "--port", "0"])
        assert server.stdout is not None
        lines: list[str] = []
        for line in server.stdout:
            lines.append(line)
            if found := re.search(r"ready on (http://\S+)", line):
                assert httpx.get(f"{found[1]}/health/ready", timeout=30).status_code == 200
                return
        pytest.fail("".join(lines))
