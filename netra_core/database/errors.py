"""Errors of databases, each with a number of its own.

DatabaseError
├── DatabaseUrlError             DB-001  the URL or its parts cannot be used
├── DatabaseUnreachableError     DB-002  nobody answers at host and port (retryable)
├── DatabaseLoginError           DB-003  user or password refused
├── DatabaseTlsError             DB-004  the server's certificate or TLS setting refused
├── DatabaseBusyError            DB-005  another writer holds the database (retryable)
├── DatabaseReadOnlyError        DB-006  file, folder or server takes no writes
├── StorageFullError             DB-007  no space left
├── DatabaseDisconnectedError    DB-008  the connection broke in mid work (retryable)
├── TransactionConflictError     DB-009  serialization failure or dead lock (retryable)
├── StatementTimeoutError        DB-010  a statement ran longer than allowed
├── PoolExhaustedError           DB-011  no connection came free in time (retryable)
├── SessionIsolationError        DB-012  a session used outside its request or by another user
├── NestedWriteError             DB-013  a write asked for while the same task holds one open
├── SchemaTooNewError            DB-014  the schema was made by a newer release
├── SchemaOutdatedError          DB-015  migrations are missing
├── WriteQueueClosedError        DB-016  the writer was shut down
├── DatabaseCorruptError         DB-017  the file is damaged or no database
├── RowAccessError               DB-018  row-level security refused the rows
├── DatabasePermissionError      DB-019  the role may not do this
└── DatabaseDiskError            DB-020  the disk under the file failed
"""

from netra_core.errors import DatabaseError


class DatabaseUrlError(DatabaseError):
    """The URL or the parts it is made of cannot be used."""

    code = "DB-001"


class DatabaseUnreachableError(DatabaseError):
    """Nobody answers at the database's address."""

    code = "DB-002"
    retryable = True
    status = 503


class DatabaseLoginError(DatabaseError):
    """The server refused the user, the password or the database's name."""

    code = "DB-003"


class DatabaseTlsError(DatabaseError):
    """The server's certificate is not valid, or one side wants TLS and the other has none."""

    code = "DB-004"


class DatabaseBusyError(DatabaseError):
    """Another writer held the database longer than we wait."""

    code = "DB-005"
    retryable = True
    status = 503


class DatabaseReadOnlyError(DatabaseError):
    """The file, its folder or the server takes no writes."""

    code = "DB-006"


class StorageFullError(DatabaseError):
    """The disk that holds the database is full; what was acknowledged before is kept."""

    code = "DB-007"
    status = 507


class DatabaseDisconnectedError(DatabaseError):
    """The connection broke while it worked; whether the work was committed is not known."""

    code = "DB-008"
    retryable = True
    status = 503


class TransactionConflictError(DatabaseError):
    """The database rolled the transaction back in favour of another one."""

    code = "DB-009"
    retryable = True
    status = 409


class StatementTimeoutError(DatabaseError):
    """A statement ran longer than the configured limit and was stopped."""

    code = "DB-010"
    status = 504


class PoolExhaustedError(DatabaseError):
    """All connections of the pool stayed in use for as long as we wait."""

    code = "DB-011"
    retryable = True
    status = 503


class SessionIsolationError(DatabaseError):
    """A session was used by another user, outside its request, or after its end."""

    code = "DB-012"


class NestedWriteError(DatabaseError):
    """The task that asks to write holds a write session open and would wait for itself."""

    code = "DB-013"


class SchemaTooNewError(DatabaseError):
    """The database was migrated by a newer release than this one; it is left untouched."""

    code = "DB-014"


class SchemaOutdatedError(DatabaseError):
    """The database lacks migrations that this release needs."""

    code = "DB-015"


class WriteQueueClosedError(DatabaseError):
    """The writer was shut down; nothing is written any more."""

    code = "DB-016"
    status = 503


class DatabaseCorruptError(DatabaseError):
    """The file is damaged or is no database."""

    code = "DB-017"


class RowAccessError(DatabaseError):
    """Row-level security refused rows that belong to another owner."""

    code = "DB-018"
    status = 404


class DatabasePermissionError(DatabaseError):
    """The role of the URL may not do this; changing tables is the migration role's."""

    code = "DB-019"


class DatabaseDiskError(DatabaseError):
    """The disk that holds the file could not be read or written; the file may be whole."""

    code = "DB-020"
