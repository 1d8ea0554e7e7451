"""What must hold between services, and between environments."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from pydantic import SecretStr

from netra_core.configuration.findings import Finding, by_severity
from netra_core.configuration.hosts import host_of, origin_of
from netra_core.configuration.keys import KeyTable, Value, all_keys
from netra_core.configuration.layers import Entry, Source
from netra_core.configuration.manager import UnifiedConfigurationManager
from netra_core.configuration.rules import Subject, findings_of
from netra_core.configuration.schema import Service, Severity
from netra_core.environment import MASK, Environment, IsolatedEnvironment


@dataclass(frozen=True, slots=True)
class ServiceConfiguration:
    """The settings one service runs with. Its repr shows no value."""

    service: Service
    subject: Subject

    @classmethod
    def of(cls, service: Service, manager: UnifiedConfigurationManager) -> "ServiceConfiguration":
        """What this service sees through its manager."""
        values = {name: manager.get(name) for name in manager.keys()}
        entries = {name: manager.entry(name) for name in values}
        return cls(service, Subject(manager.core.keys, manager.environment, values, entries))

    @property
    def environment(self) -> Environment:
        """Where the service runs."""
        return self.subject.environment

    def text(self, name: str) -> str | None:
        """A value as text, a secret in clear."""
        return self.subject.text(name)

    def uses(self, name: str) -> bool:
        """True when the service reads this setting."""
        return self.service in self.subject.keys[name].setting.services

    def __repr__(self) -> str:
        return f"ServiceConfiguration({self.service}, {self.environment})"


Configurations = Mapping[Service, ServiceConfiguration]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One setting that two environments have differently; secrets are masked.

    `missing` and `added` are seen from the first; `shared_secret` is a secret that both use.
    """

    key: str
    kind: Literal["missing", "added", "differs", "shared_secret"]
    first: Value
    second: Value
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionImpact:
    """What happens when what is set for a key is taken away."""

    key: str
    services: tuple[Service, ...]
    now: Value
    afterwards: Value
    falls_back_to: Source
    breaks: tuple[Finding, ...]
    effect: str


AGREE: Final = (
    ("auth.issuer", "issuer"),
    ("auth.audience", "audience"),
    ("auth.algorithm", "algorithm"),
    ("http.public_url", "public_url"),
    ("websocket.url", "websocket_url"),
    ("websocket.max_message_bytes", "websocket_limits"),
    ("websocket.heartbeat_s", "websocket_limits"),
)
"""Settings that all services which read them must have alike, and the rule's name."""

AGREE_SECRETLY: Final = (
    ("auth.jwt_secret_key", "signing_key"),
    ("auth.service_secret", "service_secret"),
    ("auth.fernet_key", "encryption_key"),
)
AGREE_ON_DATABASES: Final = (
    "database.platform_url",
    "database.postgres_host",
    "database.postgres_db",
)

Rule = Callable[[Configurations], Iterator[Finding]]


def fingerprint(secret: str) -> str:
    """A name for a secret by which two services can compare theirs without showing them."""
    return hashlib.sha256(b"netra-apex/fingerprint\0" + secret.encode()).hexdigest()[:12]


class CrossServiceConfigValidator:
    """Says what backend, auth and frontend do not agree on, and what breaks in each."""

    def __init__(self, keys: KeyTable | None = None) -> None:
        self._keys = keys or all_keys()

    def validate(self, configurations: Iterable[ServiceConfiguration]) -> tuple[Finding, ...]:
        """Everything that is wrong within and between the services, most severe first."""
        by_service = {c.service: c for c in configurations}
        found: dict[tuple[str, str, str], Finding] = {}
        for configuration in by_service.values():
            for finding in findings_of(configuration.subject):
                if configuration.uses(finding.key):
                    _add(found, replace(finding, services=(configuration.service,)))
        for rule in CROSS_RULES:
            for finding in rule(by_service):
                _add(found, finding)
        return by_severity(found.values())

    def validate_manager(
        self, factory_of: Callable[[str], UnifiedConfigurationManager]
    ) -> tuple[Finding, ...]:
        """The same for the services of one installation; `factory_of` gives a service's manager."""
        return self.validate(ServiceConfiguration.of(s, factory_of(s)) for s in Service)

    def shared_oauth_clients(self, env: IsolatedEnvironment) -> tuple[Finding, ...]:
        """OAuth clients that variables of two environments name alike."""
        key = self._keys["auth.google_oauth_client_id"]
        owners: dict[str, Environment] = {}
        found: list[Finding] = []
        for environment in Environment:
            client = env.get(key.variable(environment))
            if not client:
                continue
            if client in owners:
                found.append(_shared_client(key.variable(environment), owners[client]))
            owners.setdefault(client, environment)
        return tuple(found)

    def drift(self, first: ServiceConfiguration, second: ServiceConfiguration) -> tuple[Drift, ...]:
        """What two environments have differently, most severe first; secrets must differ."""
        found = [
            drift
            for key in self._keys.values()
            if key.name not in ("deployment.environment", "paths.home")
            for drift in _drift_of(key.name, first.subject, second.subject)
        ]
        return tuple(sorted(found, key=lambda d: (d.severity.rank, d.key)))

    def deletion_impact(self, manager: UnifiedConfigurationManager, key: str) -> DeletionImpact:
        """What taking away the winning value of a key does: what counts then, and what breaks."""
        known = self._keys[key]
        entries = manager.entries(known.name)
        rest = entries[1:] or [Entry(known.default, Source.DEFAULT, "schema")]
        if entries[0].source is Source.DEFAULT:
            rest = entries
        after = known.parse(rest[0].raw) if rest[0].raw is not None else None
        before = Subject(
            self._keys,
            manager.environment,
            {name: manager.get(name) for name in self._keys},
            {name: manager.entry(name) for name in self._keys},
        )
        changed = replace(
            before,
            values={**before.values, known.name: after},
            entries={**before.entries, known.name: rest[0]},
        )
        standing = {(f.rule, f.key) for f in findings_of(before)}
        breaks = tuple(f for f in findings_of(changed) if (f.rule, f.key) not in standing)
        return DeletionImpact(
            key=known.name,
            services=tuple(s for s in Service if s in known.setting.services),
            now=known.show(manager.get(known.name)),
            afterwards=known.show(after),
            falls_back_to=rest[0].source,
            breaks=by_severity(breaks),
            effect=_effect(known.name, before.values[known.name] == after, after, breaks),
        )


