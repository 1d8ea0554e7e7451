"""Configuration: keys, layers, scopes, typed reads, secrets of the machine."""

import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from netra_core.configuration import (
    ConfigurationChange,
    ConfigurationFileError,
    ConfigurationManagerFactory,
    EncryptionError,
    HistoryError,
    InvalidConfigurationError,
    MemoryRevisionStore,
    ScopeError,
    Settings,
    StoreError,
    UnifiedConfigurationManager,
    UnknownKeyError,
    VetoError,
    WrongTypeError,
    all_keys,
    ensure_secrets,
    load_settings,
    open_configuration,
    open_store,
)
from netra_core.configuration.hosts import host_of, is_local, origin_of, says_staging
from netra_core.configuration.strength import is_placeholder, weakness
from netra_core.environment import (
    Environment,
    EnvironmentFileError,
    IsolatedEnvironment,
    UnknownEnvironmentError,
)
from netra_core.errors import ConfigurationError
from netra_core.testing.configurations import made_up_secret

KEY = {"FERNET_KEY": made_up_secret("fernet")}


def manager_of(
    variables: dict[str, str] | None = None, **more: object
) -> UnifiedConfigurationManager:
    env = IsolatedEnvironment({"ENVIRONMENT": "test", **KEY, **(variables or {})})
    return UnifiedConfigurationManager(env, **more)  # type: ignore[arg-type]


# -- the schema ------------------------------------------------------------------------------------


def test_every_setting_is_annotated_and_its_default_is_valid() -> None:
    keys = all_keys()
    assert len(keys) > 60
    assert all(key.description for key in keys.values())
    variables = [key.setting.env for key in keys.values()]
    assert len(variables) == len(set(variables))
    for key in keys.values():
        if key.default is not None:
            assert key.parse(key.dump(key.default)) == key.parse(key.default)


def test_every_secret_is_of_the_type_that_hides_itself() -> None:
    hidden = {k.name for k in all_keys().values() if "SecretStr" in str(k.annotation)}
    assert hidden == {k.name for k in all_keys().values() if k.setting.secret}


def test_the_reference_page_is_what_the_schema_says() -> None:
    from netra_core.configuration.documentation import markdown

    page = Path(__file__).parents[3] / "docs" / "configuration.md"
    assert page.read_text() == markdown(), "run: apex config docs --out docs/configuration.md"


def test_a_template_filled_in_with_nothing_is_found_wanting_by_name() -> None:
    from netra_core.configuration.documentation import template

    text = template(Environment.PRODUCTION)
    needed = [line.partition("=")[0] for line in text.splitlines() if line.endswith("=")]
    asked = [n for n in needed if not n.startswith("#")]
    env = IsolatedEnvironment({"ENVIRONMENT": "production"})
    found = UnifiedConfigurationManager(env).validate()
    variables = {all_keys()[f.key].variable(Environment.PRODUCTION) for f in found}
    assert variables == set(asked)


def test_importing_configuration_brings_nothing_heavy() -> None:
    program = (
        "import sys, netra_core.configuration\n"
        "heavy = {'sqlalchemy', 'watchfiles', 'cryptography', 'structlog', 'fastapi'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("http.port", "0x10", None),
        ("http.port", "8080", 8080),
        ("http.port", 8080, 8080),
        ("http.port", True, None),
        ("http.port", 70000, None),
        ("http.port", "", None),
        ("deployment.debug", "yes", True),
        ("deployment.debug", "0", False),
        ("deployment.debug", "perhaps", None),
        ("telemetry.log_level", "debug", "DEBUG"),
        ("telemetry.log_level", "loud", None),
        ("http.cors_origins", "http://a, http://b", ("http://a", "http://b")),
        ("http.cors_origins", '["http://a"]', ("http://a",)),
        ("http.cors_origins", "[", None),
        ("http.cors_origins", "", ()),
        ("http.cors_origins", "http://a/path", None),
        ("http.public_url", "ftp://x", None),
        ("llm.model", "a\nb", None),
        ("llm.model", "a\0b", None),
        ("llm.model", "a\ud800", None),
        ("llm.model", "x" * 9000, None),
        ("llm.model", 5, None),
        ("llm.budget_usd", "1e3", 1000.0),
        ("llm.budget_usd", "-1", None),
        ("llm.budget_usd", "nan", None),
        ("llm.openai_api_key", "k", SecretStr("k")),
    ],
)
def test_values_are_parsed_or_refused_in_one_line(key: str, raw: object, value: object) -> None:
    known = all_keys()[key]
    if value is not None:
        assert known.parse(raw) == value
        return
    with pytest.raises(ValueError) as refused:
        known.parse(raw)
    assert refused.value.args and "\n" not in str(refused.value)
    if isinstance(raw, str) and len(raw) > 4:
        assert raw not in str(refused.value)


