"""Configuration between services, processes and environments, on real files and databases."""

import json
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from netra_core.configuration import (
    BackupError,
    ConfigurationManagerFactory,
    InvalidConfigurationError,
    Service,
    Severity,
    TamperedHistoryError,
    UnifiedConfigurationManager,
    open_configuration,
)
from netra_core.configuration.cross_service import (
    CrossServiceConfigValidator,
    ServiceConfiguration,
    fingerprint,
)
from netra_core.environment import MASK, Environment, IsolatedEnvironment
from netra_core.testing import BaseIntegrationTest
from netra_core.testing.configurations import made_up_secret, sound_variables

BACKEND, AUTH, FRONTEND = Service.BACKEND, Service.AUTH, Service.FRONTEND
CRITICAL = Severity.CRITICAL
HS256 = {"JWT_ALGORITHM": "HS256", "JWT_SECRET_KEY": made_up_secret("jwt")}

FOLLOWER = """
import json, sys
from netra_core.configuration import open_configuration
from netra_core.environment import get_env

manager = open_configuration(get_env(), service=sys.argv[1])
def say(change=None):
    shown = [manager.settings.runs.max_total, manager.settings.llm.timeout_s]
    print(json.dumps({"revision": manager.revision, "values": shown}), flush=True)
manager.add_listener(say, keys=["runs.*", "llm.*"])
with manager.watch():
    say()
    for line in sys.stdin:
        if line.strip() == "set":
            manager.update({"runs.max_total": 99, "llm.timeout_s": 99}, actor=sys.argv[1])
"""


