"""Environment and configuration, on real variables, files, threads and a real database."""

import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netra_core.configuration import (
    ConfigurationChange,
    ConfigurationFileError,
    ConfigurationManagerFactory,
    InvalidConfigurationError,
    ScopeError,
    Severity,
    UnifiedConfigurationManager,
    UnknownKeyError,
    VetoError,
    open_configuration,
)
from netra_core.environment import Environment, IsolatedEnvironment, Redactor
from netra_core.telemetry import configure_logging, get_logger
from netra_core.testing import BaseIntegrationTest
from netra_core.testing.configurations import made_up_secret, sound_variables

SECRET_VARIABLES = (
    "JWT_SECRET_KEY",
    "SERVICE_SECRET",
    "FERNET_KEY",
    "OPENAI_API_KEY",
    "POSTGRES_PASSWORD",
)


class PoolOwner:
    """A subscriber as a database pool would be: refuses what it cannot serve."""

    name = "database pool"

    def __init__(self) -> None:
        self.told: list[str] = []

    def prepare(self, change: ConfigurationChange) -> None:
        self.told.append("prepare")
        if change.current.database.pool_size > 40:
            raise VetoError("at most 40 connections are left on this server")

    def commit(self, change: ConfigurationChange) -> None:
        self.told.append(f"commit {change.current.database.pool_size}")

    def abort(self, change: ConfigurationChange) -> None:
        self.told.append("abort")