def test_typed_reads_name_key_source_and_reason_when_the_type_is_another() -> None:
    manager = manager_of({"APEX_LLM_MODEL": "gpt-5"})
    assert manager.get_str("llm.model") == "gpt-5"
    assert manager.get_float("llm.budget_usd") == 1.0
    assert manager.get_bool("deployment.debug") is False
    assert isinstance(manager.get_path("paths.home"), Path)
    with pytest.raises(WrongTypeError, match=r"llm\.model \(environment: APEX_LLM_MODEL\): is of"):
        manager.get_int("llm.model")
    with pytest.raises(WrongTypeError, match=r"auth\.url \(default: schema\): is not set"):
        manager.get_str("auth.url")
    with pytest.raises(WrongTypeError, match="asked for as int"):
        manager.get_int("deployment.debug")


def test_unknown_keys_are_refused_with_the_nearest_known_one() -> None:
    manager = manager_of()
    for read in (manager.get, manager.get_int, manager.explain, manager.delete):
        with pytest.raises(UnknownKeyError, match=r"Did you mean 'http\.port'"):
            read("http.prt")
    with pytest.raises(UnknownKeyError, match="apex config docs"):
        manager.get("zzzzzzzz")
    assert not manager.exists("http.prt") and manager.exists("http.port")
    assert not manager.exists("llm.model")
    assert manager.keys("paths.") == ["paths.home"]


def test_settings_are_immutable_and_hide_secrets() -> None:
    settings = load_settings(IsolatedEnvironment({"SERVICE_SECRET": "planted-secret-1"}))
    with pytest.raises(ValueError, match="frozen"):
        settings.http.port = 1  # type: ignore[misc]
    assert "planted" not in repr(settings) and "planted" not in settings.model_dump_json()


def test_settings_without_anything_set_are_the_defaults() -> None:
    assert load_settings(IsolatedEnvironment()) == Settings()


def test_a_variable_that_nobody_reads_is_reported_with_the_nearest() -> None:
    (finding,) = manager_of({"APEX_HTTP_PROT": "1", "OTHER": "1"}).validate()
    assert (finding.rule, finding.severity, finding.key) == (
        "unknown_variable",
        "optional",
        "APEX_HTTP_PROT",
    )
    assert "APEX_HTTP_PORT" in finding.remedy


def test_an_unknown_environment_stops_everything() -> None:
    with pytest.raises(UnknownEnvironmentError):
        manager_of({"ENVIRONMENT": "prodution"})
    with pytest.raises(UnknownEnvironmentError):
        load_settings(IsolatedEnvironment({"ENVIRONMENT": "prodution"}))


def test_everything_wrong_is_said_at_once_and_nothing_of_the_values() -> None:
    variables = {"APEX_HTTP_PORT": "planted", "LOG_LEVEL": "planted", "APEX_PUBLIC_URL": "planted"}
    with pytest.raises(InvalidConfigurationError) as refused:
        manager_of(variables)
    assert [f.key for f in refused.value.findings] == [
        "http.port",
        "http.public_url",
        "telemetry.log_level",
    ]
    assert "planted" not in str(refused.value)