def _effect(key: str, same: bool, after: Value, breaks: tuple[Finding, ...]) -> str:
    if breaks:
        return f"{key} breaks: {breaks[0].reason}."
    if same:
        return f"Nothing changes: {key} keeps its value."
    if after is None:
        return f"{key} is absent then; what it switches on is off."
    return f"{key} takes another value; nothing breaks."


def _add(found: dict[tuple[str, str, str], Finding], finding: Finding) -> None:
    name = (finding.rule, finding.key, finding.reason)
    known = found.get(name)
    services = {*(known.services if known else ()), *finding.services}
    found[name] = replace(finding, services=tuple(s for s in Service if s in services))


def _gravest(configurations: Iterable[ServiceConfiguration]) -> Severity:
    return min((c.subject.grave for c in configurations), key=lambda s: s.rank)


def _disagreement(
    rule: str, key: str, users: list[ServiceConfiguration], said: Mapping[Service, str]
) -> Finding:
    listed = ", ".join(f"{service} {value}" for service, value in said.items())
    return Finding(
        rule=f"{rule}_mismatch",
        severity=_gravest(users),
        key=key,
        source="between services",
        reason=f"differs: {listed}",
        remedy=f"Give {users[0].subject.variable(key)} the same value in every service.",
        services=tuple(c.service for c in users),
    )


def _users(configurations: Configurations, key: str) -> list[ServiceConfiguration]:
    return [c for c in configurations.values() if c.uses(key)]


def _same_environment(configurations: Configurations) -> Iterator[Finding]:
    said = {c.service: str(c.environment) for c in configurations.values()}
    if len(set(said.values())) > 1:
        users = list(configurations.values())
        finding = _disagreement("environment", "deployment.environment", users, said)
        yield replace(finding, severity=Severity.CRITICAL)


def _agreements(configurations: Configurations) -> Iterator[Finding]:
    for key, rule in AGREE:
        users = _users(configurations, key)
        said = {c.service: repr(c.text(key)) for c in users}
        if len(set(said.values())) > 1:
            yield _disagreement(rule, key, users, said)


def _secret_agreements(configurations: Configurations) -> Iterator[Finding]:
    for key, rule in AGREE_SECRETLY:
        users = _users(configurations, key)
        if key == "auth.jwt_secret_key":
            users = [c for c in users if c.text("auth.algorithm") == "HS256"]
        said = {c.service: fingerprint(text) for c in users if (text := c.text(key))}
        if len(set(said.values())) > 1:
            yield _disagreement(rule, key, users, said)


def _database_agreement(configurations: Configurations) -> Iterator[Finding]:
    for key in AGREE_ON_DATABASES:
        users = _users(configurations, key)
        said = {c.service: repr(_database_place(c.text(key))) for c in users}
        if len(set(said.values())) > 1:
            yield _disagreement("database", key, users, said)


def _database_place(url: str | None) -> str | None:
    """Server and database of a URL, without driver, person and password."""
    if url is None or "://" not in url:
        return url
    host = host_of(url) or ""
    path = url.rpartition("@")[2] if "@" in url else url.partition("://")[2]
    return f"{host}/{path.partition('/')[2].partition('?')[0]}"


