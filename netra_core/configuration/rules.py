"""What must hold within one configuration, beyond types and ranges."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from netra_core.configuration.findings import Finding
from netra_core.configuration.hosts import host_of, is_local, says_staging
from netra_core.configuration.keys import Key, KeyTable, Value
from netra_core.configuration.layers import Entry, Source
from netra_core.configuration.schema import Service, Severity
from netra_core.configuration.snapshot import Snapshot
from netra_core.configuration.strength import is_placeholder, weakness
from netra_core.environment import Environment

STRONG_SECRETS: Final = ("auth.jwt_secret_key", "auth.service_secret", "auth.fernet_key")
ADDRESSES: Final = (
    "http.public_url",
    "http.cors_origins",
    "auth.url",
    "auth.google_oauth_redirect_url",
    "websocket.url",
    "websocket.allowed_origins",
    "database.platform_url",
    "database.auth_url",
    "database.dbos_url",
    "database.postgres_host",
    "database.redis_url",
    "usage.clickhouse_url",
)
POSTGRES_PARTS: Final = ("postgres_host", "postgres_user", "postgres_password", "postgres_db")


@dataclass(frozen=True, slots=True)
class Subject:
    """A configuration as rules look at it."""

    keys: KeyTable
    environment: Environment
    values: Mapping[str, Value]
    entries: Mapping[str, Entry]

    def text(self, name: str) -> str | None:
        """The value as text, a secret in clear, or None where it is absent."""
        value = self.values.get(name)
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return None if value is None else str(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """The value's texts: several for a list, none where it is absent."""
        value = self.values.get(name)
        if isinstance(value, tuple):
            return tuple(map(str, value))
        text = self.text(name)
        return () if text is None else (text,)

    def absent(self, name: str) -> bool:
        """True when nobody gave a value and the schema has none of its own worth running with."""
        entry = self.entries[name]
        return self.values.get(name) is None or (
            entry.source is Source.DEFAULT and entry.origin == "schema"
        )

    @property
    def grave(self) -> Severity:
        """What would hurt others when deployed is critical there, else required."""
        return Severity.CRITICAL if self.environment.deployed else Severity.REQUIRED

    @property
    def embedded(self) -> bool:
        """True when engines inside the process are permitted."""
        return bool(self.values["deployment.embedded"])

    def finding(
        self, rule: str, name: str, reason: str, remedy: str, severity: Severity
    ) -> Finding:
        """A finding about this key."""
        key = self.keys[name]
        entry = self.entries.get(name)
        return Finding(
            rule=rule,
            severity=severity,
            key=name,
            reason=reason,
            remedy=remedy,
            source=entry.described if entry else "",
            services=tuple(s for s in Service if s in key.setting.services),
        )

    def variable(self, name: str) -> str:
        """The environment variable of a key here."""
        return self.keys[name].variable(self.environment)


Rule = Callable[[Subject], Iterator[Finding]]


def configuration_findings(snapshot: Snapshot, keys: KeyTable) -> tuple[Finding, ...]:
    """What breaks a rule in these settings, for everybody."""
    environment = snapshot.values["deployment.environment"]
    return findings_of(Subject(keys, environment, snapshot.values, snapshot.entries))


def findings_of(subject: Subject) -> tuple[Finding, ...]:
    """What breaks a rule, in the order of the rules."""
    return tuple(finding for rule in RULES for finding in rule(subject))


def _absences(s: Subject) -> Iterator[Finding]:
    for name, key in s.keys.items():
        severity = key.setting.absent(s.environment)
        if severity is Severity.OPTIONAL or not s.absent(name):
            continue
        if name == "usage.clickhouse_url" and s.embedded:
            continue
        yield s.finding(
            "absent",
            name,
            f"is not set, and {s.environment} needs it",
            _how_to_give(key, s),
            severity,
        )


def _how_to_give(key: Key, s: Subject) -> str:
    if key.name in STRONG_SECRETS:
        return f"Set {s.variable(key.name)} to 32 or more random characters."
    return f"Set {s.variable(key.name)}."


def _placeholders(s: Subject) -> Iterator[Finding]:
    for name, key in s.keys.items():
        text = s.text(name) if key.setting.secret else None
        if text is not None and is_placeholder(text):
            yield s.finding(
                "placeholder",
                name,
                "is a placeholder from a template",
                f"Set {s.variable(name)} to the real value.",
                s.grave,
            )


def _weak_secrets(s: Subject) -> Iterator[Finding]:
    for name in STRONG_SECRETS:
        text = s.text(name)
        if text is None or is_placeholder(text) or not _in_use(s, name):
            continue
        parts = text.split(",") if name == "auth.fernet_key" else [text]
        reason = next((why for part in parts if (why := weakness(part.strip()))), None)
        if reason:
            yield s.finding(
                "weak_secret",
                name,
                reason,
                f"Set {s.variable(name)} to 32 or more random characters.",
                s.grave,
            )


def _in_use(s: Subject, name: str) -> bool:
    return name != "auth.jwt_secret_key" or s.values["auth.algorithm"] == "HS256"


def _equal_secrets(s: Subject) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name in STRONG_SECRETS:
        text = s.text(name)
        if text is None or not _in_use(s, name):
            continue
        if text in seen:
            yield s.finding(
                "equal_secrets",
                name,
                f"is the same as {seen[text]}",
                f"Give {s.variable(name)} a value of its own.",
                s.grave,
            )
        seen.setdefault(text, name)