# -- layers and scopes -----------------------------------------------------------------------------


def test_a_lower_source_never_covers_a_higher_one(tmp_path: Path) -> None:
    file = tmp_path / "apex.toml"
    file.write_text("[runs]\nmax_total = 3\n")
    manager = manager_of({"APEX_RUNS_MAX_TOTAL": "4"}, file=file)
    manager.set("runs.max_total", 2)
    manager.set("runs.max_total", 5, "override")
    shown = manager.explain("runs.max_total")
    assert [shown.value, *(c.value for c in shown.covered)] == [5, 4, 3, 2, 50]
    assert [str(c.source) for c in shown.covered] == ["environment", "file", "database", "default"]
    manager.delete("runs.max_total", "override")
    assert manager.get("runs.max_total") == 4


def test_within_a_source_the_narrower_scope_wins_and_a_stronger_source_beats_scope() -> None:
    manager = manager_of({"APEX_LLM_TIMEOUT_S": "5"})
    factory = ConfigurationManagerFactory(manager)
    own = factory.get_agent_manager("triage", user_id="u", workspace_id="w")
    manager.set("llm.model", "global")
    assert own.get("llm.model") == "global"
    factory.get_workspace_manager("w").set("llm.model", "workspace")
    assert own.get("llm.model") == "workspace"
    factory.get_user_manager("u").set("llm.model", "user")
    assert own.get("llm.model") == "user"
    own.set("llm.model", "agent")
    assert (own.get("llm.model"), own.explain("llm.model").scope) == ("agent", "agent")
    assert factory.get_user_manager("u").get("llm.model") == "user"
    covered = own.set("llm.timeout_s", 9).covered
    assert covered == {"llm.timeout_s": "environment"} and own.get("llm.timeout_s") == 5.0


def test_the_file_may_speak_to_one_service(tmp_path: Path) -> None:
    file = tmp_path / "apex.toml"
    file.write_text(
        "[telemetry]\nlog_level = 'INFO'\n[service.auth.telemetry]\nlog_level='DEBUG'\n"
    )
    factory = ConfigurationManagerFactory(manager_of(file=file))
    assert factory.get_service_manager("auth").settings.telemetry.log_level == "DEBUG"
    assert factory.get_service_manager("backend").settings.telemetry.log_level == "INFO"


def test_what_must_be_known_before_the_database_cannot_be_stored_there() -> None:
    manager = manager_of()
    with pytest.raises(ScopeError, match="Set FERNET_KEY"):
        manager.set("auth.fernet_key", made_up_secret("x"))
    with pytest.raises(ScopeError, match="'cache' is no source"):
        manager.set("http.port", 1, "cache")
    with pytest.raises(ScopeError, match="cannot be set in the environment source"):
        manager.set("http.port", 1, "environment")


def test_a_secret_cannot_be_stored_without_a_key() -> None:
    manager = UnifiedConfigurationManager(IsolatedEnvironment({"ENVIRONMENT": "test"}))
    with pytest.raises(EncryptionError, match="Set FERNET_KEY"):
        manager.set("llm.openai_api_key", "k")
    assert manager.revision == 0


def test_a_rotated_key_still_reads_what_the_former_encrypted() -> None:
    store, secret = MemoryRevisionStore(), made_up_secret("stored")
    manager_of(store=store).set("llm.openai_api_key", secret)
    rotated = f"{made_up_secret('new')},{KEY['FERNET_KEY']}"
    both = manager_of({"FERNET_KEY": rotated}, store=store)
    assert both.get_secret("llm.openai_api_key") == secret and both.verify_history() == ()
    with pytest.raises(InvalidConfigurationError, match="another FERNET_KEY"):
        manager_of({"FERNET_KEY": made_up_secret("new")}, store=store)


# -- changing --------------------------------------------------------------------------------------


