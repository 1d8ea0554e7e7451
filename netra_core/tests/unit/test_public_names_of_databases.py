"""What other packages may import: a name that goes or comes is seen here first."""

import netra_core.database
import netra_core.state

DATABASE = """
AnyContext DatabaseBusyError DatabaseCorruptError DatabaseDisconnectedError DatabaseDiskError
DatabaseLoginError DatabaseOptions DatabasePermissionError DatabaseReadOnlyError
DatabaseSessionManager DatabaseTlsError DatabaseURLBuilder DatabaseUnreachableError
DatabaseUrlError GroupCommit Health NestedWriteError PoolExhaustedError RowAccessError
SchemaOutdatedError SchemaTooNewError SessionIsolationError SessionStats StatementTimeoutError
StorageFullError SystemContext TransactionConflictError UrlFinding WriteQueueClosedError mask_url
"""
STATE = """
APPEND Address Batch COUNTER Change ChangesCompactedError ChangesLost Fence InvalidStateKeyError
LAST_WRITER Listener MAX MemoryStateStore Nearest Notification Owner Policy REJECT Record Scope
StaleFenceError StateChange StateClosedError StateConflictError StateEntry StateManagerFactory
StateNotFoundError StatePolicyError StateQuery StateScopeError StateStore StateTransaction
StateValueError StateView UnifiedStateManager Write merge
"""


def test_the_public_names_of_databases_are_these() -> None:
    assert sorted(netra_core.database.__all__) == DATABASE.split()


def test_the_public_names_of_state_are_these() -> None:
    assert sorted(netra_core.state.__all__) == STATE.split()


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for package in (netra_core.database, netra_core.state):
        for name in package.__all__:
            assert hasattr(package, name)
            if isinstance(getattr(package, name), type):
                assert getattr(package, name).__doc__
