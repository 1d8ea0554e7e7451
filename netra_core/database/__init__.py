"""Databases: their addresses, engines, sessions, grouped writes and migrations."""

from netra_core.database.errors import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseDisconnectedError,
    DatabaseDiskError,
    DatabaseLoginError,
    DatabasePermissionError,
    DatabaseReadOnlyError,
    DatabaseTlsError,
    DatabaseUnreachableError,
    DatabaseUrlError,
    NestedWriteError,
    PoolExhaustedError,
    RowAccessError,
    SchemaOutdatedError,
    SchemaTooNewError,
    SessionIsolationError,
    StatementTimeoutError,
    StorageFullError,
    TransactionConflictError,
    WriteQueueClosedError,
)
from netra_core.database.group_commit import GroupCommit
from netra_core.database.options import DatabaseOptions
from netra_core.database.scope import AnyContext, SystemContext
from netra_core.database.sessions import DatabaseSessionManager, Health, SessionStats
from netra_core.database.url import DatabaseURLBuilder, UrlFinding
from netra_core.database.url_mask import mask_url

__all__ = [
    "AnyContext",
    "DatabaseBusyError",
    "DatabaseCorruptError",
    "DatabaseDisconnectedError",
    "DatabaseDiskError",
    "DatabaseLoginError",
    "DatabaseOptions",
    "DatabasePermissionError",
    "DatabaseReadOnlyError",
    "DatabaseSessionManager",
    "DatabaseTlsError",
    "DatabaseURLBuilder",
    "DatabaseUnreachableError",
    "DatabaseUrlError",
    "GroupCommit",
    "Health",
    "NestedWriteError",
    "PoolExhaustedError",
    "RowAccessError",
    "SchemaOutdatedError",
    "SchemaTooNewError",
    "SessionIsolationError",
    "SessionStats",
    "StatementTimeoutError",
    "StorageFullError",
    "SystemContext",
    "TransactionConflictError",
    "UrlFinding",
    "WriteQueueClosedError",
    "mask_url",
]
