"""Who acts, where, and for which request: made at the edge, passed on as an argument."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Role(StrEnum):
    """Role of a person in a workspace, most powerful first."""

    OWNER = "owner"
    ADMIN = "admin"
    ANALYST = "analyst"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExecutionContext:
    """Identity of one request, immutable.

    `user_id` and `workspace_id` come from a verified token, never from a payload. Whoever holds a
    context may reach what belongs to this user in this workspace and nothing else.
    """

    user_id: str
    workspace_id: str
    request_id: str
    roles: frozenset[Role] = frozenset()
    thread_id: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    trace_id: str | None = None

    def __post_init__(self) -> None:
        for name in ("user_id", "workspace_id", "request_id"):
            if not getattr(self, name):
                raise ValueError(f"UserExecutionContext needs a non-empty {name}")

    @property
    def stream(self) -> tuple[str, str]:
        """The event stream of this user: (workspace_id, user_id)."""
        return (self.workspace_id, self.user_id)

    def for_thread(self, thread_id: str) -> "UserExecutionContext":
        """The same identity within one thread."""
        return replace(self, thread_id=thread_id)

    def has_role(self, *allowed: Role) -> bool:
        """True when this person holds at least one of the roles."""
        return bool(self.roles.intersection(allowed))
