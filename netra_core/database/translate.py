"""From a driver's error to one of ours: numbered, without secrets, saying what to do."""

import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import exc

from netra_core.database import errors
from netra_core.errors import DatabaseError

_FREE_SPACE: Final = "Free space or move the database; what was acknowledged is kept."
_NO_SPACE: Final = 128 * 1024
"""Bytes free below which a failure of the disk is taken for a full one."""
_SQLITE: Final[tuple[tuple[str, type[DatabaseError], str, str], ...]] = (
    (
        "SQLITE_FULL",
        errors.StorageFullError,
        "the disk that holds the database is full",
        _FREE_SPACE,
    ),
    (
        "SQLITE_IOERR",
        errors.DatabaseDiskError,
        "the disk that holds the database failed",
        "Check the disk, its quota and the system's log; the data on it may be whole.",
    ),
    (
        "SQLITE_BUSY",
        errors.DatabaseBusyError,
        "another process holds the database",
        "Stop the other process or try again.",
    ),
    (
        "SQLITE_LOCKED",
        errors.DatabaseBusyError,
        "another connection holds the table",
        "Try again.",
    ),
    (
        "SQLITE_READONLY",
        errors.DatabaseReadOnlyError,
        "the database takes no writes",
        "Check the permissions of the file and of its folder.",
    ),
    (
        "SQLITE_CANTOPEN",
        errors.DatabaseUnreachableError,
        "the database file cannot be opened",
        "Check that its folder exists and that this user may read and write both.",
    ),
    (
        "SQLITE_CORRUPT",
        errors.DatabaseCorruptError,
        "the database file is damaged",
        "Restore it from a backup.",
    ),
    (
        "SQLITE_NOTADB",
        errors.DatabaseCorruptError,
        "the file is no database",
        "Correct the path, or restore it from a backup.",
    ),
)
"""By the start of SQLite's name for the error, not by its text, which may quote a caller's."""

_POSTGRES: Final[dict[str, tuple[type[DatabaseError], str, str]]] = {
    "28P01": (errors.DatabaseLoginError, "the password was refused", "Check the password."),
    "28000": (
        errors.DatabaseLoginError,
        "the server refused this user",
        "Check the user and the server's pg_hba.conf.",
    ),
    "3D000": (
        errors.DatabaseLoginError,
        "the server has no database of that name",
        "Create it, or check the name.",
    ),
    "53100": (errors.StorageFullError, "the server's disk is full", "Free space on the server."),
    "53300": (
        errors.PoolExhaustedError,
        "the server takes no more connections",
        "Lower pool_size or raise max_connections.",
    ),
    "25006": (
        errors.DatabaseReadOnlyError,
        "the server takes no writes",
        "Point the URL to the primary.",
    ),
    "40001": (errors.TransactionConflictError, "the transaction lost a conflict", "Try again."),
    "40P01": (errors.TransactionConflictError, "the transaction lost a dead lock", "Try again."),
    "55P03": (errors.DatabaseBusyError, "a lock was not granted in time", "Try again."),
    "57014": (
        errors.StatementTimeoutError,
        "a statement ran longer than allowed",
        "Narrow the request, or raise statement_timeout_s.",
    ),
}
_LIBPQ: Final[tuple[tuple[str, type[DatabaseError], str, str], ...]] = (
    (
        r"authentication failed|no password supplied|(role|database) .* does not exist",
        errors.DatabaseLoginError,
        "the server refused user, password or name",
        "Check them, and the server's pg_hba.conf.",
    ),
    (
        r"certificate|SSL|TLS",
        errors.DatabaseTlsError,
        "no trusted connection",
        "Renew or trust the server's certificate, or correct the TLS mode.",
    ),
    (
        r"",
        errors.DatabaseUnreachableError,
        "the server does not answer",
        "Check host and port, and that the server runs.",
    ),
)
"""Why libpq could not connect; it says so in words alone."""
_GONE_STATES: Final = ("08", "57P", "25P03")
_ROW_SECURITY: Final = re.compile(r"row-level security")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    stack: list[BaseException | None] = [error]
    while stack:
        current = stack.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # Not __context__: what the caller was handling when it asked is no fault of ours.
        stack += [current.__cause__, getattr(current, "orig", None)]


