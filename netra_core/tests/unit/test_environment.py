"""IsolatedEnvironment: one door to variables, and what it promises."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra_core.environment import (
    MASK,
    Environment,
    EnvironmentFileError,
    InvalidVariableError,
    IsolatedEnvironment,
    MissingVariableError,
    UnknownEnvironmentError,
    VariableChange,
    get_env,
)

PEM = "-----BEGIN PRIVATE KEY-----\r\nMIIB\nVgIBADANB gkqhkiG9w0BAQ\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def env() -> IsolatedEnvironment:
    return IsolatedEnvironment({"BASE": "1", "EMPTY": ""})


def test_a_private_environment_neither_reads_nor_writes_the_processs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APEX_ENV_TEST", "outside")
    env = IsolatedEnvironment()
    assert not env.exists("APEX_ENV_TEST")
    env.set("APEX_ENV_TEST", "private", "test")
    assert get_env().get("APEX_ENV_TEST") == "outside"


def test_changes_made_outside_are_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APEX_ENV_TEST", "one")
    assert get_env().get("APEX_ENV_TEST") == "one"
    monkeypatch.setenv("APEX_ENV_TEST", "two")
    assert get_env().get("APEX_ENV_TEST") == "two"
    assert get_env().get_variable_source("APEX_ENV_TEST") == "outside"


def test_the_base_mapping_is_copied_not_shared() -> None:
    base = {"A": "1"}
    env = IsolatedEnvironment(base)
    env.set("A", "2", "test")
    base["B"] = "3"
    assert base["A"] == "1" and not env.exists("B")


def test_require_refuses_absent_and_blank_values(env: IsolatedEnvironment) -> None:
    assert env.require("BASE") == "1"
    with pytest.raises(MissingVariableError, match="'NOPE' is not set"):
        env.require("NOPE")
    with pytest.raises(MissingVariableError, match="'EMPTY' is empty"):
        env.require("EMPTY")


def test_it_knows_who_set_each_value(env: IsolatedEnvironment) -> None:
    env.set("NEW", "x", "wizard")
    env.delete("EMPTY")
    assert env.get_variable_source("NEW") == "wizard"
    assert env.get_variable_source("BASE") == "base"
    assert env.get_variable_source("EMPTY") is None
    assert env.get_changes_since_init() == {
        "NEW": VariableChange("NEW", None, "x", "wizard"),
        "EMPTY": VariableChange("EMPTY", "", None, "outside"),
    }


def test_protection_covers_set_and_delete_until_forced(env: IsolatedEnvironment) -> None:
    env.protect("BASE")
    assert env.is_protected("BASE")
    assert not env.set("BASE", "2", "test")
    assert not env.delete("BASE")
    assert env.update({"BASE": "2", "FREE": "1"}, "test") == {"BASE": False, "FREE": True}
    assert env.get("BASE") == "1"
    assert env.set("BASE", "2", "test", force=True)
    env.unprotect("BASE")
    assert env.delete("BASE")


def test_one_bad_value_stops_the_whole_update(env: IsolatedEnvironment) -> None:
    with pytest.raises(InvalidVariableError, match="NUL"):
        env.update({"GOOD": "1", "BAD": "a\0b"}, "test")
    assert not env.exists("GOOD")


@pytest.mark.parametrize("key", ["", "A=B", "A\0B"])
def test_impossible_names_are_refused(env: IsolatedEnvironment, key: str) -> None:
    with pytest.raises(InvalidVariableError):
        env.set(key, "1", "test")


def test_isolation_keeps_writes_private_and_restores_the_process_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APEX_ENV_TEST", "real")
    process = get_env()
    before = process.get_all()
    with process.isolated({"APEX_ENV_TEST": "private", "APEX_ENV_MORE": "1"}) as env:
        assert env.get("APEX_ENV_TEST") == "private"
        env.delete("PATH")
        assert not env.exists("PATH")
        with env.isolated({"APEX_ENV_TEST": "deeper"}):
            assert env.get("APEX_ENV_TEST") == "deeper"
        assert env.get("APEX_ENV_TEST") == "private"
        child = _child_sees(env, "APEX_ENV_TEST")
        assert child == "private"
    assert process.get_all() == before
    assert not process.is_isolated()


def test_isolation_ends_when_the_block_raises(env: IsolatedEnvironment) -> None:
    with pytest.raises(RuntimeError), env.isolated({"BASE": "2"}):
        raise RuntimeError
    assert env.get("BASE") == "1" and not env.is_isolated()


def test_what_others_write_to_the_process_meanwhile_is_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with get_env().isolated():
        monkeypatch.setenv("APEX_ENV_STRANGER", "1")
        assert get_env().get("APEX_ENV_STRANGER") == "1"
    assert not get_env().exists("APEX_ENV_STRANGER")


def _child_sees(env: IsolatedEnvironment, name: str) -> str:
    program = f"import json, os; print(json.dumps(os.environ.get({name!r})))"
    output = subprocess.run(
        [sys.executable, "-c", program],
        env=env.get_subprocess_env(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    value = json.loads(output)
    assert isinstance(value, str)
    return value


def test_a_deleted_variable_does_not_reach_a_child(env: IsolatedEnvironment) -> None:
    with env.isolated():
        env.delete("BASE")
        assert env.get_subprocess_env({"EXTRA": "1"}) == {"EMPTY": "", "EXTRA": "1"}


@pytest.mark.parametrize("value", [PEM, "$(touch /tmp/x) `id` ${HOME}", " blanks ", "ünïcödé ☂"])
def test_values_reach_a_child_byte_for_byte_and_are_never_run(value: str) -> None:
    env = IsolatedEnvironment(get_env().get_all())
    env.set("VALUE", value, "test")
    assert _child_sees(env, "VALUE") == value


@given(st.text().filter(lambda t: "\0" not in t and not any(0xD800 <= ord(c) < 0xE000 for c in t)))
def test_any_text_survives_set_and_get(value: str) -> None:
    env = IsolatedEnvironment()
    env.set("K", value, "test")
    assert env.get("K") == value
    assert env.get_subprocess_env()["K"] == value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, Environment.DEVELOPMENT),
        ("", Environment.DEVELOPMENT),
        ("dev", Environment.DEVELOPMENT),
        ("local", Environment.DEVELOPMENT),
        ("testing", Environment.TEST),
        ("Stage", Environment.STAGING),
        (" PROD ", Environment.PRODUCTION),
        ("production", Environment.PRODUCTION),
    ],
)
def test_environments_have_their_names_and_aliases(name: str | None, expected: Environment) -> None:
    base = {} if name is None else {"ENVIRONMENT": name}
    assert IsolatedEnvironment(base).environment is expected


@pytest.mark.parametrize("name", ["prd", "producton", "live", "0"])
def test_an_unknown_environment_is_an_error_never_development(name: str) -> None:
    env = IsolatedEnvironment({"ENVIRONMENT": name})
    with pytest.raises(UnknownEnvironmentError, match="development, test, staging, production"):
        _ = env.environment


def test_callbacks_run_outside_the_lock_and_one_that_raises_harms_nobody(
    env: IsolatedEnvironment,
) -> None:
    seen: list[object] = []

    def raises(_: VariableChange) -> None:
        raise RuntimeError("secret")

    def from_another_thread(change: VariableChange) -> None:
        reader = threading.Thread(target=lambda: seen.append(env.get(change.key)))
        reader.start()
        reader.join(timeout=5)

    env.add_change_callback(raises)
    remove = env.add_change_callback(from_another_thread)
    assert env.set("A", "1", "test")
    remove()
    remove()
    env.set("A", "2", "test")
    assert seen == ["1"]


def test_setting_the_same_value_again_tells_nobody(env: IsolatedEnvironment) -> None:
    seen: list[VariableChange] = []
    env.add_change_callback(seen.append)
    env.set("BASE", "1", "test")
    env.delete("NOPE")
    assert seen == []


def test_debug_info_and_repr_hold_no_secret() -> None:
    env = IsolatedEnvironment({"PLAIN": "p"})
    secrets = {
        "SERVICE_SECRET": "planted-1-abcdef",
        "OPENAI_API_KEY": "planted-2-abcdef",
        "DATABASE_URL": "postgresql://me:planted-3@word@host/db",
        "TLS": f"-----BEGIN PRIVATE KEY-----planted-4\n{PEM}",
    }
    env.update(secrets, "test")
    shown = f"{env!r} {env.get_debug_info()} {env.get_changes_since_init()}"
    shown += " ".join(map(str, env.get_changes_since_init().values()))
    assert "planted" not in shown
    assert MASK in shown


# -- files -----------------------------------------------------------------------------------------


def write(folder: Path, text: str) -> Path:
    path = folder / "vars.env"
    path.write_bytes(text.encode())
    return path


def test_a_file_follows_dotenvs_grammar(tmp_path: Path, env: IsolatedEnvironment) -> None:
    path = write(
        tmp_path,
        "# comment\nexport EXPORTED=yes\nQUOTED='a # b'\nDOUBLE=\"two\\nlines\"\n"
        "PLAIN=x # comment\nREF=${BASE}-${PLAIN}\nSHELL_TEXT=$(whoami)\n",
    )
    report = env.load_from_file(path)
    assert report.problems == ()
    assert {k: env.get(k) for k in report.loaded} == {
        "EXPORTED": "yes",
        "QUOTED": "a # b",
        "DOUBLE": "two\nlines",
        "PLAIN": "x",
        "REF": "1-x",
        "SHELL_TEXT": "$(whoami)",
    }
    assert not env.exists("export EXPORTED")
    assert env.get_variable_source("PLAIN") == "file:vars.env"


def test_what_was_set_before_wins_over_the_file(tmp_path: Path, env: IsolatedEnvironment) -> None:
    report = env.load_from_file(write(tmp_path, "BASE=2\nEMPTY=x\nNEW=1\n"))
    assert (report.kept, report.loaded) == (("BASE", "EMPTY"), ("NEW",))
    assert env.get("BASE") == "1" and env.get("EMPTY") == ""


def test_bad_lines_are_reported_with_number_and_reason_and_never_shown(
    tmp_path: Path, env: IsolatedEnvironment
) -> None:
    path = write(tmp_path, "A=1\n\n\nNO_VALUE\nB='planted secret\nC=3\n=nothing\n")
    report = env.load_from_file(path)
    assert [p.line for p in report.problems] == [4, 5, 7]
    assert "no '='" in report.problems[0].reason
    assert "planted" not in repr(report)
    assert env.get("C") == "3"


def test_a_pem_key_in_a_file_survives_byte_for_byte(
    tmp_path: Path, env: IsolatedEnvironment
) -> None:
    env.load_from_file(write(tmp_path, f"KEY='{PEM}'\n"))
    assert env.get("KEY") == PEM


def test_unusable_files_are_named_errors(tmp_path: Path, env: IsolatedEnvironment) -> None:
    with pytest.raises(EnvironmentFileError, match="No such file"):
        env.load_from_file(tmp_path / "absent")
    (tmp_path / "latin").write_bytes(b"A=1\nB=\xff\xfe\n")
    with pytest.raises(EnvironmentFileError, match="not UTF-8, line 2"):
        env.load_from_file(tmp_path / "latin")
    with pytest.raises(EnvironmentFileError):
        env.load_from_file(tmp_path)


def test_eight_threads_tear_and_lose_nothing() -> None:
    env = IsolatedEnvironment()
    changes: list[VariableChange] = []
    env.add_change_callback(changes.append)
    gate = threading.Barrier(8)

    def work(number: int) -> None:
        gate.wait()
        for i in range(50):
            env.set(f"K{number}_{i}", "v" * 100, "test")
            assert env.get(f"K{number}_{i}") == "v" * 100

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(env.get_all()) == len(changes) == 400


def test_the_environment_loads_without_pydantic() -> None:
    program = (
        "import sys; sys.modules['pydantic'] = None; sys.modules['structlog'] = None\n"
        "import netra_core.environment"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
