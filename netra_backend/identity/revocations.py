"""What the auth service has taken back, and how old that knowledge is. No I/O."""

import time
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import msgspec

STALE_AFTER_S: Final = 10.0
_KEEP_S: Final = 24 * 3600.0
_SWEEP_EVERY: Final = 1000

ChangeKind: TypeAlias = Literal[
    "session_revoked",
    "user_disabled",
    "membership_changed",
    "person_erased",
    "workspace_erased",
]


class Change(msgspec.Struct, frozen=True):
    """One entry of the auth service's feed. `at` is Unix seconds."""

    id: int
    kind: ChangeKind
    user_id: str
    at: float
    session_id: str | None = None
    workspace_id: str | None = None


class Revocations:
    """Says whether a token is still good. Knows nothing until the feed was read once.

    Entries are kept for a day, far longer than an access token lives.
    """

    def __init__(
        self,
        *,
        stale_after_s: float = STALE_AFTER_S,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stale_after_s = stale_after_s
        self._monotonic = monotonic
        self._now = now
        self._current_at: float | None = None
        self._sessions: dict[str, float] = {}
        self._users: dict[str, float] = {}
        self._memberships: dict[tuple[str, str], float] = {}
        self._applied = 0

    @property
    def stale(self) -> bool:
        """True while revocations cannot be known: before the first reading, 10 s after the last."""
        if self._current_at is None:
            return True
        return self._monotonic() - self._current_at > self._stale_after_s

    @property
    def age_s(self) -> float | None:
        """Seconds since the feed was last read to its end; None before."""
        return None if self._current_at is None else self._monotonic() - self._current_at

    def current(self) -> None:
        """The feed was read to its end just now."""
        self._current_at = self._monotonic()

    def forget_currency(self) -> None:
        """The feed was reset: nothing is known until it was read again."""
        self._current_at = None

    def apply(self, change: Change) -> None:
        """Take one change in; again changes nothing."""
        match change.kind:
            case "session_revoked":
                if change.session_id:
                    self._sessions[change.session_id] = change.at
            case "user_disabled":
                self._users[change.user_id] = max(change.at, self._users.get(change.user_id, 0.0))
            case "membership_changed":
                key = (change.user_id, change.workspace_id or "")
                self._memberships[key] = max(change.at, self._memberships.get(key, 0.0))
            case "person_erased" | "workspace_erased":
                pass  # the changes beside it have taken the rights back
        self._applied += 1
        if self._applied % _SWEEP_EVERY == 0:
            self._sweep()

    def refuses(
        self, *, user_id: str, workspace_id: str, session_id: str | None, issued_at: float
    ) -> bool:
        """True when something that was taken back covers this token."""
        if session_id is not None and session_id in self._sessions:
            return True
        if issued_at <= self._users.get(user_id, float("-inf")):
            return True
        return issued_at <= self._memberships.get((user_id, workspace_id), float("-inf"))

    def _sweep(self) -> None:
        before = self._now() - _KEEP_S
        self._sessions = {k: at for k, at in self._sessions.items() if at >= before}
        self._users = {k: at for k, at in self._users.items() if at >= before}
        self._memberships = {k: at for k, at in self._memberships.items() if at >= before}