def _signing_key(s: Subject) -> Iterator[Finding]:
    if s.values["auth.algorithm"] == "HS256" and s.text("auth.jwt_secret_key") is None:
        yield s.finding(
            "absent",
            "auth.jwt_secret_key",
            "is not set, and HS256 signs with it",
            "Set JWT_SECRET_KEY to 32 or more random characters, or JWT_ALGORITHM to Ed25519.",
            s.grave,
        )


def _oauth_pair(s: Subject) -> Iterator[Finding]:
    names = ("auth.google_oauth_client_id", "auth.google_oauth_client_secret")
    given = [name for name in names if s.text(name)]
    if len(given) == 1:
        missing = next(name for name in names if name not in given)
        yield s.finding(
            "incomplete_pair",
            missing,
            f"is not set, but {s.variable(given[0])} is",
            f"Set {s.variable(missing)} as well, or neither.",
            s.grave,
        )


def _real_hosts(s: Subject) -> Iterator[Finding]:
    if not s.environment.deployed:
        return
    for name in ADDRESSES:
        if name == "http.public_url" and s.absent(name):
            continue  # reported as absent
        local = next((h for t in s.texts(name) if (h := host_of(t)) and is_local(h)), None)
        if local:
            yield s.finding(
                "local_host",
                name,
                f"names {local!r}, where nobody but this machine answers",
                f"Set {s.variable(name)} to the real host.",
                Severity.CRITICAL,
            )


def _staging_values(s: Subject) -> Iterator[Finding]:
    if s.environment is not Environment.PRODUCTION:
        return
    for name in (*ADDRESSES, "auth.google_oauth_client_id", "auth.issuer"):
        hosts = [host_of(text) or text for text in s.texts(name)]
        if any(says_staging(host) for host in hosts):
            yield s.finding(
                "staging_value",
                name,
                "is a value of staging",
                f"Set {s.variable(name)} to production's own.",
                Severity.CRITICAL,
            )


def _insecure_url(s: Subject) -> Iterator[Finding]:
    url = s.text("http.public_url")
    if s.environment.deployed and url and url.lower().startswith("http://"):
        if not s.absent("http.public_url") and not is_local(host_of(url) or ""):
            yield s.finding(
                "insecure_url",
                "http.public_url",
                "is not https: passwords and tokens would travel in clear",
                "Serve over TLS and set APEX_PUBLIC_URL to https://….",
                Severity.REQUIRED,
            )


def _database(s: Subject) -> Iterator[Finding]:
    url = s.text("database.platform_url")
    given = {part: s.text(f"database.{part}") for part in POSTGRES_PARTS}
    if url and given["postgres_host"] and host_of(url) not in (None, given["postgres_host"]):
        yield s.finding(
            "conflict",
            "database.postgres_host",
            "names another host than DATABASE_URL, which counts",
            "Set DATABASE_URL or the POSTGRES_ parts, not both.",
            Severity.REQUIRED,
        )
    if not s.environment.deployed or s.embedded:
        return
    if url is None:
        missing = [f"database.{part}" for part, value in given.items() if not value]
        if len(missing) == len(POSTGRES_PARTS):
            missing = ["database.platform_url"]
        for name in missing:
            yield s.finding(
                "absent",
                name,
                f"is not set, and {s.environment} needs PostgreSQL",
                f"Set {s.variable(name)}, or APEX_EMBEDDED=1 for SQLite on one node.",
                Severity.CRITICAL,
            )
    for name in ("database.platform_url", "database.auth_url", "database.dbos_url"):
        if (s.text(name) or "").startswith("sqlite"):
            yield s.finding(
                "embedded_database",
                name,
                f"is an SQLite file, and {s.environment} needs PostgreSQL",
                "Give a PostgreSQL URL, or set APEX_EMBEDDED=1 for one node.",
                Severity.CRITICAL,
            )


def _development_aids(s: Subject) -> Iterator[Finding]:
    production = s.environment is Environment.PRODUCTION
    if not s.environment.deployed:
        return
    for name in ("deployment.debug", "auth.simulated_login"):
        if s.values[name]:
            yield s.finding(
                "development_aid",
                name,
                f"is on in {s.environment}",
                f"Set {s.variable(name)} to false.",
                Severity.CRITICAL if production else Severity.REQUIRED,
            )


def _lifetimes(s: Subject) -> Iterator[Finding]:
    shorter = (
        ("auth.access_ttl_s", "auth.refresh_idle_ttl_s"),
        ("auth.refresh_idle_ttl_s", "auth.refresh_absolute_ttl_s"),
        ("runs.max_per_user", "runs.max_total"),
    )
    for low, high in shorter:
        if s.values[low] > s.values[high]:
            yield s.finding(
                "contradiction",
                low,
                f"is larger than {high}",
                f"Lower {s.variable(low)} or raise {s.variable(high)}.",
                Severity.REQUIRED,
            )


def _embedded(s: Subject) -> Iterator[Finding]:
    if s.environment.deployed and s.embedded:
        yield s.finding(
            "embedded",
            "deployment.embedded",
            "SQLite and chDB are permitted: one node only, and its disk is the only copy",
            "Back up APEX_HOME; for a second node set DATABASE_URL and CLICKHOUSE_URL.",
            Severity.OPTIONAL,
        )


RULES: Final[tuple[Rule, ...]] = (
    _absences,
    _placeholders,
    _weak_secrets,
    _equal_secrets,
    _signing_key,
    _oauth_pair,
    _real_hosts,
    _staging_values,
    _insecure_url,
    _database,
    _development_aids,
    _lifetimes,
    _embedded,
)