def test_setting_what_is_set_already_makes_no_revision() -> None:
    manager = manager_of()
    assert manager.set("llm.openai_api_key", "same-key").recorded
    assert not manager.set("llm.openai_api_key", "same-key").recorded
    assert not manager.delete("llm.model").recorded
    assert manager.revision == 1


def test_a_bad_value_among_several_changes_nothing() -> None:
    manager = manager_of()
    before = manager.settings
    with pytest.raises(InvalidConfigurationError, match=r"runs\.max_total \(database\)"):
        manager.update({"llm.model": "x", "runs.max_total": "many"})
    assert manager.settings is before and manager.revision == 0


def test_what_counts_from_the_next_start_is_said() -> None:
    manager = manager_of()
    result = manager.update({"http.port": 9000, "llm.model": "x"})
    assert (result.restart, manager.pending_restart) == ({"http.port"}, {"http.port"})
    assert manager.explain("http.port").pending_restart
    assert not manager.explain("llm.model").pending_restart


def test_explain_says_since_when_by_whom_and_what_was_before() -> None:
    moments = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(100))
    manager = manager_of(clock=lambda: next(moments))
    manager.set("llm.model", "first", actor="a")
    manager.set("llm.model", "second", actor="b", reason="better")
    shown = manager.explain("llm.model")
    assert (shown.value, shown.previous, shown.actor, shown.revision) == ("second", "first", "b", 2)
    assert shown.since == manager.history()[0].at
    assert manager.diff(1)[0].previous == "first" and manager.diff(0, 1)[0].current == "first"
    with pytest.raises(HistoryError, match="The last one is 2"):
        manager.diff(7)


class Careful:
    """A subscriber that refuses a model, and may do something of its own meanwhile."""

    def __init__(
        self, meanwhile: Callable[[], object] = lambda: None, *, refuses: str = ""
    ) -> None:
        self.told: list[str] = []
        self.meanwhile = meanwhile
        self.refuses = refuses

    def prepare(self, change: ConfigurationChange) -> None:
        self.told.append(f"prepare {change.current.llm.model}")
        self.meanwhile()
        if change.current.llm.model == self.refuses:
            raise OSError("planted-secret-in-a-strangers-error")

    def commit(self, change: ConfigurationChange) -> None:
        self.told.append(f"commit {change.previous.llm.model}->{change.current.llm.model}")

    def abort(self, change: ConfigurationChange) -> None:
        self.told.append("abort")


def test_one_veto_aborts_those_who_agreed_and_changes_nothing() -> None:
    manager = manager_of()
    first, second = Careful(), Careful(refuses="bad")
    first_end = manager.subscribe(first, keys=["runs.*"])
    manager.subscribe(second, keys=["llm.*"])
    with pytest.raises(VetoError, match=r"Careful refused the change of llm\.model: OSError") as no:
        manager.update({"runs.max_total": 7, "llm.model": "bad"})
    assert "planted" not in str(no.value)
    assert (first.told, second.told) == (["prepare bad", "abort"], ["prepare bad"])
    assert (manager.get("llm.model"), manager.revision) == (None, 0)
    first_end()
    manager.update({"runs.max_total": 7, "llm.model": "good"})
    assert second.told[1:] == ["prepare good", "commit None->good"]


def test_a_subscriber_cannot_change_the_configuration_while_it_changes() -> None:
    manager = manager_of()
    refusals: list[ConfigurationError] = []

    def meddle() -> None:
        try:
            manager.set("runs.max_total", 1)
        except ConfigurationError as error:
            refusals.append(error)

    manager.subscribe(Careful(meddle))
    manager.set("llm.model", "good")
    assert "while it is being changed" in str(refusals[0])


