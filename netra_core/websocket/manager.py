"""Who is connected, and delivery to exactly them."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

import msgspec
import structlog

from netra_core.context import UserExecutionContext
from netra_core.events.fanout import FanOut
from netra_core.events.port import EventLog, NewEvent, Stream
from netra_core.events.types import CRITICAL_EVENTS, JsonObject
from netra_core.websocket.close_codes import CloseCode
from netra_core.websocket.closing import Closer, Revocations
from netra_core.websocket.connection import Connection
from netra_core.websocket.delivery import Delivery
from netra_core.websocket.errors import (
    NoSuchConnectionError,
    NotCriticalEventError,
    OperatorsOnlyError,
    SessionRevokedError,
    ShuttingDownError,
    TooManyConnectionsError,
)
from netra_core.websocket.feeds import Feeds
from netra_core.websocket.limits import MessageRate, SocketLimits
from netra_core.websocket.messages import (
    ConnectionEstablished,
    ResyncRequired,
    ServerMessage,
    encode_message,
)
from netra_core.websocket.outbox import Outbox
from netra_core.websocket.reader import StreamReader
from netra_core.websocket.recovery import Recovery, Replay, recover
from netra_core.websocket.reports import ConnectionHealth, DeliveryReport, ManagerStats
from netra_core.websocket.supervisor import TaskHealth, TaskSupervisor
from netra_core.websocket.transport import SocketTransport

ThreadOwner: TypeAlias = Callable[[str], Awaitable[Stream | None]]
"""The stream of a thread's owner; None when there is no such thread."""

