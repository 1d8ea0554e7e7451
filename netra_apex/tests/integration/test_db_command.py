"""`apex db` on real files and a real PostgreSQL."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from netra_apex.cli import main
from netra_core.environment import get_env
from netra_core.testing.postgres import TestDatabase

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
