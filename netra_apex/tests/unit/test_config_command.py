"""`apex config`: what it prints, changes, and exits with."""

import json
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from netra_apex.commands.config import config_app
from netra_apex.commands.users import users_app
from netra_core.environment import get_env
from netra_core.errors import ConfigurationError
from netra_core.testing.configurations import made_up_secret


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Generator[Path]:
    home = tmp_path / "apex"
    with get_env().isolated({"ENVIRONMENT": "test", "APEX_HOME": str(home), "COLUMNS": "200"}):
        yield home


def apex(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(config_app, list(arguments), input=given)


def parsed(*arguments: str) -> object:
    return json.loads(apex(*arguments, "--json").stdout)


def test_a_fresh_machine_has_nothing_wrong_and_reading_makes_no_file(home: Path) -> None:
    assert (apex("check").exit_code, "nothing is wrong" in apex("check").stdout) == (0, True)
    assert "http.port" in apex("show").stdout
    assert not home.exists()


def test_check_lists_every_finding_worst_first_with_what_to_do_and_exits_1() -> None:
    done = apex("check", "--environment", "production")
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    severities = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert severities == ["critical"] * 4 + ["required"]
    assert len([line for line in lines if line.startswith(" ")]) == 5
    found = parsed("check", "-e", "production")
    assert isinstance(found, list)
    assert [f["key"] for f in found][:2] == ["auth.fernet_key", "auth.service_secret"]


def test_check_says_broken_files_and_values_together(tmp_path: Path) -> None:
    file = tmp_path / "apex.toml"
    file.write_text("[http]\nport = \n")
    get_env().update({"APEX_CONFIG_FILE": str(file), "LOG_LEVEL": "loud"}, "test")
    done = apex("check")
    assert done.exit_code == 1
    assert "line 2" in done.stdout and "telemetry.log_level" in done.stdout


def test_a_setting_is_set_explained_compared_and_taken_back() -> None:
    assert apex("set", "llm.model", "gpt-5", "--reason", "try").stdout == "revision 1\n"
    assert apex("set", "llm.model", "gpt-5").stdout == "nothing to change\n"
    apex("set", "llm.model", "gpt-6")
    explained = apex("explain", "llm.model").stdout
    assert "gpt-6" in explained and "database (revision 2), global" in explained
    assert "gpt-5" in explained, "what stood there before"
    assert parsed("diff", "1") == [
        {
            "key": "llm.model",
            "scope": "global",
            "owner": "",
            "source": "database",
            "previous": "gpt-5",
            "current": "gpt-6",
        }
    ]
    assert apex("rollback", "1").stdout == "revision 3\n"
    history = parsed("history")
    assert isinstance(history, list)
    assert [row["action"] for row in history] == ["rollback", "set", "set"]
    assert "3 revisions are what was written" in apex("history", "--verify").stdout


def test_a_covered_key_is_reported() -> None:
    get_env().set("APEX_LLM_MODEL", "from-env", "test")
    assert "llm.model is covered by environment" in apex("set", "llm.model", "stored").stdout


def test_a_secret_is_given_on_standard_input_and_comes_back_from_a_backup(tmp_path: Path) -> None:
    secret, file = made_up_secret("openai"), tmp_path / "apex.backup"
    apex("set", "llm.openai_api_key", "-", given=f"{secret}\n")
    assert apex("backup", str(file)).exit_code == 0
    apex("delete", "llm.openai_api_key")
    assert apex("restore", str(file)).stdout == "revision 3\n"
    shown = apex("explain", "llm.openai_api_key").stdout
    assert "********" in shown and secret not in shown + file.read_text()


def test_an_id_that_nobody_has_gets_no_settings() -> None:
    get_env().update({"ENVIRONMENT": "development"}, "test")
    early = apex("set", "llm.model", "own", "--workspace", "w1")
    assert (early.exit_code, "no accounts here" in early.stderr) == (0, True)
    made = CliRunner().invoke(users_app, ["create", "ada@example.com"])
    assert made.exit_code == 0, made.output
    listed = CliRunner(env={"COLUMNS": "200"}).invoke(users_app, ["list"]).stdout
    (person,) = re.findall(r"usr_\w+", listed)
    for owner in ("--workspace", "--user"):
        refused = apex("set", "llm.model", "own", owner, "nobody")
        assert (refused.exit_code, "there is no" in refused.stderr) == (2, True)
    assert apex("set", "llm.model", "own", "--user", person).exit_code == 0
    history = parsed("history")
    assert isinstance(history, list) and len(history) == 2


def test_settings_of_a_user_and_of_a_service_are_shown() -> None:
    apex("set", "llm.model", "own", "--user", "ada")
    shown = parsed("show", "--user", "ada")
    assert isinstance(shown, dict) and shown["llm.model"] == "own"
    of_auth = parsed("show", "--service", "auth")
    assert isinstance(of_auth, dict)
    assert "auth.issuer" in of_auth and "llm.model" not in of_auth
    assert apex("show", "--service", "nobody").exit_code == 2


def test_wrong_keys_and_values_are_one_clear_error() -> None:
    for arguments in (("explain", "http.prot"), ("set", "http.port", "many"), ("rollback", "9")):
        done = apex(*arguments)
        assert isinstance(done.exception, ConfigurationError)
        assert "\n" not in str(done.exception)


def test_docs_and_a_template_are_written(tmp_path: Path) -> None:
    apex("docs", "--out", str(tmp_path / "page.md"))
    assert (tmp_path / "page.md").read_text().startswith("# Configuration")
    assert "ENVIRONMENT=staging\n" in apex("env", "-e", "staging").stdout