def translate(
    error: BaseException, *, where: str, folder: Path | None = None, connecting: bool = False
) -> DatabaseError | None:
    """Our error for a driver's error, or None when it is not the database's doing.

    `where` is the masked address shown in the message, `folder` where an SQLite file lies. Broken
    constraints stay what they are (`sqlalchemy.exc.IntegrityError`): they speak about the caller's
    data. Outside `connecting` an OSError belongs to the caller's own code and stays what it is.
    """
    if isinstance(error, (DatabaseError, exc.IntegrityError)):
        return None
    if isinstance(error, exc.TimeoutError):
        return errors.PoolExhaustedError(
            f"no connection to {where} came free in time",
            hint="Try again; raise pool_size when this is the rule.",
        )
    if not connecting and not isinstance(error, exc.DBAPIError):
        return None
    for cause in _chain(error):
        found = _sqlite(cause, where, folder) or _one(cause, where)
        if found is None and connecting and type(cause).__module__.startswith("psycopg"):
            found = _libpq(cause, where)
        if found is not None:
            return found
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return _gone(where)
    return None


def _gone(where: str) -> DatabaseError:
    return errors.DatabaseDisconnectedError(
        f"the connection to {where} broke", hint="Try again; the pool reconnects by itself."
    )


def _one(cause: BaseException, where: str) -> DatabaseError | None:
    state = getattr(cause, "sqlstate", None)
    text = str(cause)
    if isinstance(state, str):
        if state == "42501" and _ROW_SECURITY.search(text):
            return errors.RowAccessError(f"{where} refused rows of another owner")
        if state == "42501":
            return errors.DatabasePermissionError(
                f"the role may not do this ({where})",
                hint="Run `apex db upgrade` with the migration role's URL, or grant the right.",
            )
        if state in _POSTGRES:
            kind, what, hint = _POSTGRES[state]
            return kind(f"{what} ({where})", hint=hint)
        if state.startswith(_GONE_STATES):
            return _gone(where)
    if isinstance(cause, ssl.SSLError) or "rejected SSL upgrade" in text:
        reason = getattr(cause, "verify_message", "") or "TLS was refused"
        return errors.DatabaseTlsError(
            f"no trusted connection to {where}: {reason}",
            hint="Renew or trust the server's certificate, or correct the TLS mode.",
        )
    if isinstance(cause, (ConnectionResetError, BrokenPipeError)) or (
        "connection was closed in the middle" in text or "connection is closed" in text
    ):
        return _gone(where)
    if isinstance(cause, (OSError, TimeoutError)):
        return errors.DatabaseUnreachableError(
            f"{where} does not answer", hint="Check host and port, and that the server runs."
        )
    return None


def _libpq(cause: BaseException, where: str) -> DatabaseError | None:
    return next(
        (
            kind(f"{what} ({where})", hint=hint)
            for pattern, kind, what, hint in _LIBPQ
            if re.search(pattern, str(cause), re.IGNORECASE)
        ),
        None,
    )


def _sqlite(cause: BaseException, where: str, folder: Path | None) -> DatabaseError | None:
    name = getattr(cause, "sqlite_errorname", None)
    if not isinstance(name, str):
        return None
    for start, kind, what, hint in _SQLITE:
        if not name.startswith(start):
            continue
        if start == "SQLITE_IOERR":
            if folder is not None and _is_full(folder):
                return errors.StorageFullError(
                    f"the disk that holds the database is full ({where})", hint=_FREE_SPACE
                )
            what = f"{what} ({name})"
        return kind(f"{what} ({where})", hint=hint)
    return None


def _is_full(folder: Path) -> bool:
    """SQLite says that the disk is full where it writes data, and "I/O error" where it makes room
    for its lock table at the first connection.
    """
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _NO_SPACE
