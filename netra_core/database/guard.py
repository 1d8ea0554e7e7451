"""Sessions that know whose they are, and refuse to serve anybody else."""

import sys
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from netra_core.context import UserExecutionContext
from netra_core.database.errors import SessionIsolationError
from netra_core.database.scope import AnyContext

TAG: Final = "apex_tag"


@dataclass(slots=True, eq=False)
class SessionTag:
    """Whose a session is, where it was opened, and whether it still is."""

    ctx: AnyContext
    opened_at: float
    origin: str
    open: bool = field(default=True)

    @property
    def owner(self) -> tuple[str, str] | None:
        """(workspace, user), or None for the platform itself."""
        return self.ctx.stream if isinstance(self.ctx, UserExecutionContext) else None

    def __str__(self) -> str:
        ctx = self.ctx
        if isinstance(ctx, UserExecutionContext):
            return f"request {ctx.request_id!r} of user {ctx.user_id!r}, opened at {self.origin}"
        return f"system actor {ctx.actor!r}, opened at {self.origin}"


_open_tags: Final[ContextVar[tuple[SessionTag, ...]]] = ContextVar("apex_sessions", default=())
"""Sessions opened by the request that this code runs in, innermost last. Child tasks inherit it,
other requests do not: that is how a session reached from another request is told."""


def entered(tag: SessionTag) -> None:
    """Note that the current request opened a session; refuse a second user within the first."""
    tags = tuple(other for other in _open_tags.get() if other.open)
    for other in tags:
        if tag.owner and other.owner and tag.owner != other.owner:
            raise SessionIsolationError(
                f"a session of another user is open in this request ({other})",
                hint="One request acts for one user.",
            )
    _open_tags.set((*tags, tag))


def left(tag: SessionTag) -> None:
    """Note that a session ended."""
    tag.open = False
    _open_tags.set(tuple(other for other in _open_tags.get() if other.open))


def check(session: Session) -> None:
    """Refuse a session that ended, or that belongs to another request."""
    tag: SessionTag | None = session.info.get(TAG)
    if tag is None:
        return
    if not tag.open:
        raise SessionIsolationError(
            f"the session has ended ({tag})", hint="Use a session only within its block."
        )
    if not any(other is tag for other in _open_tags.get()):
        raise SessionIsolationError(
            f"the session belongs to another request ({tag})",
            hint="Open a session of your own with session(ctx).",
        )


class GuardedSession(Session):
    """The synchronous half of a session; checks its owner before each statement, flush and commit,
    and before it hands out its connection.
    """

    def connection(self, *arguments: Any, **more: Any) -> Connection:
        """The session's connection, for its own request alone."""
        check(self)
        return super().connection(*arguments, **more)

    def commit(self) -> None:
        """Commit; a session that was closed as a leak has lost its work and says so."""
        check(self)
        super().commit()


@event.listens_for(GuardedSession, "do_orm_execute")
def _check_execute(state: ORMExecuteState) -> None:
    check(state.session)


@event.listens_for(GuardedSession, "before_flush")
def _check_flush(session: Session, _flush: UOWTransaction, _instances: Any) -> None:
    check(session)


class ScopedSession(AsyncSession):
    """A session of one user in one request.

    `require(ctx)` raises SessionIsolationError unless the session was opened for this user.
    """

    sync_session_class = GuardedSession

    @property
    def tag(self) -> SessionTag:
        """Whose the session is."""
        tag: SessionTag = self.info[TAG]
        return tag

    def require(self, ctx: UserExecutionContext) -> None:
        """Refuse when `ctx` is not the user the session was opened for."""
        if self.tag.owner != ctx.stream:
            raise SessionIsolationError(
                f"the session belongs to another user than {ctx.user_id!r}",
                hint="Open a session of your own with session(ctx).",
            )


def origin(depth: int) -> str:
    """File and line of the frame `depth` calls up that asked for the session."""
    frame = sys._getframe(depth)  # pyright: ignore[reportPrivateUsage]  # one frame, 1 µs
    while frame.f_back is not None and _is_plumbing(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_plumbing(filename: str) -> bool:
    # database/engine.py: a service's own door to its sessions, as the auth service has one.
    doors = ("database/sessions.py", "database/guard.py", "database/engine.py")
    return filename.endswith(("contextlib.py", *doors))
