"""Ending connections, and remembering who may not come back through a door just closed."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from netra_core.context import UserExecutionContext
from netra_core.websocket.close_codes import CloseCode
from netra_core.websocket.connection import Connection
from netra_core.websocket.limits import SocketLimits

REMEMBER_S = 120.0

_log = structlog.get_logger("netra.websocket")


class Closer:
    """Closes connections, each in a task that this object owns.

    A connection is forgotten first, at once; telling its socket may take `close_timeout_s`, after
    which the socket is dropped. So a socket that hangs is neither counted nor sent anything.
    """

    def __init__(
        self,
        limits: SocketLimits,
        *,
        forget: Callable[[Connection], None],
        on_closed: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        self._limits = limits
        self._forget = forget
        self._on_closed = on_closed
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed: Counter[int] = Counter()

    def close(self, connection: Connection, code: CloseCode, reason: str) -> None:
        """Close with a code; returns at once."""
        self._begin(connection, code, reason)

    async def close_all(
        self, connections: Sequence[Connection], code: CloseCode, reason: str
    ) -> None:
        """Close many at the same time; returns when each was told or dropped."""
        tasks = [self._begin(connection, code, reason) for connection in connections]
        waiting = [task for task in tasks if task is not None]
        if waiting:
            await asyncio.wait(waiting)

    async def discard(self, connection: Connection) -> None:
        """Forget a connection whose socket has ended."""
        if connection.is_open:
            connection.close_code = CloseCode.NORMAL
            self.closed[CloseCode.NORMAL] += 1
            self._forget(connection)
            await self._stop_pump(connection)
            await self._end(connection)

    async def wait(self) -> None:
        """Wait for the closings under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(
        self, connection: Connection, code: CloseCode, reason: str
    ) -> asyncio.Task[None] | None:
        if not connection.is_open:
            return None
        connection.close_code = code
        self.closed[code] += 1
        self._forget(connection)
        task = asyncio.get_running_loop().create_task(self._close(connection, code, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _close(self, connection: Connection, code: CloseCode, reason: str) -> None:
        await self._stop_pump(connection)
        try:
            async with asyncio.timeout(self._limits.close_timeout_s):
                for text in connection.outbox.last_words():
                    await connection.transport.send_text(text)
                await connection.transport.close(code, reason)
        except Exception:  # a socket that cannot be told is dropped, whatever it raised
            with suppress(Exception):
                connection.transport.abort()
        finally:
            await self._end(connection)

    async def _end(self, connection: Connection) -> None:
        connection.end()
        if self._on_closed is not None:
            try:
                await self._on_closed(connection)
            except Exception as error:  # whoever listens must not keep a connection from ending
                _log.error("close listener failed", error=repr(error))

    async def _stop_pump(self, connection: Connection) -> None:
        pump = connection.pump
        if pump is not None and pump is not asyncio.current_task():
            pump.cancel()
            await asyncio.wait([pump])


class Revocations:
    """What was revoked lately, so that a connection under way at that moment is refused."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._recent: deque[tuple[float, Callable[[UserExecutionContext], bool]]] = deque()

    def add(
        self, user_id: str | None, session_id: str | None, workspace_id: str | None
    ) -> Callable[[UserExecutionContext], bool]:
        """Remember one; the answer says whether it meets a context."""

        def matches(context: UserExecutionContext) -> bool:
            return (
                user_id in (None, context.user_id)
                and session_id in (None, context.session_id)
                and workspace_id in (None, context.workspace_id)
            )

        self._recent.append((self._monotonic(), matches))
        return matches

    def covers(self, context: UserExecutionContext, *, since: float | None) -> bool:
        """True when the context was revoked at or after `since` (monotonic)."""
        if since is None:
            return False
        return any(at >= since and matches(context) for at, matches in self._recent)

    def expire(self) -> None:
        """Forget what is too old to matter."""
        limit = self._monotonic() - REMEMBER_S
        while self._recent and self._recent[0][0] < limit:
            self._recent.popleft()
