"""DatabaseURLBuilder: connection URLs for every environment and driver, right by construction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from sqlalchemy import URL

from netra_core.database.drivers import Driver, driver_named, tls_mode
from netra_core.database.errors import DatabaseUrlError
from netra_core.database.url_mask import MASK, mask_url
from netra_core.database.url_parts import (
    MEMORY,
    DatabaseParts,
    check_cloud_sql,
    check_port,
    check_text,
    parse_url,
    sqlite_file,
)
from netra_core.environment import ENVIRONMENT_VARIABLE, Environment

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
_PART_NAMES: Final = ("HOST", "PORT", "USER", "PASSWORD", "DB")


@dataclass(frozen=True, slots=True)
class UrlFinding:
    """Something about the input that is wrong (`error`) or worth knowing (`warning`)."""

    severity: Literal["error", "warning"]
    key: str
    message: str
    hint: str = ""


class DatabaseURLBuilder:
    """Builds the URLs of one database from a mapping of variables.

    `url_key` (DATABASE_URL) wins over the POSTGRES_ parts, and a contradiction between them is
    reported; with neither, development gets the SQLite file `sqlite_path` and test gets SQLite in
    memory. Staging and production need PostgreSQL with full credentials, or APEX_EMBEDDED=1 for
    the SQLite file. `in_container` says that localhost means the container itself, so that
    `container_host` is used instead; it is handed in, never found out here.
    """

    def __init__(
        self,
        values: Mapping[str, str | None],
        *,
        environment: Environment | None = None,
        url_key: str = "DATABASE_URL",
        sqlite_path: Path = Path("platform.sqlite"),
        in_container: bool = False,
        container_host: str = "postgres",
    ) -> None:
        self._values = {key: value for key, value in values.items() if value not in (None, "")}
        self._environment = environment or Environment.parse(self._values.get(ENVIRONMENT_VARIABLE))
        self._url_key = url_key
        self._sqlite_path = sqlite_path
        self._in_container = in_container
        self._container_host = container_host

    def build(self, driver: str = "async") -> str:
        """The URL for `driver`: asyncpg, psycopg, libpq, aiosqlite, pysqlite, sync or async.

        Raises DatabaseUrlError with every problem found.
        """
        problems = [finding for finding in self.validate() if finding.severity == "error"]
        if problems:
            raise DatabaseUrlError(
                "; ".join(finding.message for finding in problems),
                hint=" ".join(dict.fromkeys(f.hint for f in problems if f.hint)),
            )
        parts = self.parts()
        return _render(parts, driver_named(driver, parts.dialect))

    def build_for_engine(self) -> str:
        """The URL for DatabaseSessionManager and MigrationRunner: the async driver's, and with
        `sslrootcert`, which asyncpg itself takes in another way than by its URL.
        """
        self.build()  # raises what there is to say
        parts = self.parts()
        if parts.root_certificate and parts.tls is not None and not parts.socket:
            parts = replace(parts, query=(*parts.query, ("sslrootcert", parts.root_certificate)))
        return _render(parts, driver_named("async", parts.dialect))

    def parts(self) -> DatabaseParts:
        """The address in parts, as the environment makes it; raises DatabaseUrlError."""
        parts = self._source()
        if parts.dialect == "sqlite" or parts.socket:
            return parts
        if self._in_container and parts.host in _LOCAL:
            parts = parts.with_host(self._container_host)
        if parts.tls is None and self._environment.deployed and parts.host not in _LOCAL:
            parts = replace(parts, tls="require")
        return parts

    def validate(self) -> list[UrlFinding]:
        """Everything wrong or doubtful about the input, at once; empty when all is well."""
        try:
            parts = self._source()
        except DatabaseUrlError as error:
            return [UrlFinding("error", self._key, error.message, error.hint)]
        findings = self._conflicts() if self._values.get(self._url_key) else []
        if not self._environment.deployed:
            return findings
        if parts.dialect == "sqlite":
            return findings + self._embedded(parts)
        return findings + self._credentials(parts)

    def mask_url_for_logging(self, url: str | None = None) -> str:
        """A URL (this builder's own when None) without its secrets."""
        return mask_url(self.build() if url is None else url)

    def get_safe_log_message(self) -> str:
        """One line that says which database is used and where that comes from; no secrets."""
        try:
            where = mask_url(self.build())
        except DatabaseUrlError as error:
            return f"Database ({self._environment}/{self._key}): not usable, {error.message}"
        return f"Database ({self._environment}/{self._key}): {where}"

    def debug_info(self) -> dict[str, Any]:  # Any: a report for people
        """What the input is and what became of it, without secrets."""
        shown: dict[str, str] = {}
        for key in (self._url_key, *(f"POSTGRES_{name}" for name in _PART_NAMES)):
            value = self._values.get(key)
            if value is not None:
                shown[key] = mask_url(value) if key == self._url_key else self._shown(key, value)
        return {
            "environment": str(self._environment),
            "source": self._key,
            "values": shown,
            "in_container": self._in_container,
            "findings": [f"{f.severity}: {f.key}: {f.message}" for f in self.validate()],
        }

    @staticmethod
    def normalize(url: str) -> str:
        """The one canonical form: no driver in the scheme, `sslmode` for TLS, parts encoded."""
        parts = parse_url(url)
        if parts.dialect == "sqlite":
            return _render(parts, Driver("sqlite", "sqlite"))
        return _render(parts, driver_named("libpq", "postgresql"))

    @staticmethod
    def format_for_driver(url: str, driver: str) -> str:
        """`url` as `driver` wants it; an unknown driver is an error."""
        parts = parse_url(url)
        return _render(parts, driver_named(driver, parts.dialect))

    @property
    def _key(self) -> str:
        if self._values.get(self._url_key):
            return self._url_key
        return "POSTGRES_HOST" if self._values.get("POSTGRES_HOST") else "default"

    def _source(self) -> DatabaseParts:
        if url := self._values.get(self._url_key):
            return parse_url(url, name=self._url_key)
        if self._values.get("POSTGRES_HOST"):
            return self._from_parts()
        if self._environment is Environment.TEST:
            return parse_url("sqlite:///:memory:")
        if self._environment.deployed and not self._embedded_allowed:
            raise DatabaseUrlError(
                f"{self._environment} has no database",
                hint=f"Set {self._url_key} or POSTGRES_HOST, _USER, _PASSWORD and _DB; or"
                " APEX_EMBEDDED=1 for an SQLite file on one node.",
            )
        return sqlite_file(self._sqlite_path)

    def _from_parts(self) -> DatabaseParts:
        values = {name: self._values.get(f"POSTGRES_{name}") for name in _PART_NAMES}
        for name, value in values.items():
            check_text(f"POSTGRES_{name}", value or "")
        host = (values["HOST"] or "").strip()
        mode = self._values.get("POSTGRES_SSLMODE")
        return DatabaseParts(
            dialect="postgresql",
            host=check_cloud_sql(host) if "/cloudsql/" in host else host,
            port=check_port(values["PORT"]) if values["PORT"] else 5432,
            user=values["USER"] or ("postgres" if not self._environment.deployed else None),
            password=values["PASSWORD"],
            database=values["DB"] or ("apex" if not self._environment.deployed else ""),
            tls=tls_mode(mode) if mode else None,
            root_certificate=self._values.get("POSTGRES_SSLROOTCERT"),
        )

    @property
    def _embedded_allowed(self) -> bool:
        return (self._values.get("APEX_EMBEDDED") or "").strip().lower() in _TRUE

    def _embedded(self, parts: DatabaseParts) -> list[UrlFinding]:
        if parts.memory:
            return [
                UrlFinding(
                    "error",
                    self._key,
                    f"SQLite in memory would lose everything in {self._environment}",
                    "Use PostgreSQL, or APEX_EMBEDDED=1 with a file.",
                )
            ]
        if not self._embedded_allowed:
            return [
                UrlFinding(
                    "error",
                    self._key,
                    f"{self._environment} needs PostgreSQL",
                    "Set APEX_EMBEDDED=1 to run on one node with an SQLite file.",
                )
            ]
        return []

    def _credentials(self, parts: DatabaseParts) -> list[UrlFinding]:
        required = {
            "host": parts.host,
            "user": parts.user,
            "password": parts.password or (parts.socket and parts.user),
            "database name": parts.database if parts.database not in ("None", "null") else "",
        }
        findings = [
            UrlFinding(
                "error",
                self._key,
                f"{self._environment} needs a {what}",
                f"Complete {self._url_key} or the POSTGRES_ parts.",
            )
            for what, value in required.items()
            if not value
        ]
        if parts.host in _LOCAL and not self._in_container:
            findings.append(
                UrlFinding(
                    "error",
                    self._key,
                    f"{self._environment} must not use a database on localhost",
                    "Name the real host.",
                )
            )
        if parts.tls in ("disable", "allow") and not parts.socket:
            findings.append(
                UrlFinding("warning", self._key, "the password travels without TLS", "Use require.")
            )
        return findings

    def _conflicts(self) -> list[UrlFinding]:
        if not self._values.get("POSTGRES_HOST"):
            return []
        try:
            of_url, of_parts = self._source(), self._from_parts()
        except DatabaseUrlError as error:
            return [UrlFinding("warning", "POSTGRES_HOST", error.message, error.hint)]
        pairs = {
            "HOST": (of_url.host, of_parts.host),
            "PORT": (of_url.port or 5432, of_parts.port),
            "USER": (of_url.user, of_parts.user),
            "PASSWORD": (of_url.password, of_parts.password),
            "DB": (of_url.database, of_parts.database),
        }
        return [
            UrlFinding(
                "warning",
                f"POSTGRES_{name}",
                f"{self._url_key} says otherwise than POSTGRES_{name}; {self._url_key} is used",
                "Remove one of them.",
            )
            for name, (one, other) in pairs.items()
            if self._values.get(f"POSTGRES_{name}") and one != other
        ]

    @staticmethod
    def _shown(key: str, value: str) -> str:
        return MASK if key in ("POSTGRES_PASSWORD", "POSTGRES_USER") else value


def _render(parts: DatabaseParts, driver: Driver) -> str:
    if parts.memory and not parts.query:
        return f"{driver.scheme}:///{MEMORY}"
    url = parts.url(driver)
    return _encoded(url) if parts.dialect == "postgresql" else url.render_as_string(False)


def _encoded(url: URL) -> str:
    """SQLAlchemy leaves spaces as they are, which libpq refuses: encode all but the harmless."""

    def encoded(text: str | None) -> str:
        return quote(text or "", safe="")

    login = encoded(url.username)
    if url.password is not None:
        login += f":{encoded(url.password)}"
    host = url.host or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{url.port}" if url.port else ""
    pairs = [f"{name}={encoded(str(value))}" for name, value in url.query.items()]
    query = f"?{'&'.join(pairs)}" if pairs else ""
    at = "@" if login else ""
    return f"{url.drivername}://{login}{at}{host}{port}/{encoded(url.database)}{query}"