@pytest.mark.integration
class TestCrossServiceConfigurationValidation(BaseIntegrationTest):
    """Segment: teams that run Apex as several services, in several environments.

    Goal: services that do not agree are found before they start, by name and with what to do.
    Value: a change of configuration costs minutes, and can be proved and taken back.
    Impact: services that disagree on an issuer or a key lock every user out.
    """

    def service(
        self, service: Service, environment: Environment, changes: Mapping[str, str]
    ) -> ServiceConfiguration:
        env = IsolatedEnvironment(
            {
                **sound_variables(environment),
                "APEX_HOME": str(self.home),
                **changes,
            }
        )
        return ServiceConfiguration.of(service, UnifiedConfigurationManager(env))

    def services(
        self,
        changes: Mapping[Service, Mapping[str, str]],
        environment: Environment = Environment.PRODUCTION,
    ) -> list[ServiceConfiguration]:
        return [self.service(s, environment, changes.get(s, {})) for s in Service]

    def persistent(self, service: str = "backend") -> UnifiedConfigurationManager:
        return open_configuration(self.env, service=service)

    # -- agreement -----------------------------------------------------------------------------

    @pytest.mark.parametrize("environment", list(Environment))
    def test_services_that_agree_have_no_finding(self, environment: Environment) -> None:
        same = {s: HS256 for s in Service}
        assert CrossServiceConfigValidator().validate(self.services({}, environment)) == ()
        assert CrossServiceConfigValidator().validate(self.services(same, environment)) == ()

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            pytest.param(
                {AUTH: {"JWT_ISSUER": "other"}},
                [("issuer_mismatch", "auth.issuer", (BACKEND, AUTH))],
                id="issuer",
            ),
            pytest.param(
                {BACKEND: {"JWT_AUDIENCE": "other"}},
                [("audience_mismatch", "auth.audience", (BACKEND, AUTH))],
                id="audience",
            ),
            pytest.param(
                {AUTH: HS256},
                [("algorithm_mismatch", "auth.algorithm", (BACKEND, AUTH))],
                id="algorithm",
            ),
            pytest.param(
                {AUTH: HS256, BACKEND: {**HS256, "JWT_SECRET_KEY": made_up_secret("other")}},
                [("signing_key_mismatch", "auth.jwt_secret_key", (BACKEND, AUTH))],
                id="signing key",
            ),
            pytest.param(
                {AUTH: {"SERVICE_SECRET": made_up_secret("other")}},
                [("service_secret_mismatch", "auth.service_secret", (BACKEND, AUTH))],
                id="service secret",
            ),
            pytest.param(
                {AUTH: {"FERNET_KEY": made_up_secret("other")}},
                [("encryption_key_mismatch", "auth.fernet_key", (BACKEND, AUTH))],
                id="encryption key",
            ),
            pytest.param(
                {AUTH: {"DATABASE_URL": "postgresql+asyncpg://apex:pw@db2.example.com/apex"}},
                [("database_mismatch", "database.platform_url", (BACKEND, AUTH))],
                id="database",
            ),
            pytest.param(
                {FRONTEND: {"APEX_PUBLIC_URL": "https://other.example.com"}},
                [
                    ("cors_origins", "http.cors_origins", (BACKEND, AUTH)),
                    ("public_url_mismatch", "http.public_url", (BACKEND, AUTH, FRONTEND)),
                    ("websocket_origin", "websocket.allowed_origins", (BACKEND,)),
                ],
                id="public URL",
            ),
            pytest.param(
                {AUTH: {"GOOGLE_OAUTH_REDIRECT_URL": "https://other.example.com/auth/callback"}},
                [("oauth_redirect_mismatch", "auth.google_oauth_redirect_url", (AUTH,))],
                id="OAuth redirect",
            ),
            pytest.param(
                {BACKEND: {"APEX_CORS_ORIGINS": "*"}},
                [("cors_origins", "http.cors_origins", (BACKEND,))],
                id="CORS for everybody",
            ),
            pytest.param(
                {s: {"APEX_WEBSOCKET_URL": "ws://apex.example.com/ws"} for s in Service},
                [("websocket_scheme", "websocket.url", (BACKEND, AUTH, FRONTEND))],
                id="WebSocket in clear",
            ),
            pytest.param(
                {FRONTEND: {"APEX_WEBSOCKET_URL": "wss://other.example.com/ws"}},
                [("websocket_url_mismatch", "websocket.url", (BACKEND, AUTH, FRONTEND))],
                id="WebSocket URL",
            ),
            pytest.param(
                {FRONTEND: {"APEX_WEBSOCKET_MAX_MESSAGE_BYTES": "2048"}},
                [("websocket_limits_mismatch", "websocket.max_message_bytes", (BACKEND, FRONTEND))],
                id="WebSocket limits",
            ),
            pytest.param(
                {AUTH: {"ENVIRONMENT": "staging"}},
                [("environment_mismatch", "deployment.environment", (BACKEND, AUTH, FRONTEND))],
                id="environment",
            ),
        ],
    )
    def test_each_disagreement_gives_its_finding(
        self,
        changes: dict[Service, dict[str, str]],
        expected: list[tuple[str, str, tuple[Service, ...]]],
    ) -> None:
        findings = CrossServiceConfigValidator().validate(self.services(changes))
        found = sorted((f.rule, f.key, f.services) for f in findings)
        assert found == sorted(expected)
        assert all(f.severity is CRITICAL and f.remedy and f.reason for f in findings)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            pytest.param({"DEBUG": "true"}, ("development_aid", "deployment.debug"), id="DEBUG"),
            pytest.param(
                {"APEX_AUTH_SIMULATED_LOGIN": "1"},
                ("development_aid", "auth.simulated_login"),
                id="simulated login",
            ),
            pytest.param(
                {"DATABASE_URL": "postgresql://apex:pw@db.staging.example.com/apex"},
                ("staging_value", "database.platform_url"),
                id="staging value",
            ),
            pytest.param(
                {"DATABASE_URL": "postgresql://apex:pw@127.0.0.1/apex"},
                ("local_host", "database.platform_url"),
                id="localhost",
            ),
            pytest.param(
                {"DATABASE_URL": "sqlite:////data/platform.sqlite"},
                ("embedded_database", "database.platform_url"),
                id="SQLite",
            ),
            pytest.param(
                {"GOOGLE_OAUTH_CLIENT_ID_PRODUCTION": "1234.apps.example.com"},
                ("incomplete_pair", "auth.google_oauth_client_secret"),
                id="half an OAuth client",
            ),
            pytest.param(
                {"SERVICE_SECRET": sound_variables(Environment.PRODUCTION)["FERNET_KEY"]},
                ("equal_secrets", "auth.fernet_key"),
                id="equal secrets",
            ),
            pytest.param(
                {"JWT_ALGORITHM": "HS256"}, ("absent", "auth.jwt_secret_key"), id="no signing key"
            ),
        ],
    )
    def test_what_production_refuses_is_found_in_every_service_that_reads_it(
        self, changes: dict[str, str], expected: tuple[str, str]
    ) -> None:
        services = self.services({s: changes for s in Service})
        (finding,) = CrossServiceConfigValidator().validate(services)
        assert (finding.rule, finding.key, finding.severity) == (*expected, CRITICAL)
        readers = services[0].subject.keys[finding.key].setting.services
        assert set(finding.services) == readers

    def test_embedded_engines_are_permitted_when_asked_for_and_explained(self) -> None:
        changes = {"APEX_EMBEDDED": "1", "DATABASE_URL": "", "CLICKHOUSE_URL": ""}
        services = self.services({s: changes for s in Service})
        (finding,) = CrossServiceConfigValidator().validate(services)
        assert (finding.rule, finding.severity) == ("embedded", Severity.OPTIONAL)
        assert "one node" in finding.reason and "APEX_HOME" in finding.remedy

    def test_one_oauth_client_is_never_shared_by_two_environments(self) -> None:
        own = IsolatedEnvironment(
            {
                "GOOGLE_OAUTH_CLIENT_ID_STAGING": "1.apps.example.com",
                "GOOGLE_OAUTH_CLIENT_ID_PRODUCTION": "2.apps.example.com",
            }
        )
        assert CrossServiceConfigValidator().shared_oauth_clients(own) == ()
        own.set("GOOGLE_OAUTH_CLIENT_ID_PRODUCTION", "1.apps.example.com", "test")
        (finding,) = CrossServiceConfigValidator().shared_oauth_clients(own)
        assert (finding.severity, finding.source) == (
            CRITICAL,
            "environment: GOOGLE_OAUTH_CLIENT_ID_PRODUCTION",
        )
        assert "staging" in finding.reason

    def test_secrets_are_compared_by_fingerprint_and_never_shown(self) -> None:
        ours, theirs = made_up_secret("ours"), made_up_secret("theirs")
        services = self.services(
            {BACKEND: {"SERVICE_SECRET": ours}, AUTH: {"SERVICE_SECRET": theirs}}
        )
        (finding,) = CrossServiceConfigValidator().validate(services)
        assert fingerprint(ours) in finding.reason and fingerprint(theirs) in finding.reason
        self.assert_no_secret([ours, theirs], repr(finding), str(finding), repr(services))

    # -- environments and deletion -------------------------------------------------------------

    def test_drift_between_environments_is_listed_and_shared_secrets_are_critical(self) -> None:
        shared = {"SERVICE_SECRET": made_up_secret("shared"), "APEX_LLM_MODEL": "gpt-5"}
        staging = self.service(BACKEND, Environment.STAGING, {**shared, "LOG_LEVEL": "DEBUG"})
        production = self.service(
            BACKEND, Environment.PRODUCTION, {**shared, "REDIS_URL": "redis://r.example.com"}
        )
        drift = CrossServiceConfigValidator().drift(staging, production)
        assert [(d.severity, d.kind, d.key, d.first, d.second) for d in drift] == [
            (CRITICAL, "shared_secret", "auth.service_secret", MASK, MASK),
            (Severity.REQUIRED, "added", "database.redis_url", None, MASK),
            (
                Severity.OPTIONAL,
                "differs",
                "http.public_url",
                "https://stg.example.com",
                "https://apex.example.com",
            ),
            (Severity.OPTIONAL, "differs", "telemetry.log_level", "DEBUG", "INFO"),
        ]

    def test_the_impact_of_deleting_a_key_says_who_breaks_and_how(self) -> None:
        env = IsolatedEnvironment(
            {
                **sound_variables(Environment.PRODUCTION),
                "APEX_HOME": str(self.home),
                "APEX_CONFIG_URL": "memory:",
            }
        )
        manager = UnifiedConfigurationManager(env)
        manager.set("llm.model", "gpt-5", actor="admin")
        validator = CrossServiceConfigValidator()
        secret = validator.deletion_impact(manager, "auth.service_secret")
        assert [f.rule for f in secret.breaks] == ["absent"]
        assert secret.services == (BACKEND, AUTH) and "breaks" in secret.effect
        assert (secret.now, secret.afterwards) == (MASK, None)
        model = validator.deletion_impact(manager, "llm.model")
        assert model.breaks == () and model.falls_back_to == "default"
        assert (model.now, model.afterwards) == ("gpt-5", None)
        port = validator.deletion_impact(manager, "http.port")
        assert port.effect == "Nothing changes: http.port keeps its value."

    # -- three processes -----------------------------------------------------------------------

    @pytest.mark.process
    def test_a_change_in_one_process_is_live_whole_in_three(self) -> None:
        self.env.set("APEX_CONFIG_POLL_S", "0.05", "test")
        first = self.persistent()
        processes = {name: self.start_process(["-c", FOLLOWER, name]) for name in ("a", "b", "c")}
        for process in processes.values():
            assert self._line(process)["values"] == [50, 60.0]
        first.update({"runs.max_total": 77, "llm.timeout_s": 77}, actor="admin")
        for process in processes.values():
            assert self._line(process) == {"revision": 1, "values": [77, 77.0]}
        assert processes["b"].stdin
        processes["b"].stdin.write("set\n")
        processes["b"].stdin.flush()
        for process in processes.values():
            assert self._line(process) == {"revision": 2, "values": [99, 99.0]}
        first.core.follow()
        assert (first.get("runs.max_total"), first.history()[0].service) == (99, "b")

    @pytest.mark.process
    def test_a_file_change_reaches_every_process_that_watches_it(self) -> None:
        file = self.home / "apex.toml"
        file.write_text("[runs]\nmax_total = 60\n")
        self.env.set("APEX_CONFIG_POLL_S", "0.05", "test")
        processes = [self.start_process(["-c", FOLLOWER, name]) for name in ("a", "b", "c")]
        for process in processes:
            assert self._line(process)["values"] == [60, 60.0]
        draft = self.home / "apex.toml.draft"
        draft.write_text("[runs]\nmax_total = 61\n[llm]\ntimeout_s = 61\n")
        draft.replace(file)
        for process in processes:
            assert self._line(process)["values"] == [61, 61.0]

    @staticmethod
    def _line(process: "subprocess.Popen[str]") -> dict[str, object]:
        assert process.stdout
        line = process.stdout.readline()
        assert line, "the process ended"
        return json.loads(line)

    # -- history -------------------------------------------------------------------------------

    def test_the_audit_trail_says_who_changed_what_when_and_why(self) -> None:
        manager = self.persistent()
        manager.set("llm.model", "gpt-5", actor="user-1", reason="cheaper")
        manager.set("llm.openai_api_key", made_up_secret("key"), actor="user-2")
        (self.home / "apex.toml").write_text("[runs]\nmax_total = 9\n")
        manager.reload(actor="operator", reason="maintenance")
        manager.set("runs.max_per_user", 2, "override", "operator", "incident")
        shown = [
            (
                r.number,
                r.action,
                r.actor,
                r.reason,
                [(c.key, c.previous, c.current) for c in r.changes],
            )
            for r in self.persistent().history()
        ]
        assert shown == [
            (4, "override", "operator", "incident", [("runs.max_per_user", None, 2)]),
            (3, "reload", "operator", "maintenance", [("runs.max_total", None, 9)]),
            (2, "set", "user-2", "", [("llm.openai_api_key", None, MASK)]),
            (1, "set", "user-1", "cheaper", [("llm.model", None, "gpt-5")]),
        ]
        assert self.persistent().get("runs.max_per_user") == 3, "an override ends with its process"

    @pytest.mark.parametrize(
        ("statement", "places"),
        [
            ("UPDATE configuration_revisions SET actor = 'x' WHERE number = 2", [2]),
            ("UPDATE configuration_revisions SET at = '2020-01-01T00:00:00' WHERE number = 4", [4]),
            (
                "UPDATE configuration_revisions SET changes = replace(changes, '\"v\": 3.0', "
                "'\"v\": 30.0') WHERE number = 3",
                [3, 4],
            ),
            ("UPDATE configuration_revisions SET changes = '{' WHERE number = 3", [3]),
            ("UPDATE configuration_revisions SET seal = '' WHERE number = 5", [5]),
            ("DELETE FROM configuration_revisions WHERE number = 2", [2, 3]),
            ("DELETE FROM configuration_revisions WHERE number = 5", [5]),
            ("DELETE FROM configuration_head", [5]),
            ("UPDATE configuration_head SET number = 4", [5, 4]),
        ],
    )
    def test_tampering_with_any_row_is_detected_and_located(
        self, statement: str, places: list[int]
    ) -> None:
        manager = self.persistent()
        for number in range(1, 6):
            manager.set("llm.timeout_s", number, actor="admin")
        assert manager.verify_history() == ()
        with sqlite3.connect(self.home / "config.sqlite") as database:
            assert database.execute(statement).rowcount == 1
        database.close()
        found = {place.revision for place in manager.verify_history()}
        assert set(places[:1]) <= found <= set(places)
        fresh = open_configuration(self.env, strict=False)
        assert "history_tampered" in {f.rule for f in fresh.validate()}

    def test_a_forged_chain_is_found_by_its_seals(self) -> None:
        manager = self.persistent()
        manager.set("llm.timeout_s", 1, actor="admin")
        forger = open_configuration(
            IsolatedEnvironment(
                {
                    "APEX_HOME": str(self.home / "forger"),
                    "FERNET_KEY": made_up_secret("forger"),
                    "APEX_CONFIG_URL": f"sqlite:///{self.home}/config.sqlite",
                }
            ),
            strict=False,
        )
        forger.set("llm.timeout_s", 2, actor="admin")
        assert [place.revision for place in manager.verify_history()] == [2, 2]
        with pytest.raises(TamperedHistoryError, match="Revision 2"):
            manager.core.follow()
        assert manager.get("llm.timeout_s") == 1.0, "what was valid before stays in force"

    def test_a_rollback_takes_every_service_back(self) -> None:
        manager = self.persistent()
        factory = ConfigurationManagerFactory(manager)
        manager.set("llm.model", "first", actor="admin")
        factory.get_service_manager("auth").set("telemetry.log_level", "DEBUG", actor="admin")
        before = manager.revision
        manager.update({"llm.model": "second", "runs.max_total": 7}, actor="admin")
        factory.get_service_manager("auth").delete("telemetry.log_level", actor="admin")
        factory.get_user_manager("u").set("llm.model", "own", actor="u")
        self.env.set("APEX_RUNS_MAX_TOTAL", "20", "operator")
        manager.reload()
        result = manager.rollback(before, actor="admin")
        assert result.covered == {"runs.max_total": "environment"}
        reopened = ConfigurationManagerFactory(self.persistent("auth"))
        assert reopened.get_global_manager().get("llm.model") == "first"
        assert reopened.get_service_manager("auth").get("telemetry.log_level") == "DEBUG"
        assert reopened.get_service_manager("backend").get("telemetry.log_level") == "INFO"
        assert reopened.get_user_manager("u").get("llm.model") == "first"
        assert reopened.get_global_manager().diff(before) == ()
        assert reopened.get_global_manager().history()[0].action == "rollback"

    def test_a_backup_restores_the_secrets_too_and_is_useless_without_the_key(self) -> None:
        manager, secret = self.persistent(), made_up_secret("openai")
        manager.set("llm.openai_api_key", secret, actor="admin")
        manager.set("llm.model", "gpt-5", actor="admin")
        file = self.home / "configuration.backup"
        assert manager.backup(file) == 2
        assert file.stat().st_mode & 0o777 == 0o600
        self.assert_no_secret([secret, "gpt-5"], file.read_bytes())
        manager.delete("llm.openai_api_key", actor="admin")
        assert manager.restore(file, actor="admin").revision == 4
        assert manager.get_secret("llm.openai_api_key") == secret

        elsewhere = IsolatedEnvironment(
            {
                "APEX_HOME": str(self.home / "elsewhere"),
                "FERNET_KEY": (self.home / "keys" / "fernet_key").read_text(),
            }
        )
        moved = open_configuration(elsewhere)
        moved.restore(file, actor="admin")
        assert (moved.get_secret("llm.openai_api_key"), moved.get("llm.model")) == (secret, "gpt-5")
        stranger = IsolatedEnvironment({"APEX_HOME": str(self.home / "stranger")})
        with pytest.raises(BackupError, match="cannot be read with this FERNET_KEY"):
            open_configuration(stranger).restore(file, actor="admin")
        damaged = Path(f"{file}.damaged")
        damaged.write_text(file.read_text().replace("gAAAAA", "gAAAAB", 1))
        with pytest.raises(BackupError):
            manager.restore(damaged, actor="admin")

    # -- refusing ------------------------------------------------------------------------------

    def test_a_production_service_says_every_critical_finding_at_once(self) -> None:
        env = IsolatedEnvironment(
            {"ENVIRONMENT": "production", "APEX_HOME": str(self.home), "DEBUG": "1"}
        )
        with pytest.raises(InvalidConfigurationError) as refused:
            open_configuration(env).require_sound()
        assert [f.key for f in refused.value.findings] == [
            "auth.fernet_key",
            "auth.service_secret",
            "database.platform_url",
            "deployment.debug",
            "http.public_url",
        ]

    def test_readiness_refuses_a_configuration_that_a_reload_broke(self) -> None:
        env = IsolatedEnvironment(
            {
                **sound_variables(Environment.PRODUCTION),
                "APEX_HOME": str(self.home),
                "APEX_CONFIG_URL": "memory:",
            }
        )
        manager = open_configuration(env)
        assert manager.ready
        env.set("DATABASE_URL", "postgresql://apex:pw@localhost/apex", "operator")
        with pytest.raises(InvalidConfigurationError, match="localhost"):
            manager.reload()
        assert not manager.ready
        assert [f.rule for f in manager.validate()] == ["local_host"]
        assert "example.com" in manager.get_secret("database.platform_url")
        env.set("DATABASE_URL", "postgresql://apex:pw@db.example.com/apex", "operator")
        manager.reload()
        assert manager.ready and manager.validate() == ()