def test_a_listener_may_change_the_configuration_and_order_is_kept() -> None:
    manager = manager_of()
    seen: list[object] = []

    def follow(change: ConfigurationChange) -> None:
        seen.append((change.current.llm.model, change.current.runs.max_total))
        if change.current.llm.model == "a":
            manager.set("runs.max_total", 7)

    manager.add_listener(follow)
    manager.set("llm.model", "a")
    assert seen == [("a", 50), ("a", 7)]


def test_a_listener_that_raises_harms_nobody() -> None:
    manager = manager_of()
    seen: list[int] = []

    def raises(_: ConfigurationChange) -> None:
        raise RuntimeError

    manager.add_listener(raises)
    manager.add_listener(lambda change: seen.append(change.revision))
    manager.set("llm.model", "a")
    assert seen == [1]


def test_two_nodes_writing_at_once_lose_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/config.sqlite"
    nodes = [manager_of(store=open_store(url)) for _ in range(2)]
    gate = threading.Barrier(2)

    def work(node: UnifiedConfigurationManager, number: int) -> None:
        gate.wait()
        user = ConfigurationManagerFactory(node).get_user_manager(f"user-{number}")
        for step in range(15):
            user.set("llm.timeout_s", step + 1)

    threads = [threading.Thread(target=work, args=(n, i)) for i, n in enumerate(nodes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = manager_of(store=open_store(url))
    assert (fresh.revision, fresh.verify_history()) == (30, ())
    for node in (*nodes, fresh):
        node.core.follow()
        for number in range(2):
            own = ConfigurationManagerFactory(node).get_user_manager(f"user-{number}")
            assert own.get("llm.timeout_s") == 15.0


def test_home_and_environment_cannot_change_while_a_service_runs(tmp_path: Path) -> None:
    env = IsolatedEnvironment({"ENVIRONMENT": "test", "APEX_HOME": str(tmp_path)})
    manager = UnifiedConfigurationManager(env)
    for name, value in (("APEX_HOME", str(tmp_path / "other")), ("ENVIRONMENT", "production")):
        with env.isolated({name: value}):
            with pytest.raises(InvalidConfigurationError, match="cannot change while"):
                manager.reload()
            assert not manager.ready
    manager.reload()
    assert manager.ready


# -- files, stores, secrets of the machine ---------------------------------------------------------


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFileError, match="No such file"):
        manager_of({"APEX_CONFIG_FILE": str(tmp_path / "absent.toml")})
    (tmp_path / "binary.toml").write_bytes(b"[http]\n\xff")
    with pytest.raises(ConfigurationFileError, match="not UTF-8, line 2"):
        manager_of({"APEX_CONFIG_FILE": str(tmp_path / "binary.toml")})
    with pytest.raises(ConfigurationFileError, match="cannot be read"):
        manager_of({"APEX_CONFIG_FILE": str(tmp_path)})


@pytest.mark.parametrize(
    "url",
    ["mysql://u:planted@h/d", "not a url", "sqlite:////dev/null/x/y.sqlite", "postgresql://[::1"],
)
def test_a_store_that_cannot_be_is_one_clear_error(url: str) -> None:
    with pytest.raises(StoreError) as refused:
        open_store(url)
    assert "planted" not in str(refused.value) and "\n" not in str(refused.value)


def test_secrets_of_the_machine_are_made_once_private_and_different(tmp_path: Path) -> None:
    first = ensure_secrets(tmp_path / "home")
    assert ensure_secrets(tmp_path / "home") == first
    assert len(set(first.values())) == 3
    assert all(weakness(secret) is None for secret in first.values())
    folder = tmp_path / "home" / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in folder.iterdir()} == {0o600}
    assert sorted(f.name for f in folder.iterdir()) == [
        "fernet_key",
        "jwt_secret_key",
        "service_secret",
    ]


def test_processes_that_start_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    gate, made = threading.Barrier(8), []

    def work() -> None:
        gate.wait()
        made.append(tuple(sorted(ensure_secrets(tmp_path).items())))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1


