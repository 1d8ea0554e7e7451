"""Drivers of databases: their names, and how each is told about TLS."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from netra_core.database.errors import DatabaseUrlError

Dialect: TypeAlias = Literal["postgresql", "sqlite"]
TlsMode: TypeAlias = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
TLS_MODES: Final[tuple[TlsMode, ...]] = (
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
)


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver: SQLAlchemy's name for it, and the parameter that asks for TLS ('' when none)."""

    dialect: Dialect
    scheme: str
    tls_parameter: str = ""


DRIVERS: Final[dict[str, Driver]] = {
    "asyncpg": Driver("postgresql", "postgresql+asyncpg", "ssl"),
    "psycopg": Driver("postgresql", "postgresql+psycopg", "sslmode"),
    "libpq": Driver("postgresql", "postgresql", "sslmode"),
    "aiosqlite": Driver("sqlite", "sqlite+aiosqlite"),
    "pysqlite": Driver("sqlite", "sqlite+pysqlite"),
}
_BY_KIND: Final[dict[tuple[str, str], str]] = {
    ("async", "postgresql"): "asyncpg",
    ("sync", "postgresql"): "psycopg",
    ("async", "sqlite"): "aiosqlite",
    ("sync", "sqlite"): "pysqlite",
}


def driver_named(name: str, dialect: str) -> Driver:
    """The driver `name`; `sync` and `async` choose the dialect's own. Unknown: DatabaseUrlError."""
    driver = DRIVERS.get(_BY_KIND.get((name, dialect), name))
    if driver is None:
        raise DatabaseUrlError(
            f"unknown database driver {name!r}",
            hint=f"Use one of {', '.join(['sync', 'async', *DRIVERS])}.",
        )
    if driver.dialect != dialect:
        raise DatabaseUrlError(f"driver {name!r} cannot reach a database of kind {dialect!r}")
    return driver


def tls_mode(text: str) -> TlsMode:
    """The TLS mode named; `true` and `false` are taken as require and disable."""
    wanted = {"true": "require", "1": "require", "false": "disable", "0": "disable"}.get(
        text.strip().lower(), text.strip().lower()
    )
    for mode in TLS_MODES:
        if mode == wanted:
            return mode
    raise DatabaseUrlError(
        f"unknown TLS mode {text[:20]!r}", hint=f"Use one of {', '.join(TLS_MODES)}."
    )


def tls_context(mode: TlsMode, root_certificate: Path | None) -> ssl.SSLContext | str:
    """What asyncpg takes as `ssl`: the mode's name, or a context where a certificate is checked."""
    if mode not in ("verify-ca", "verify-full"):
        return mode
    try:
        context = ssl.create_default_context(cafile=root_certificate)
    except OSError as error:
        raise DatabaseUrlError(
            f"the root certificate {str(root_certificate)!r} cannot be read",
            hint="Correct sslrootcert.",
        ) from error
    context.check_hostname = mode == "verify-full"
    return context