CloseListener: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Told of each connection that has ended."""

_log = structlog.get_logger("netra.websocket")


class OperatorPass:
    """Permission to speak to everybody; made by code that acts for the operator, never a user."""

    __slots__ = ("operator",)

    def __init__(self, operator: str) -> None:
        self.operator = operator


class UnifiedWebSocketManager:
    """Who is connected, and delivery to exactly them.

    Events reach a connection as a position in its stream's log, so what it is sent has exactly
    rising `seq`, nothing twice and nothing left out, across slow readers, lost notices, other
    nodes and restarts. No lock is held anywhere while a socket or the log is awaited; every task
    belongs to the manager and ends with it.
    """

    def __init__(
        self,
        *,
        event_log: EventLog,
        fan_out: FanOut,
        limits: SocketLimits | None = None,
        thread_owner: ThreadOwner | None = None,
        sweep_s: float = 0.25,
        poll_s: float = 5.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.limits = limits or SocketLimits()
        self._event_log = event_log
        self._thread_owner = thread_owner
        self._clock = clock
        self._monotonic = monotonic
        self._new_id = new_id
        self._sweep_s = sweep_s
        self._connections: dict[str, Connection] = {}
        self._by_stream: dict[Stream, dict[str, Connection]] = {}
        self._arrivals: dict[Stream, list[asyncio.Future[Connection]]] = {}
        self._readers: set[StreamReader] = set()
        self._per_user: Counter[str] = Counter()
        self._close_listeners: list[CloseListener] = []
        self._opened = 0
        self._stopping = False
        self._started = False
        self._supervisor = TaskSupervisor()
        self._revocations = Revocations(monotonic)
        self.feeds = Feeds(event_log, fan_out, limits=self.limits, poll_s=poll_s)
        self._closer = Closer(self.limits, forget=self._forget, on_closed=self._tell_closed)
        self._delivery = Delivery(
            event_log, limits=self.limits, monotonic=monotonic, close=self._closer.close
        )

    def use_limits(self, limits: SocketLimits) -> None:
        """Hold to these from now on: connections a user, messages a minute, events in an outbox.

        The other limits, which sockets and the server were set up with, stay as they are.
        """
        self.limits = replace(
            self.limits,
            connections_per_user=limits.connections_per_user,
            messages_per_minute=limits.messages_per_minute,
            outbox_events=limits.outbox_events,
        )
        for connection in self._connections.values():
            connection.rate.use(limits.messages_per_minute)

    # Life

    async def start(self) -> None:
        """Listen to the fan-out and start the supervised tasks; idempotent."""
        if self._started:
            return
        self._started = True
        await self.feeds.start()
        self._supervisor.start("sweep connections", self._sweep_forever)
        self._supervisor.start("poll stream heads", self.feeds.poll_forever)

    async def shutdown(self, *, drain_s: float = 5.0) -> None:
        """Take no new connections, let each catch up for at most `drain_s`, close all (1012)."""
        self._stopping = True
        await self._supervisor.stop()
        if drain_s > 0:
            await self._drain(drain_s)
        await self._closer.close_all(
            list(self._connections.values()), CloseCode.RESTART, "The server restarts."
        )
        await self._closer.wait()
        for reader in self._readers:
            reader.end()
        await self.feeds.stop()
        for waiting in self._arrivals.values():
            for future in waiting:
                future.cancel()
        self._arrivals.clear()
        self._started = False

    async def __aenter__(self) -> "UnifiedWebSocketManager":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown(drain_s=0)

    # Connections

    async def add_connection(
        self,
        transport: SocketTransport,
        context: UserExecutionContext,
        *,
        expires_at: float | None = None,
        authenticated_at: float | None = None,
        hold: bool = True,
    ) -> Connection:
        """Register a socket; it is sent `connection_established` and then its user's events.

        Live events wait for the first message of the client, at most `resume_grace_s`, so that a
        `resume` comes before them; `hold=False` starts them at once. `authenticated_at`
        (monotonic) lets a session revoked meanwhile be refused. Raises TooManyConnectionsError,
        ShuttingDownError, SessionRevokedError.
        """
        user = context.user_id
        if self._stopping:
            raise ShuttingDownError("The server is shutting down.", hint="Connect again.")
        if self._per_user[user] >= self.limits.connections_per_user:
            raise TooManyConnectionsError(
                f"At most {self.limits.connections_per_user} connections a user are allowed.",
                hint="Close another tab.",
            )
        self._per_user[user] += 1
        try:
            feed = await self.feeds.acquire(context.stream)
        except BaseException:
            self._leave_user(user)
            raise
        revoked = self._revocations.covers(context, since=authenticated_at)
        if revoked or self._stopping:
            self.feeds.release(feed)
            self._leave_user(user)
            if revoked:
                raise SessionRevokedError("The session has ended.", hint="Sign in again.")
            raise ShuttingDownError("The server is shutting down.", hint="Connect again.")
        now = self._monotonic()
        connection = Connection(
            connection_id=self._new_id(),
            context=context,
            transport=transport,
            feed=feed,
            outbox=Outbox(feed.head, answers=self.limits.answers, batch=self.limits.batch),
            rate=MessageRate(self.limits.messages_per_minute, now),
            connected_at=now,
            last_heard=now,
            expires_at=expires_at,
        )
        self._register(connection, hold=hold)
        return connection

    def _register(self, connection: Connection, *, hold: bool) -> None:
        stream = connection.stream
        self._opened += 1
        self._connections[connection.connection_id] = connection
        self._by_stream.setdefault(stream, {})[connection.connection_id] = connection
        connection.feed.subscribers[connection] = lambda: self._delivery.wake(connection)
        established = ConnectionEstablished(
            connection.connection_id, connection.feed.epoch, connection.feed.head
        )
        connection.outbox.answer(encode_message(established))
        if hold:
            connection.outbox.held += 1
            loop = asyncio.get_running_loop()
            connection.grace = loop.call_later(
                self.limits.resume_grace_s, self._end_grace, connection
            )
        for future in self._arrivals.pop(stream, []):
            if not future.done():
                future.set_result(connection)
        self._delivery.wake(connection)

    async def remove_connection(self, connection_id: str) -> bool:
        """Forget a connection whose socket has ended; False when it was not known."""
        connection = self._connections.get(connection_id)
        if connection is None:
            return False
        await self._closer.discard(connection)
        return True

    def get_connection(self, connection_id: str) -> Connection | None:
        """The open connection of this id."""
        return self._connections.get(connection_id)

    def get_user_connections(
        self, user_id: str, *, workspace_id: str | None = None
    ) -> list[Connection]:
        """The open connections of a user, in one workspace or in all, oldest first."""
        return [
            connection
            for connection in self._connections.values()
            if connection.context.user_id == user_id
            and workspace_id in (None, connection.context.workspace_id)
        ]

    def is_connection_active(self, connection_id: str) -> bool:
        """True while the connection is open."""
        connection = self._connections.get(connection_id)
        return connection is not None and connection.is_open

    async def wait_for_connection(self, stream: Stream, *, timeout_s: float) -> Connection:
        """An open connection of this stream, now or when it comes. Raises TimeoutError."""
        for connection in self._by_stream.get(stream, {}).values():
            return connection
        future: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        waiting = self._arrivals.setdefault(stream, [])
        waiting.append(future)
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        finally:
            if future in waiting:
                waiting.remove(future)
            if not waiting and self._arrivals.get(stream) is waiting:
                del self._arrivals[stream]

    # Delivery

    def answer(self, connection: Connection, message: ServerMessage) -> None:
        """Send an answer to one connection, ahead of events; closes a client that reads none."""
        if not connection.is_open:
            return
        if not connection.outbox.answer(encode_message(message)):
            self._closer.close(connection, CloseCode.SLOW_READER, "Answers are not read.")
            return
        self._delivery.wake(connection)

    async def send_to_user(
        self,
        user: UserExecutionContext | Stream,
        message: JsonObject,
    ) -> DeliveryReport:
        """Send a message that is not logged to the user's connections on this node.

        It keeps its place among the events. It is never kept for somebody who is not connected.
        """
        stream = user.stream if isinstance(user, UserExecutionContext) else user
        connections = list(self._by_stream.get(stream, {}).values())
        if not connections:
            return DeliveryReport(dropped=1, why="not_connected")
        text = msgspec.json.encode(message).decode()
        return self._transient(connections, text)

    async def send_to_thread(self, thread_id: str, message: JsonObject) -> DeliveryReport:
        """Send a message that is not logged to the owner of a thread."""
        owner = await self._thread_owner(thread_id) if self._thread_owner else None
        if owner is None:
            return DeliveryReport(dropped=1, why="unknown_thread")
        return await self.send_to_user(owner, message)

    async def emit_critical_event(self, ctx: UserExecutionContext, new: NewEvent) -> DeliveryReport:
        """Log one of the five critical events and deliver it; it is kept when nobody is there.

        Raises NotCriticalEventError and what EventLog.append raises.
        """
        if new.type not in CRITICAL_EVENTS:
            raise NotCriticalEventError(f"{new.type!r} is no critical event.")
        event = await self._event_log.append(ctx, new)
        connected = len(self._by_stream.get(ctx.stream, {}))
        if connected:
            return DeliveryReport(delivered=connected, event=event)
        return DeliveryReport(queued=1, why="not_connected", event=event)

    async def broadcast(self, message: JsonObject, *, operator: OperatorPass) -> DeliveryReport:
        """Send a message to every connection of this node. Raises OperatorsOnlyError."""
        if not isinstance(operator, OperatorPass):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OperatorsOnlyError("Only the operator may speak to everybody.")
        text = msgspec.json.encode(message).decode()
        return self._transient(list(self._connections.values()), text)

    def _transient(self, connections: Sequence[Connection], text: str) -> DeliveryReport:
        delivered = 0
        for connection in connections:
            after = connection.feed.head
            if connection.outbox.transient(text, after_seq=after):
                delivered += 1
                self._delivery.wake(connection)
        dropped = len(connections) - delivered
        return DeliveryReport(
            delivered=delivered, dropped=dropped, why="not_read" if dropped else ""
        )

    async def resume(self, connection_id: str, *, epoch: str, after_seq: int) -> Recovery:
        """Continue a connection after `after_seq` of `epoch`: exactly, or with resync_required.

        The replay runs from the log at the pace of the socket; live events follow it without a
        seam. Raises NoSuchConnectionError.
        """
        connection = self._connections.get(connection_id)
        if connection is None:
            raise NoSuchConnectionError("There is no such connection.")
        feed = connection.feed
        # The newest head counts: what was committed before this resume belongs to its replay.
        head = await self._event_log.head(connection.stream)
        feed.begin(head)
        self.feeds.fill(feed)
        decision = recover(
            epoch=feed.epoch,
            head=max(feed.head, head.seq),
            client_epoch=epoch,
            after_seq=after_seq,
            max_replay=self.limits.max_replay_events,
        )
        if isinstance(decision, Replay):
            connection.outbox.rewind(decision.after_seq, to_seq=decision.to_seq)
        else:
            connection.outbox.skip_to(feed.head)
            self.answer(connection, ResyncRequired(decision.reason, feed.epoch, feed.head))
        self._release_grace(connection)
        self._delivery.wake(connection)
        return decision

    def heard(self, connection: Connection) -> bool:
        """Note a message of the client; False when it is over the rate."""
        now = self._monotonic()
        connection.last_heard = now
        return connection.rate.allow(now)

    def release(self, connection: Connection) -> None:
        """Let live events flow: the client has spoken and it was no resume."""
        self._release_grace(connection)
        self._delivery.wake(connection)

    def hold(self, connection: Connection) -> None:
        """Keep events back while an answer that comes before them is made; `unhold` ends it."""
        connection.outbox.held += 1

    def unhold(self, connection: Connection) -> None:
        """End one `hold`."""
        connection.outbox.held -= 1
        self._delivery.wake(connection)

    # Closing

    def close_connection(self, connection: Connection, code: CloseCode, reason: str) -> None:
        """Close one connection with a code; returns at once, the closing is the manager's task."""
        self._closer.close(connection, code, reason)

    async def close_where(
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        workspace_id: str | None = None,
        code: CloseCode = CloseCode.SESSION_REVOKED,
        reason: str = "The session has ended.",
    ) -> int:
        """Close the connections that match all that is given, and refuse those under way.

        Returns how many there were, at once: nothing more is delivered to them, and each is told
        or dropped without anybody waiting for it. ValueError when nothing is given.
        """
        if user_id is None and session_id is None and workspace_id is None:
            raise ValueError("close_where needs a user_id, session_id or workspace_id")
        matches = self._revocations.add(user_id, session_id, workspace_id)
        found = [c for c in self._connections.values() if matches(c.context)]
        for connection in found:
            self._closer.close(connection, code, reason)
        for reader in self._readers:
            if matches(reader.context):
                reader.end()
        return len(found)

    def close_all(self, code: CloseCode, reason: str) -> int:
        """Close every connection, while new ones may come; returns at once how many there were."""
        found = list(self._connections.values())
        for connection in found:
            self._closer.close(connection, code, reason)
        return len(found)

    def on_close(self, listener: CloseListener) -> Callable[[], None]:
        """Have `listener` called for each connection that has ended; the answer stops that."""
        self._close_listeners.append(listener)
        return lambda: self._close_listeners.remove(listener)

    @asynccontextmanager
    async def reading(
        self, context: UserExecutionContext, *, expires_at: float | None = None
    ) -> AsyncGenerator[StreamReader]:
        """A reader of the context's stream that is no socket: woken by each event, ended with its
        session, its token (`expires_at`, Unix time) or the server.
        """
        feed = await self.feeds.acquire(context.stream)
        reader = StreamReader(context, expires_at, feed)
        feed.subscribers[reader] = reader.moved.set
        self._readers.add(reader)
        try:
            if self._stopping:
                reader.end()
            yield reader
        finally:
            self._readers.discard(reader)
            feed.subscribers.pop(reader, None)
            self.feeds.release(feed)

    # What is there

    def get_stats(self) -> ManagerStats:
        """Counts since the start, and what is there now."""
        return ManagerStats(
            connections=len(self._connections),
            users=len(self._per_user),
            streams=len(self.feeds),
            subscribers=self.feeds.subscribers,
            opened=self._opened,
            closed=dict(self._closer.closed),
            encoded=self.feeds.encoded + self._delivery.encoded,
            sent_events=self._delivery.sent_events,
            sent_messages=self._delivery.sent_messages,
            log_reads=self.feeds.log_reads + self._delivery.log_reads,
        )

    def get_connection_health(self, connection_id: str) -> ConnectionHealth:
        """One connection, seen now. Raises NoSuchConnectionError."""
        connection = self._connections.get(connection_id)
        if connection is None:
            raise NoSuchConnectionError("There is no such connection.")
        now = self._monotonic()
        began = connection.write_began
        return ConnectionHealth(
            connection_id=connection_id,
            user_id=connection.context.user_id,
            workspace_id=connection.context.workspace_id,
            connected_s=now - connection.connected_at,
            silent_s=now - connection.last_heard,
            position=connection.outbox.position,
            lag=connection.outbox.lag(connection.feed),
            waiting=connection.outbox.waiting,
            blocked_s=0.0 if began is None else now - began,
            replaying=connection.outbox.replaying,
        )

    def get_task_health(self) -> list[TaskHealth]:
        """The supervised background tasks."""
        return self._supervisor.health()

    # Inside

    def sweep(self) -> None:
        """Close what has expired, lost its heartbeat or does not read. Runs every `sweep_s`."""
        now, wall = self._monotonic(), self._clock()
        for connection in tuple(self._connections.values()):
            verdict = self._verdict(connection, now, wall)
            if verdict is not None:
                self._closer.close(connection, *verdict)
        for reader in self._readers:
            if reader.expires_at is not None and wall >= reader.expires_at:
                reader.end()
        self._revocations.expire()

    def _verdict(
        self, connection: Connection, now: float, wall: float
    ) -> tuple[CloseCode, str] | None:
        limits = self.limits
        if connection.expires_at is not None and wall >= connection.expires_at:
            return CloseCode.TOKEN_EXPIRED, "The token has expired."
        began = connection.write_began
        if began is not None and now - began > limits.send_timeout_s:
            return CloseCode.SLOW_READER, "Nothing is read. Reconnect and resume."
        if connection.outbox.lag(connection.feed) <= limits.outbox_events:
            connection.lagging_since = None
        elif connection.lagging_since is None:
            connection.lagging_since = now
        elif now - connection.lagging_since > limits.slow_after_s:
            return CloseCode.SLOW_READER, "Too far behind. Reconnect and resume."
        if connection.pinged and now - connection.last_heard > 3 * limits.heartbeat_s:
            return CloseCode.HEARTBEAT_LOST, "No ping came."
        return None

    async def _sweep_forever(self) -> None:
        while True:
            self.sweep()
            await asyncio.sleep(self._sweep_s)

    async def _drain(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        for connection in list(self._connections.values()):
            self._release_grace(connection)
            self._delivery.wake(connection)
        pumps = [c.pump for c in self._connections.values() if c.pump is not None]
        if pumps:
            await asyncio.wait(pumps, timeout=max(0.0, deadline - loop.time()))

    def _end_grace(self, connection: Connection) -> None:
        self._release_grace(connection)
        self._delivery.wake(connection)

    def _release_grace(self, connection: Connection) -> None:
        if connection.grace is not None:
            connection.grace.cancel()
            connection.grace = None
            connection.outbox.held -= 1

    def _forget(self, connection: Connection) -> None:
        if self._connections.pop(connection.connection_id, None) is None:
            return
        if connection.grace is not None:
            connection.grace.cancel()
            connection.grace = None
        mine = self._by_stream[connection.stream]
        del mine[connection.connection_id]
        if not mine:
            del self._by_stream[connection.stream]
        connection.feed.subscribers.pop(connection, None)
        self.feeds.release(connection.feed)
        self._leave_user(connection.context.user_id)

    async def _tell_closed(self, connection: Connection) -> None:
        for listener in tuple(self._close_listeners):
            await listener(connection)

    def _leave_user(self, user_id: str) -> None:
        self._per_user[user_id] -= 1
        if self._per_user[user_id] <= 0:
            del self._per_user[user_id]
