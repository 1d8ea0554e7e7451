"""Shared state with scopes, versions, history and a change feed."""

from netra_core.state.errors import (
    ChangesCompactedError,
    InvalidStateKeyError,
    StaleFenceError,
    StateClosedError,
    StateConflictError,
    StateNotFoundError,
    StatePolicyError,
    StateScopeError,
    StateValueError,
)
from netra_core.state.factory import StateManagerFactory
from netra_core.state.listeners import ChangesLost, Listener, Notification
from netra_core.state.manager import UnifiedStateManager
from netra_core.state.memory import MemoryStateStore
from netra_core.state.policies import APPEND, COUNTER, LAST_WRITER, MAX, REJECT, Policy, merge
from netra_core.state.store import Batch, Change, Record, StateStore, Write
from netra_core.state.transaction import StateTransaction
from netra_core.state.types import (
    Address,
    Fence,
    Owner,
    Scope,
    StateChange,
    StateEntry,
    StateQuery,
)
from netra_core.state.view import Nearest, StateView

__all__ = [
    "APPEND",
    "COUNTER",
    "LAST_WRITER",
    "MAX",
    "REJECT",
    "Address",
    "Batch",
    "Change",
    "ChangesCompactedError",
    "ChangesLost",
    "Fence",
    "InvalidStateKeyError",
    "Listener",
    "MemoryStateStore",
    "Nearest",
    "Notification",
    "Owner",
    "Policy",
    "Record",
    "Scope",
    "StaleFenceError",
    "StateChange",
    "StateClosedError",
    "StateConflictError",
    "StateEntry",
    "StateManagerFactory",
    "StateNotFoundError",
    "StatePolicyError",
    "StateQuery",
    "StateScopeError",
    "StateStore",
    "StateTransaction",
    "StateValueError",
    "StateView",
    "UnifiedStateManager",
    "Write",
    "merge",
]
