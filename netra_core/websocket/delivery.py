"""Carries out what each outbox decides: one task for each connection that has something to send."""

import asyncio
from collections.abc import Callable
from typing import assert_never

import structlog

from netra_core.errors import ApexError
from netra_core.events.errors import EventGapError
from netra_core.events.port import EventLog
from netra_core.websocket.close_codes import CloseCode
from netra_core.websocket.connection import Connection
from netra_core.websocket.feed import Frame
from netra_core.websocket.limits import SocketLimits
from netra_core.websocket.messages import ResyncRequired, encode_message
from netra_core.websocket.outbox import Idle, ReadLog, SendFrames, SendText, Step

_log = structlog.get_logger("netra.websocket")

READ_ATTEMPTS = 5


class Delivery:
    """Pumps outboxes into sockets. A socket that fails or hangs holds up nobody else."""

    def __init__(
        self,
        event_log: EventLog,
        *,
        limits: SocketLimits,
        monotonic: Callable[[], float],
        close: Callable[[Connection, CloseCode, str], None],
    ) -> None:
        self._event_log = event_log
        self._limits = limits
        self._monotonic = monotonic
        self._close = close
        self.encoded = 0
        self.sent_events = 0
        self.sent_messages = 0
        self.log_reads = 0

    def wake(self, connection: Connection) -> None:
        """See to it that the connection's outbox is looked at."""
        if connection.pump is None and connection.is_open:
            connection.pump = asyncio.get_running_loop().create_task(self._pump(connection))

    async def _pump(self, connection: Connection) -> None:
        try:
            while connection.is_open:
                step = connection.outbox.next(connection.feed)
                if isinstance(step, Idle):
                    connection.lagging_since = None
                    return
                await self._carry_out(connection, step)
        except Exception as error:  # whatever a socket raises ends this connection and no other
            _log.info(
                "socket failed", connection=connection.connection_id, error=type(error).__name__
            )
            self._close(connection, CloseCode.SERVER_FAULT, "The socket failed.")
        finally:
            connection.write_began = None
            connection.pump = None

    async def _carry_out(self, connection: Connection, step: Step) -> None:
        match step:
            case SendText(text):
                connection.write_began = self._monotonic()
                await connection.transport.send_text(text)
                self.sent_messages += 1
            case SendFrames(frames):
                connection.write_began = self._monotonic()
                await connection.transport.send_frames(frames)
                self.sent_events += len(frames)
            case ReadLog():
                await self._replay(connection, step)
            case Idle():
                pass
            case _:
                assert_never(step)
        connection.write_began = None

    async def _replay(self, connection: Connection, step: ReadLog) -> None:
        frames = await self._read(connection, step)
        if frames is None:
            connection.outbox.skip_to(connection.feed.head)
            resync = ResyncRequired("log_gap", connection.feed.epoch, connection.feed.head)
            connection.outbox.answer(encode_message(resync))
            return
        await self._carry_out(connection, connection.outbox.replayed(step.after_seq, frames))

    async def _read(self, connection: Connection, step: ReadLog) -> list[Frame] | None:
        """The frames after a position; None when the log has no exact continuation."""
        for attempt in range(READ_ATTEMPTS):
            try:
                self.log_reads += 1
                events = await self._event_log.read(
                    connection.stream, after_seq=step.after_seq, limit=step.limit
                )
            except EventGapError:
                return None
            except (ApexError, OSError):
                if attempt + 1 == READ_ATTEMPTS:
                    raise
                await asyncio.sleep(0.05 * 2**attempt)
                continue
            expected = range(step.after_seq + 1, step.after_seq + 1 + len(events))
            if not events or [event.seq for event in events] != list(expected):
                return None
            self.encoded += len(events)
            return [Frame(event) for event in events]
        return None
