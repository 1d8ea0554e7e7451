"""What shared state refuses.

StateError
├── InvalidStateKeyError   STA-001  an empty or overlong key, a TTL of zero, an unknown scope
├── StateScopeError        STA-002  the context has no such scope, or may not write it
├── StateConflictError     STA-003  the version expected is not the version there
├── StateNotFoundError     STA-004  no such entry or version
├── StaleFenceError        STA-005  the writer's fence was taken over by another
├── StatePolicyError       STA-006  the value does not fit the key's conflict policy
├── StateValueError        STA-007  the value is not JSON
├── ChangesCompactedError  STA-008  changes asked for were removed; read the state anew
└── StateClosedError       STA-009  the manager was shut down
"""

from typing import Any

from netra_core.errors import StateError


class InvalidStateKeyError(StateError):
    """A key, scope or time to live that no entry can have."""

    code = "STA-001"
    status = 422


class StateScopeError(StateError):
    """The context has no such scope, or may not write it."""

    code = "STA-002"
    status = 403


class StateConflictError(StateError):
    """The version expected is not the version there.

    `base` is the value at the expected version where history still has it, `actual_value` what is
    there now and `wanted_value` what was to be written; versions are 0 for absent.
    """

    code = "STA-003"
    retryable = True
    status = 409

    def __init__(
        self,
        key: str,
        *,
        expected: int,
        actual: int,
        base: Any,  # Any: JSON values of callers
        actual_value: Any,
        wanted_value: Any,
    ) -> None:
        super().__init__(
            f"{key!r} is at version {actual}, not at {expected}",
            hint="Read it again and repeat the change.",
        )
        self.key = key
        self.expected = expected
        self.actual = actual
        self.base = base
        self.actual_value = actual_value
        self.wanted_value = wanted_value


class StateNotFoundError(StateError):
    """No such entry, or no such version of it."""

    code = "STA-004"
    status = 404


class StaleFenceError(StateError):
    """The writer's fence was taken over by another writer; it must stop."""

    code = "STA-005"
    status = 409


class StatePolicyError(StateError):
    """The value does not fit the key's conflict policy."""

    code = "STA-006"
    status = 422


class StateValueError(StateError):
    """The value is not JSON."""

    code = "STA-007"
    status = 422


class ChangesCompactedError(StateError):
    """The changes asked for were removed; read the state anew and follow from there."""

    code = "STA-008"
    status = 410


class StateClosedError(StateError):
    """The manager was shut down."""

    code = "STA-009"
    status = 503