def _oauth_redirect(configurations: Configurations) -> Iterator[Finding]:
    auth = configurations.get(Service.AUTH)
    redirect = auth.text("auth.google_oauth_redirect_url") if auth else None
    public = auth.text("http.public_url") if auth else None
    if auth and redirect and public and origin_of(redirect) != origin_of(public):
        yield Finding(
            rule="oauth_redirect_mismatch",
            severity=auth.subject.grave,
            key="auth.google_oauth_redirect_url",
            source=auth.subject.entries["auth.google_oauth_redirect_url"].described,
            reason=f"leads to {origin_of(redirect)}, and the public URL is {origin_of(public)}",
            remedy="Put GOOGLE_OAUTH_REDIRECT_URL under APEX_PUBLIC_URL, and tell Google.",
            services=(Service.AUTH,),
        )


def _cors_origins(configurations: Configurations) -> Iterator[Finding]:
    frontend = configurations.get(Service.FRONTEND)
    for service in (Service.BACKEND, Service.AUTH):
        own = configurations.get(service)
        if own is None:
            continue
        allowed = {origin_of(o) if o != "*" else o for o in own.subject.texts("http.cors_origins")}
        if "*" in allowed and own.environment.deployed:
            yield _cors(own, "lets every origin in", "Name the origins in APEX_CORS_ORIGINS.")
        page = origin_of((frontend.text("http.public_url") or "") if frontend else "")
        mine = origin_of(own.text("http.public_url") or "")
        if frontend and page not in (mine, *allowed) and "*" not in allowed:
            yield _cors(own, f"does not let {page} in", f"Add {page} to APEX_CORS_ORIGINS.")


def _cors(own: ServiceConfiguration, reason: str, remedy: str) -> Finding:
    return Finding(
        rule="cors_origins",
        severity=own.subject.grave,
        key="http.cors_origins",
        source=own.subject.entries["http.cors_origins"].described,
        reason=reason,
        remedy=remedy,
        services=(own.service,),
    )


def _websocket_url(configurations: Configurations) -> Iterator[Finding]:
    for own in configurations.values():
        url, public = own.text("websocket.url"), own.text("http.public_url") or ""
        if url is None:
            continue
        secure, expected = url.startswith("wss://"), public.startswith("https://")
        if secure != expected:
            yield Finding(
                rule="websocket_scheme",
                severity=own.subject.grave,
                key="websocket.url",
                source=own.subject.entries["websocket.url"].described,
                reason=f"is {url.partition(':')[0]}, and the public URL is "
                f"{public.partition(':')[0]}: browsers refuse the mix",
                remedy="Set APEX_WEBSOCKET_URL to wss:// where APEX_PUBLIC_URL is https://.",
                services=(own.service,),
            )


def _websocket_origins(configurations: Configurations) -> Iterator[Finding]:
    backend, frontend = configurations.get(Service.BACKEND), configurations.get(Service.FRONTEND)
    if backend is None or frontend is None:
        return
    page = origin_of(frontend.text("http.public_url") or "")
    allowed = {origin_of(o) for o in backend.subject.texts("websocket.allowed_origins")}
    allowed.add(origin_of(backend.text("http.public_url") or ""))
    if page not in allowed:
        yield Finding(
            rule="websocket_origin",
            severity=backend.subject.grave,
            key="websocket.allowed_origins",
            source=backend.subject.entries["websocket.allowed_origins"].described,
            reason=f"does not let pages of {page} connect",
            remedy=f"Add {page} to APEX_WEBSOCKET_ALLOWED_ORIGINS.",
            services=(Service.BACKEND,),
        )


CROSS_RULES: Final[tuple[Rule, ...]] = (
    _same_environment,
    _agreements,
    _secret_agreements,
    _database_agreement,
    _oauth_redirect,
    _cors_origins,
    _websocket_url,
    _websocket_origins,
)


def _shared_client(variable: str, owner: Environment) -> Finding:
    return Finding(
        rule="shared_oauth_client",
        severity=Severity.CRITICAL,
        key="auth.google_oauth_client_id",
        source=f"environment: {variable}",
        reason=f"is the client of {owner} too",
        remedy="Register one OAuth client for each environment.",
        services=(Service.AUTH,),
    )


def _drift_of(name: str, first: Subject, second: Subject) -> Iterator[Drift]:
    one, two = first.values[name], second.values[name]
    secret = first.keys[name].setting.secret
    client = name == "auth.google_oauth_client_id"

    def drift(kind: Literal["missing", "added", "differs", "shared_secret"]) -> Drift:
        grave = kind == "shared_secret"
        return Drift(
            key=name,
            kind=kind,
            first=_shown(one),
            second=_shown(two),
            severity=Severity.CRITICAL
            if grave
            else Severity.REQUIRED
            if kind in ("missing", "added")
            else Severity.OPTIONAL,
        )

    if one is not None and two is None:
        yield drift("missing")
    elif one is None and two is not None:
        yield drift("added")
    elif one is not None and one == two and (secret or client):
        yield drift("shared_secret")
    elif one != two and not secret:
        yield drift("differs")


def _shown(value: Value) -> Value:
    return MASK if isinstance(value, SecretStr) else value