def test_secrets_of_the_machine_are_never_used_in_production(tmp_path: Path) -> None:
    env = IsolatedEnvironment({"ENVIRONMENT": "production", "APEX_HOME": str(tmp_path)})
    manager = open_configuration(env)
    assert manager.get("auth.fernet_key") is None
    assert not (tmp_path / "keys").exists()


def test_a_file_of_variables_counts_where_nothing_is_set(tmp_path: Path) -> None:
    (tmp_path / "apex.env").write_text("APEX_HTTP_PORT=9001\nexport LOG_LEVEL='DEBUG'\n")
    env = IsolatedEnvironment({"APEX_HOME": str(tmp_path), "APEX_HTTP_PORT": "9002"})
    settings = open_configuration(env, read_only=True).settings
    assert (settings.http.port, settings.telemetry.log_level) == (9002, "DEBUG")
    assert env.get_variable_source("LOG_LEVEL") == "file:apex.env"


def test_bad_lines_of_a_file_of_variables_are_found_by_number(tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("LOG_LEVEL=DEBUG\nSERVICE_SECRET 'planted'\n")
    variables = {"APEX_HOME": str(tmp_path), "APEX_ENV_FILE": str(tmp_path / "vars")}
    with pytest.raises(InvalidConfigurationError, match="line 2") as refused:
        open_configuration(IsolatedEnvironment(variables))
    assert "planted" not in str(refused.value)
    tolerant = open_configuration(IsolatedEnvironment(variables), strict=False, read_only=True)
    assert [f.rule for f in tolerant.validate()] == ["bad_line"]
    with pytest.raises(EnvironmentFileError):
        open_configuration(IsolatedEnvironment({"APEX_ENV_FILE": str(tmp_path / "absent")}))


def test_reading_only_makes_nothing(tmp_path: Path) -> None:
    env = IsolatedEnvironment({"APEX_HOME": str(tmp_path / "home")})
    assert open_configuration(env, read_only=True).validate() == ()
    assert not (tmp_path / "home").exists()


# -- rules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    "|  |change-me|CHANGEME|Change_Me_please|your-secret|YOUR_KEY_HERE|<key>|REPLACE_ME|"
    "replace-with-secret|todo|TODO: fill|xxx|XXXXXXXX|placeholder".split("|"),
)
def test_placeholders_are_known_in_any_case(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text", [made_up_secret("a"), "a3f0" * 2 + "91bc77de05", "Tr0ub4dor&3-xkcd-936-battery-staple"]
)
def test_real_secrets_are_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)


def test_hexadecimal_is_strong_enough_and_repetition_is_not() -> None:
    assert weakness(made_up_secret("hex")) is None
    assert weakness("0123456789abcdef" * 2) is None
    assert "repeats" in (weakness("0123456789abcdef" * 4) or "")
    assert "31 characters" in (weakness(made_up_secret("hex")[:31]) or "")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("postgresql://u:p@w/o@db.example.com:5432/x", "db.example.com"),
        ("https://[::1]:8000/x", "::1"),
        ("localhost:8000", "localhost"),
        ("DB.Example.com", "db.example.com"),
        ("/cloudsql/p:r:i", None),
        ("sqlite:////x/y", None),
    ],
)
def test_the_host_of_an_address_is_found(address: str, host: str | None) -> None:
    assert host_of(address) == host


def test_local_hosts_and_staging_names_are_told_from_real_ones() -> None:
    assert all(map(is_local, ("localhost", "127.0.0.5", "::1", "0.0.0.0", "x.localhost")))
    assert not any(map(is_local, ("db", "10.0.0.4", "example.com", "localhost.example.com")))
    assert all(map(says_staging, ("staging.x.com", "db-stg.x.com", "x-stage.com")))
    assert not any(map(says_staging, ("stagecoach.com", "backstage.com", "prod.x.com")))
    assert origin_of("HTTPS://A.com:443/x") == "https://a.com"
    assert origin_of("http://a.com:8080") == "http://a.com:8080"
