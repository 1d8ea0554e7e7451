"""Words of the shared state: scopes, addresses, entries, changes, queries."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, TypeAlias

JsonValue: TypeAlias = Any  # Any: JSON has no closed type; values are checked when encoded
MAX_KEY: Final = 512
MAX_ID: Final = 64
MAX_SUBJECT: Final = 400


class Scope(StrEnum):
    """Whose an entry is, widest first."""

    GLOBAL = "global"
    WORKSPACE = "workspace"
    USER = "user"
    SESSION = "session"
    THREAD = "thread"
    AGENT = "agent"
    WEBSOCKET = "websocket"


NEAREST_FIRST: Final = tuple(reversed(Scope))
"""The order in which a nearest-scope read looks."""


class Owner(NamedTuple):
    """One owner in one scope. Empty parts do not apply: a global entry has none of them.

    `subject` is the session, thread, agent or connection within the user.
    """

    scope: Scope
    workspace_id: str = ""
    user_id: str = ""
    subject: str = ""


class Address(NamedTuple):
    """One key of one owner."""

    owner: Owner
    key: str


Operation: TypeAlias = Literal["set", "delete", "expire"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateEntry:
    """A value as it stands. `version` rises by one with each change of the key and never restarts;
    `revision` orders all changes of the store; times are seconds since 1970, UTC.
    """

    owner: Owner
    key: str
    value: JsonValue
    version: int
    revision: int
    updated_at: float
    updated_by: str
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """One change in the feed and in a key's history; `value` is None after delete and expiry."""

    owner: Owner
    key: str
    operation: Operation
    value: JsonValue
    version: int
    revision: int
    at: float
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateQuery:
    """Which entries of a view to find; every condition given must hold. At most `limit`, by key."""

    scope: Scope | None = None
    prefix: str = ""
    updated_after: float | None = None
    min_version: int = 1
    limit: int = 1000
    after_key: str = ""


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write under `name`, until somebody takes a newer one. Tokens rise by one."""

    owner: Owner
    name: str
    token: int
