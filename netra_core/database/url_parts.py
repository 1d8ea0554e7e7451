"""A database's address in parts: read from a URL or from variables, checked, and put together."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from netra_core.database.drivers import DRIVERS, Dialect, Driver, TlsMode, tls_mode
from netra_core.database.errors import DatabaseUrlError
from netra_core.database.sqlite import is_memory

_POSTGRES: Final = re.compile(r"^postgres(ql)?(\+[a-z0-9]+)?$")
_SQLITE: Final = re.compile(r"^sqlite(\+[a-z0-9]+)?$")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TLS_NAMES: Final = ("sslmode", "ssl")
MEMORY: Final = ":memory:"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseParts:
    """Where a database is and who asks. For SQLite only `database` (a path or `:memory:`)."""

    dialect: Dialect
    host: str = ""
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str = ""
    tls: TlsMode | None = None
    root_certificate: str | None = None
    query: tuple[tuple[str, str], ...] = ()

    @property
    def socket(self) -> bool:
        """True when the server is reached through a Unix socket in the folder `host`."""
        return self.host.startswith("/")

    @property
    def memory(self) -> bool:
        """True for SQLite without a file."""
        return self.dialect == "sqlite" and is_memory(self.url(DRIVERS["pysqlite"]))

    def with_host(self, host: str) -> "DatabaseParts":
        """The same at another host."""
        return replace(self, host=host)

    def url(self, driver: Driver) -> URL:
        """The URL for one driver; TLS is named as the driver names it, and never on a socket."""
        if self.dialect == "sqlite":
            return URL.create(
                driver.scheme, database=self.database or MEMORY, query=dict(self.query)
            )
        query = dict(self.query)
        if self.socket:
            query["host"] = self.host
        elif self.tls is not None:
            query[driver.tls_parameter] = self.tls
            if self.root_certificate and driver.tls_parameter == "sslmode":
                query["sslrootcert"] = self.root_certificate
        return URL.create(
            driver.scheme,
            username=self.user,
            password=self.password,
            host=None if self.socket else self.host or None,
            port=self.port,
            database=self.database or None,
            query=query,
        )


def check_text(name: str, value: str) -> str:
    """Refuse what no driver can carry: NUL and lone surrogates. The value is never shown."""
    if "\x00" in value:
        raise DatabaseUrlError(f"{name} holds a NUL character, which no database accepts")
    if _SURROGATE.search(value):
        raise DatabaseUrlError(
            f"{name} holds a lone surrogate, which is no Unicode text",
            hint="Encode it as UTF-8 again.",
        )
    return value


def check_port(text: str) -> int:
    """A TCP port from text."""
    if not text.strip().isascii() or not text.strip().isdigit() or not 0 < int(text) < 65536:
        raise DatabaseUrlError(f"{text[:20]!r} is no port", hint="Use a number from 1 to 65535.")
    return int(text)


def check_cloud_sql(host: str) -> str:
    """The folder of a Cloud SQL socket; all three parts of the instance's name must be there."""
    folder, _, instance = host.partition("/cloudsql/")
    instance = instance.rstrip("/")
    parts = instance.split(":")
    whole = len(parts) == 3 or (len(parts) == 4 and "." in parts[0])
    if not whole or not all(re.fullmatch(r"[A-Za-z0-9._\-]+", part) for part in parts):
        raise DatabaseUrlError(
            "the Cloud SQL host does not name an instance",
            hint="Use /cloudsql/project:region:instance.",
        )
    return f"{folder}/cloudsql/{instance}"


def parse_url(text: str, *, name: str = "DATABASE_URL") -> DatabaseParts:
    """The parts of a URL in any driver's form. Raises DatabaseUrlError, never showing the URL."""
    check_text(name, text)
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise DatabaseUrlError(
            f"{name} is no database URL",
            hint="Use postgresql://user:password@host:5432/name, with %-encoding in each part.",
        ) from None
    if _SQLITE.match(url.drivername):
        if url.host:
            raise DatabaseUrlError(
                f"{name} names a host for SQLite", hint="Use three slashes: sqlite:///file."
            )
        return DatabaseParts(
            dialect="sqlite", database=url.database or MEMORY, query=_pairs(url.query)
        )
    if not _POSTGRES.match(url.drivername):
        raise DatabaseUrlError(
            f"{name} names a database of kind {url.drivername[:40]!r}, which is not supported",
            hint="Use postgresql:// or sqlite://.",
        )
    return _postgres(url, name)


def _postgres(url: URL, name: str) -> DatabaseParts:
    query = dict(_pairs(url.query))
    host = query.pop("host", None) or url.host or ""
    modes: set[TlsMode] = {tls_mode(query.pop(key)) for key in _TLS_NAMES if key in query}
    if len(modes) > 1:
        raise DatabaseUrlError(f"{name} names two TLS modes: {', '.join(sorted(modes))}")
    for part, value in (("user", url.username), ("password", url.password), ("name", url.database)):
        check_text(f"the {part} in {name}", value or "")
    port = url.port if url.port is not None else _query_port(query)
    return DatabaseParts(
        dialect="postgresql",
        host=check_cloud_sql(host) if "/cloudsql/" in host else host,
        port=port,
        user=query.pop("user", None) or url.username,
        password=query.pop("password", None) or url.password,
        database=query.pop("dbname", None) or query.pop("database", None) or url.database or "",
        tls=modes.pop() if modes else None,
        root_certificate=query.pop("sslrootcert", None),
        query=tuple(query.items()),
    )


def _query_port(query: dict[str, str]) -> int | None:
    text = query.pop("port", None)
    return check_port(text) if text else None


def _pairs(query: Mapping[str, str | tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value if isinstance(value, str) else value[-1]) for name, value in query.items()
    )


def sqlite_file(path: Path) -> DatabaseParts:
    """An SQLite file."""
    return DatabaseParts(dialect="sqlite", database=check_text("the path", str(path)))
