"""What a client's message leads to."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, assert_never

import structlog

from netra_core.context import UserExecutionContext
from netra_core.errors import ApexError
from netra_core.websocket.close_codes import CloseCode
from netra_core.websocket.connection import Connection
from netra_core.websocket.errors import (
    HandlerFailedError,
    MalformedMessageError,
    MessageTooBigError,
    TooManyMessagesError,
)
from netra_core.websocket.manager import UnifiedWebSocketManager
from netra_core.websocket.messages import (
    CancelRun,
    ClientMessage,
    MessageAccepted,
    Ping,
    Pong,
    Resume,
    UserMessage,
    decode_client_message,
    error_frame,
    message_id_in,
)

_log = structlog.get_logger("netra.websocket")


class SocketHandlers(Protocol):
    """What the service does with the messages that are its business."""

    async def user_message(
        self, ctx: UserExecutionContext, message: UserMessage
    ) -> MessageAccepted:
        """Store the message and start its run, once for each client_message_id."""
        ...

    async def cancel_run(self, ctx: UserExecutionContext, message: CancelRun) -> None:
        """Cancel a run of this user. Raises an ApexError for a run that is not theirs."""
        ...


class Dispatcher:
    """Takes the messages of one connection, one after the other."""

    def __init__(
        self,
        manager: UnifiedWebSocketManager,
        connection: Connection,
        handlers: SocketHandlers,
        *,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._manager = manager
        self._connection = connection
        self._handlers = handlers
        self._new_id = new_id

    async def take(self, data: str | bytes) -> None:
        """Act on one message; what is wrong with it is answered, not raised."""
        manager, connection = self._manager, self._connection
        if not manager.heard(connection):
            self._refuse_rate()
            return
        try:
            if isinstance(data, bytes):
                raise MalformedMessageError("Binary messages are not understood; send text.")
            size = len(data) if data.isascii() else len(data.encode())
            if size > manager.limits.message_bytes:
                raise MessageTooBigError(
                    f"The message has {size} bytes; at most {manager.limits.message_bytes} fit."
                )
            message = decode_client_message(data)
        except MessageTooBigError as error:
            manager.answer(connection, error_frame(error))
            manager.close_connection(connection, CloseCode.MESSAGE_TOO_BIG, error.message)
        except MalformedMessageError as error:
            about = message_id_in(data)
            manager.answer(connection, error_frame(error, client_message_id=about))
        else:
            await self._act(message)

    async def _act(self, message: ClientMessage) -> None:
        manager, connection = self._manager, self._connection
        match message:
            case Resume(epoch, after_seq):
                await self._resume(epoch, after_seq)
                return
            case Ping():
                connection.pinged = True
                manager.answer(connection, Pong())
            case UserMessage():
                await self._user_message(message)
            case CancelRun():
                await self._cancel_run(message)
            case _:
                assert_never(message)
        manager.release(connection)

    async def _resume(self, epoch: str, after_seq: int) -> None:
        connection = self._connection
        try:
            await self._manager.resume(connection.connection_id, epoch=epoch, after_seq=after_seq)
        except Exception as error:  # the edge: a client whose resume failed has to start over
            self._fail(error)
            self._manager.close_connection(
                connection, CloseCode.SERVER_FAULT, "The resume failed. Reconnect."
            )

    async def _user_message(self, message: UserMessage) -> None:
        manager, connection = self._manager, self._connection
        # The run may start before its message is acknowledged; its events wait for that.
        manager.hold(connection)
        try:
            async with asyncio.timeout(manager.limits.handler_timeout_s):
                accepted = await self._handlers.user_message(self._context(), message)
            manager.answer(connection, accepted)
        except Exception as error:  # the edge: every failure of a handler becomes an error frame
            self._fail(error, client_message_id=message.client_message_id)
        finally:
            manager.unhold(connection)

    async def _cancel_run(self, message: CancelRun) -> None:
        try:
            async with asyncio.timeout(self._manager.limits.handler_timeout_s):
                await self._handlers.cancel_run(self._context(), message)
        except Exception as error:  # the edge, as above
            self._fail(error, run_id=message.run_id)

    def _context(self) -> UserExecutionContext:
        return replace(self._connection.context, request_id=self._new_id())

    def _fail(
        self,
        error: Exception,
        *,
        client_message_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        if not isinstance(error, ApexError):
            _log.error("socket handler failed", error=repr(error), exc_info=error)
            error = HandlerFailedError("The server could not do this.", hint="Try again.")
        frame = error_frame(error, client_message_id=client_message_id, run_id=run_id)
        self._manager.answer(self._connection, frame)

    def _refuse_rate(self) -> None:
        manager, rate = self._manager, self._connection.rate
        error = TooManyMessagesError(
            f"More than {manager.limits.messages_per_minute} messages a minute.",
            hint="Wait and send again.",
        )
        if rate.refused == 1:
            manager.answer(self._connection, error_frame(error))
        elif rate.refused > manager.limits.refused_before_close:
            manager.close_connection(self._connection, CloseCode.TOO_MANY_MESSAGES, error.message)