@pytest.mark.integration
class TestIsolatedEnvironmentConfiguration(BaseIntegrationTest):
    """Segment: every team that runs Apex.

    Goal: a setting that is given is the setting that counts, for exactly those it was given to.
    Value: no outage by a typing error, no secret in a log, no user with another's settings.
    Impact: wrong or leaked configuration is the most common cause of incidents in production.
    """

    @pytest.fixture
    def manager(self) -> Iterator[UnifiedConfigurationManager]:
        manager = open_configuration(self.env, service="backend")
        yield manager
        manager.close()

    def settings_file(self, text: str) -> Path:
        path = self.home / "apex.toml"
        path.write_text(text)
        return path

    # -- from variables to typed keys ----------------------------------------------------------

    def test_a_variable_reaches_its_typed_key_with_its_source(self) -> None:
        self.env.set("APEX_HTTP_PORT", "9107", "operator")
        self.env.set(
            "APEX_CORS_ORIGINS", "https://a.example.com, https://b.example.com", "operator"
        )
        manager = open_configuration(self.env)
        assert manager.get_int("http.port") == manager.settings.http.port == 9107
        assert manager.get_list("http.cors_origins") == [
            "https://a.example.com",
            "https://b.example.com",
        ]
        explained = manager.explain("http.port")
        assert (explained.source, explained.origin, explained.actor) == (
            "environment",
            "APEX_HTTP_PORT",
            "operator",
        )
        assert [(c.source, c.value) for c in explained.covered] == [("default", 8000)]

    def test_sections_take_values_that_are_no_defaults(self) -> None:
        password = made_up_secret("database")
        self.env.update(
            {
                "APEX_WEBSOCKET_MAX_CONNECTIONS_PER_USER": "3",
                "APEX_WEBSOCKET_MESSAGES_PER_MINUTE": "77",
                "APEX_WEBSOCKET_HEARTBEAT_S": "7.5",
                "DATABASE_URL": f"postgresql://apex:{password}@db.internal:6432/apex",
                "POSTGRES_HOST": "db.internal",
                "POSTGRES_PORT": "6432",
                "POSTGRES_USER": "apex",
                "POSTGRES_PASSWORD": password,
                "POSTGRES_DB": "apex",
                "APEX_DATABASE_POOL_SIZE": "17",
                "APEX_LLM_MODEL": "claude-sonnet-4-5",
                "APEX_LLM_BUDGET_USD": "2.5",
                "ANTHROPIC_API_KEY": made_up_secret("anthropic"),
                "APEX_CONFIG_URL": "memory:",
            },
            "operator",
        )
        settings = open_configuration(self.env).settings
        assert settings.websocket.model_dump(
            include={"max_connections_per_user", "messages_per_minute", "heartbeat_s"}
        ) == {"max_connections_per_user": 3, "messages_per_minute": 77, "heartbeat_s": 7.5}
        database = settings.database
        assert database.platform_url and database.postgres_password
        assert database.platform_url.get_secret_value() == self.env.get("DATABASE_URL")
        assert database.postgres_password.get_secret_value() == password
        assert (database.postgres_host, database.postgres_port) == ("db.internal", 6432)
        assert (database.postgres_user, database.postgres_db) == ("apex", "apex")
        assert database.pool_size == 17
        assert settings.llm.anthropic_api_key
        assert (settings.llm.model, settings.llm.budget_usd) == ("claude-sonnet-4-5", 2.5)
        assert settings.llm.anthropic_api_key.get_secret_value() == made_up_secret("anthropic")

    # -- who sees what -------------------------------------------------------------------------

    def test_users_are_isolated_over_one_base(self, manager: UnifiedConfigurationManager) -> None:
        factory = ConfigurationManagerFactory(manager)
        alice, bob = factory.get_user_manager("alice"), factory.get_user_manager("bob")
        manager.set("llm.budget_usd", 5, actor="admin")
        alice.set("llm.budget_usd", 9, actor="alice")
        assert [m.get_float("llm.budget_usd") for m in (manager, alice, bob)] == [5.0, 9.0, 5.0]
        manager.set("llm.budget_usd", 6, actor="admin")
        assert [m.settings.llm.budget_usd for m in (manager, alice, bob)] == [6.0, 9.0, 6.0]
        alice.delete("llm.budget_usd", actor="alice")
        assert alice.get_float("llm.budget_usd") == 6.0
        with pytest.raises(ScopeError, match=r"http\.port is not set by user"):
            bob.set("http.port", 1, actor="bob")
        reopened = ConfigurationManagerFactory(open_configuration(self.env))
        assert reopened.get_user_manager("bob").get_float("llm.budget_usd") == 6.0

    def test_the_factory_isolates_counts_evicts_and_survives_hostile_ids(
        self, manager: UnifiedConfigurationManager
    ) -> None:
        factory = ConfigurationManagerFactory(manager, max_managers=3)
        assert factory.get_user_manager("u") is factory.get_user_manager("u")
        assert factory.get_user_manager("u") is not factory.get_service_manager("u")
        assert factory.get_manager() is factory.get_global_manager() is manager
        factory.get_manager("u", "backend").set("llm.model", "both", actor="u")
        assert factory.get_user_manager("u").get("llm.model") == "both"
        assert factory.get_service_manager("u").get("llm.model") is None
        for hostile in ("a:b", "../a", "a/b", "", " a", "a\0b", "a\nb", "x" * 300):
            with pytest.raises(ScopeError) as refused:
                factory.get_user_manager(hostile)
            assert "\n" not in str(refused.value)
        for number in range(10):
            factory.get_user_manager(f"user-{number}").set("llm.model", f"m{number}", actor="x")
        assert factory.get_manager_count() == {
            "global": 1,
            "service": 0,
            "workspace": 0,
            "user": 3,
            "agent": 0,
            "total": 4,
        }
        assert factory.get_user_manager("user-0").get("llm.model") == "m0"

    # -- findings ------------------------------------------------------------------------------

    @pytest.mark.parametrize("environment", list(Environment))
    def test_findings_are_exact_in_each_environment(self, environment: Environment) -> None:
        nothing_set = IsolatedEnvironment(
            {"ENVIRONMENT": str(environment), "APEX_HOME": str(self.home)}
        )
        found = [(f.severity, f.key, f.rule) for f in open_configuration(nothing_set).validate()]
        deployed = [
            (Severity.CRITICAL, "auth.fernet_key", "absent"),
            (Severity.CRITICAL, "auth.service_secret", "absent"),
            (Severity.CRITICAL, "database.platform_url", "absent"),
            (Severity.CRITICAL, "http.public_url", "absent"),
            (Severity.REQUIRED, "usage.clickhouse_url", "absent"),
        ]
        assert found == (deployed if environment.deployed else [])
        sound = IsolatedEnvironment(
            {
                **sound_variables(environment),
                "APEX_HOME": str(self.home),
                "APEX_CONFIG_URL": "memory:",
            }
        )
        manager = open_configuration(sound)
        assert manager.validate() == ()
        manager.require_sound()

    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            ("short-but-random-8fK2", "weak_secret"),
            ("a" * 40, "weak_secret"),
            ("abcdefgh" * 8, "weak_secret"),
            ("CHANGE-ME-" + "x9Kq" * 10, "placeholder"),
            ("your-secret-goes-here-0123456789abcdef", "placeholder"),
            ("REPLACE_WITH_A_REAL_KEY_0123456789abcdef", "placeholder"),
            ("ToDo: make a key of 32 characters or more", "placeholder"),
            ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "placeholder"),
        ],
    )
    def test_weak_short_and_placeholder_secrets_are_critical_in_production(
        self, value: str, rule: str
    ) -> None:
        env = IsolatedEnvironment(
            {
                **sound_variables(Environment.PRODUCTION),
                "APEX_HOME": str(self.home),
                "APEX_CONFIG_URL": "memory:",
                "SERVICE_SECRET": value,
            }
        )
        manager = open_configuration(env)
        (finding,) = manager.validate()
        assert (finding.rule, finding.key) == (rule, "auth.service_secret")
        assert finding.severity is Severity.CRITICAL and finding.remedy
        with pytest.raises(InvalidConfigurationError, match="SERVICE_SECRET") as refused:
            manager.require_sound()
        assert value not in str(refused.value)

    # -- changing ------------------------------------------------------------------------------

    def test_no_change_is_seen_before_a_reload_and_all_of_them_after(
        self, manager: UnifiedConfigurationManager
    ) -> None:
        before = manager.settings
        self.env.set("APEX_RUNS_MAX_PER_USER", "7", "operator")
        self.settings_file('[llm]\nmodel = "from-file"\n[runs]\nmax_per_user = 5\n')
        assert manager.settings is before
        result = manager.reload(actor="operator", reason="new limits")
        assert result.changed == {"runs.max_per_user", "llm.model"}
        assert (manager.get("runs.max_per_user"), manager.get("llm.model")) == (7, "from-file")
        assert before.runs.max_per_user == 3, "a held revision never changes"
        covered = manager.set("runs.max_per_user", 9, actor="admin").covered
        assert covered == {"runs.max_per_user": "environment"}
        assert manager.get("runs.max_per_user") == 7
        assert manager.set("runs.max_per_user", 11, "override", "admin").covered == {}
        assert manager.get("runs.max_per_user") == 11

    def test_hot_reload_of_a_file_on_disk_with_one_veto(self) -> None:
        file = self.settings_file("[database]\npool_size = 12\n")
        self.env.set("APEX_CONFIG_POLL_S", "0.1", "test")
        manager = open_configuration(self.env)
        owner, changed = PoolOwner(), threading.Event()
        manager.subscribe(owner, keys=["database.pool_*"])
        manager.add_listener(lambda _: changed.set(), keys=["database.*"])
        refused = threading.Event()
        handler = _Signal(refused, "at most 40 connections")
        logging.getLogger("netra_core.configuration").addHandler(handler)
        try:
            with manager.watch():
                file.write_text("[database]\npool_size = 20\n")
                assert changed.wait(self.wait_s)
                assert manager.get_int("database.pool_size") == 20
                file.write_text("[database]\npool_size = 99\n[llm]\nmodel = 'never'\n")
                assert refused.wait(self.wait_s)
        finally:
            logging.getLogger("netra_core.configuration").removeHandler(handler)
        assert (manager.get("database.pool_size"), manager.get("llm.model")) == (20, None)
        assert owner.told == ["prepare", "commit 20", "prepare"]
        assert not manager.ready, "the file still says what was refused"
        file.write_text("[database]\npool_size = 30\n")
        manager.reload()
        assert manager.ready and manager.get("database.pool_size") == 30

    def test_a_busy_neighbour_in_the_folder_hides_neither_file_nor_other_nodes(self) -> None:
        self.env.set("APEX_CONFIG_POLL_S", "0.05", "test")
        manager, other = open_configuration(self.env), open_configuration(self.env)
        told: dict[str, threading.Event] = {
            "llm.model": threading.Event(),
            "runs.max_total": threading.Event(),
        }
        for key, event in told.items():
            manager.add_listener(lambda _, event=event: event.set(), keys=[key])
        stop = threading.Event()

        def write_without_end() -> None:
            while not stop.wait(0.01):
                (self.home / "platform.sqlite-wal").write_bytes(b"busy")

        neighbour = threading.Thread(target=write_without_end)
        with manager.watch():
            neighbour.start()
            try:
                other.set("llm.model", "from another node", actor="admin")
                assert told["llm.model"].wait(self.wait_s)
                self.settings_file("[runs]\nmax_total = 9\n")
                assert told["runs.max_total"].wait(self.wait_s), "a file made while it runs"
            finally:
                stop.set()
                neighbour.join()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('[http]\nport = "many"\n', r"http\.port \(file: apex\.toml\): should be a valid int"),
            ("[http]\nport = 99999\n", r"http\.port \(file: apex\.toml\): should be less than"),
            ("[http]\nprot = 1\n", r"http\.prot \(file: apex\.toml\): is no setting.*http\.port"),
            ("[http]\nport = [\n", r"'.*apex\.toml' is not TOML.*line 2"),
            ("[http]\nhost = 'a\\nb'\n[http]\n", r"is not TOML.*line 3"),
            ('[http]\nhost = "a\\nb"\n', r"http\.host \(file: apex\.toml\): holds a newline"),
            (f'[llm]\nmodel = "{"x" * 9000}"\n', r"llm\.model \(file: apex\.toml\): 9000 char"),
            ("[service.nobody.http]\nport = 1\n", r"service\.nobody .*is no setting"),
        ],
    )
    def test_bad_files_are_named_in_one_line_and_change_nothing(
        self, manager: UnifiedConfigurationManager, text: str, said: str
    ) -> None:
        before = manager.settings
        self.settings_file(text)
        with pytest.raises((InvalidConfigurationError, ConfigurationFileError), match=said) as no:
            manager.reload()
        assert "\n" not in str(no.value) and "x" * 100 not in str(no.value)
        assert manager.settings is before and not manager.ready
        with pytest.raises(UnknownKeyError, match=r"Did you mean 'http\.port'"):
            manager.set("http.prot", 1, actor="admin")
        with pytest.raises(InvalidConfigurationError, match=r"http\.port \(database\)"):
            manager.set("http.port", "many", actor="admin")
        assert manager.settings is before and manager.history() == []

    # -- listeners, secrets, threads -----------------------------------------------------------

    def test_listeners_are_told_exactly_and_can_be_removed(
        self, manager: UnifiedConfigurationManager
    ) -> None:
        user = ConfigurationManagerFactory(manager).get_user_manager("u")
        told: list[tuple[str, list[str], object]] = []

        def telling(who: str) -> object:
            return lambda change: told.append((who, sorted(change.keys), change.current.llm.model))

        remove = manager.add_listener(telling("all"))  # type: ignore[arg-type]
        manager.add_listener(telling("http"), keys=["http.*"])  # type: ignore[arg-type]
        user.add_listener(telling("user"), keys=["llm.model"])  # type: ignore[arg-type]
        manager.set("llm.model", "a", actor="x")
        manager.set("llm.model", "a", actor="x")
        user.set("llm.model", "b", actor="u")
        manager.set("llm.model", "c", actor="x")
        remove()
        manager.set("llm.timeout_s", 3, actor="x")
        assert told == [
            ("all", ["llm.model"], "a"),
            ("user", ["llm.model"], "a"),
            ("user", ["llm.model"], "b"),
            ("all", ["llm.model"], "c"),
        ]

    def test_secrets_are_masked_wherever_they_could_come_out(self) -> None:
        secrets = {name: made_up_secret(name) for name in SECRET_VARIABLES}
        self.env.update(secrets, "operator")
        manager = open_configuration(self.env, service="backend")
        stored = made_up_secret("stored")
        user = ConfigurationManagerFactory(manager).get_user_manager("u")
        user.set("llm.gemini_api_key", stored, actor="u")
        log = io.StringIO()
        configure_logging(
            manager.settings.telemetry, redactor=Redactor(manager.core.secrets()), stream=log
        )
        try:
            logger = get_logger("test")
            logger.warning("settings", settings=manager.settings, values=[*secrets.values()])
            logging.getLogger("library").error("said %s", stored)
        finally:
            logging.getLogger().handlers[:] = [
                h for h in logging.getLogger().handlers if h.get_name() != "apex"
            ]
        outputs = [
            repr(manager),
            repr(manager.settings),
            repr(manager.history()),
            repr(user.explain("llm.gemini_api_key")),
            repr([manager.explain(key) for key in manager.keys()]),
            repr(manager.show()) + repr(manager.diff(0)) + repr(self.env),
            repr(manager.core.snapshot) + repr(self.env.get_debug_info()),
            log.getvalue(),
            (self.home / "config.sqlite").read_bytes(),
        ]
        self.assert_no_secret([*secrets.values(), stored], *outputs)
        assert log.getvalue().count("********") >= len(secrets) + 1
        assert user.get_secret("llm.gemini_api_key") == stored

    def test_eight_threads_of_mixed_operations_tear_and_lose_nothing(
        self, manager: UnifiedConfigurationManager
    ) -> None:
        operations, threads = 200, 8
        factory = ConfigurationManagerFactory(manager)
        torn: list[object] = []
        recorded = [0] * threads
        gate = threading.Barrier(threads)

        def work(number: int) -> None:
            gate.wait()
            own = factory.get_user_manager(f"user-{number}")
            for step in range(operations):
                match step % 25:
                    case 0:
                        pair = {"llm.budget_usd": step + 1, "llm.timeout_s": step + 1}
                        recorded[number] += own.update(pair, actor=f"user-{number}").recorded
                    case 10:
                        pair = {"runs.max_per_user": step + 1, "runs.max_total": step + 1}
                        recorded[number] += manager.update(pair, actor="admin").recorded
                    case 20:
                        self.env.set(f"OTHER_{number}", str(step), "test")
                        manager.reload()
                    case _:
                        llm, runs = own.settings.llm, own.settings.runs
                        started = step > 0 and llm.budget_usd != llm.timeout_s
                        mixed = (runs.max_per_user, runs.max_total) != (3, 50) and (
                            runs.max_per_user != runs.max_total
                        )
                        if started or mixed:
                            torn.append((number, step, llm, runs))

        workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert torn == []
        assert manager.revision == sum(recorded) >= threads * 8
        assert [row.number for row in manager.history()] == list(range(manager.revision, 0, -1))
        assert manager.verify_history() == ()
        for number in range(threads):
            assert factory.get_user_manager(f"user-{number}").get("llm.budget_usd") == 176.0


class _Signal(logging.Handler):
    """Sets an event when a line that holds a text is logged."""

    def __init__(self, event: threading.Event, text: str) -> None:
        super().__init__()
        self._event, self._text = event, text

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self._event.set()
