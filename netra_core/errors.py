"""Errors of the foundation and of the services that stand on it.

ApexError
├── ConfigurationError      CFG-nnn   environment and configuration
├── RegistryError           REG-nnn   named things and factories
├── DatabaseError           DB-nnn    connections, sessions, migrations
├── StateError              STA-nnn   shared state
├── EventError              EVT-nnn   event log and event order
├── WebSocketError          WS-nnn    connections and delivery
├── AuthError               AUTH-nnn  people, sessions, tokens
├── AgentError              AGT-nnn   agents and their tools
├── RunError                RUN-nnn   durable runs and jobs
└── ApiError                API-nnn   requests that cannot be served

Each area subclasses its branch; `netra_optimizer` has a root of its own.
"""

from typing import ClassVar

DOCS = "docs/errors.md"


class ApexError(Exception):
    """Root of all errors of the services.

    Guarantees a stable `code`, one clear sentence as `message`, what to do in `hint` (may be
    empty), and whether the same call may succeed later (`retryable`). Never holds a secret.
    """

    code: ClassVar[str] = "APX-000"
    retryable: ClassVar[bool] = False
    status: ClassVar[int] = 500
    """HTTP status that the edge answers with."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def docs(self) -> str:
        """Where the code is explained."""
        return f"{DOCS}#{self.code.lower()}"

    def __str__(self) -> str:
        hint = f" {self.hint}" if self.hint else ""
        return f"[{self.code}] {self.message}{hint}"


class ConfigurationError(ApexError):
    """Environment or configuration is not usable."""

    code = "CFG-000"


class RegistryError(ApexError):
    """A registry refused an entry or has none."""

    code = "REG-000"


class DatabaseError(ApexError):
    """A database cannot do what was asked."""

    code = "DB-000"


class StateError(ApexError):
    """Shared state refused an operation."""

    code = "STA-000"


class EventError(ApexError):
    """An event cannot be written or read."""

    code = "EVT-000"


class WebSocketError(ApexError):
    """A connection or a delivery was refused."""

    code = "WS-000"


class AuthError(ApexError):
    """Who is asking is not known, or may not."""

    code = "AUTH-000"
    status = 401


class AgentError(ApexError):
    """An agent or one of its tools failed."""

    code = "AGT-000"


class RunError(ApexError):
    """A run cannot be started, moved or found."""

    code = "RUN-000"


class ApiError(ApexError):
    """A request cannot be served."""

    code = "API-000"
    status = 400
