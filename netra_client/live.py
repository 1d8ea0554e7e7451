"""A live connection that outlives its sockets."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, TypeAlias

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from netra_client.closing import Reaction, reaction_to
from netra_client.errors import ApiError, ClientError, SignedOutError, UnreachableError
from netra_client.protocol import Accepted, Connected, LiveProtocol, Refused, Update

Token: TypeAlias = Callable[[bool], Awaitable[str]]
"""Gives an access token; asked with True, a fresh one."""

MAX_UPDATES = 10_000
FIRST_S = 5.0
"""How long a server that never answered is tried."""

REPEAT_S = 1.0
"""How soon a message that was refused for now is sent again."""
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class LiveConnection:
    """Events of a user, each once and in order, over as many sockets as it takes.

    Use as an async context manager; iterate `updates()` in one task. Sending returns when the
    server has answered. Raises SignedOutError when the session has ended and UnreachableError when
    the server stays away for `patience_s`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token,
        protocol: LiveProtocol | None = None,
        ping_s: float = 20.0,
        patience_s: float = 60.0,
        backoff_s: float = 0.1,
        max_backoff_s: float = 10.0,
        jitter: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._url = url
        self._token = token
        self.protocol = protocol or LiveProtocol()
        self._ping_s = ping_s
        self._patience_s = patience_s
        self._backoff_s = backoff_s
        self._max_backoff_s = max_backoff_s
        self._jitter = jitter
        self._new_id = new_id
        self._updates: asyncio.Queue[Update | None] = asyncio.Queue(MAX_UPDATES)
        self._answers: dict[str, asyncio.Future[Accepted]] = {}
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: ClientError | None = None
        self._repeat = asyncio.Event()
        self.connects = 0

    async def __aenter__(self) -> "LiveConnection":
        self._task = asyncio.create_task(self._run(), name="netra live connection")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        for answer in self._answers.values():
            answer.cancel()

    async def updates(self) -> AsyncGenerator[Update]:
        """What happens, in order, until the context ends. Raises what ended the connection."""
        while True:
            update = await self._updates.get()
            if update is None:
                if self._failure is not None:
                    raise self._failure
                return
            yield update

    async def ask(
        self,
        content: str,
        *,
        thread_id: str | None = None,
        client_message_id: str | None = None,
        while_busy: Literal["enqueue", "reject", "interrupt"] | None = None,
    ) -> Accepted:
        """Send a message and wait until it is accepted; sent once, however often it is repeated.

        `while_busy` says what becomes of it while a run works in the thread; by default it waits.
        Raises ApiError when the server refuses it.
        """
        key = client_message_id or self._new_id()
        if self._failure is not None:
            raise self._failure
        answer = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        try:
            self.protocol.user_message(
                content, client_message_id=key, thread_id=thread_id, while_busy=while_busy
            )
            await self._flush()
            return await answer
        finally:
            self._answers.pop(key, None)

    async def cancel(self, run_id: str) -> None:
        """Ask for a run to be cancelled; its events tell the outcome."""
        self.protocol.cancel_run(run_id)
        await self._flush()

    async def drop(self) -> None:
        """Break the socket, as a network does; the connection goes on with a new one."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _run(self) -> None:
        try:
            await self._stay_connected()
        except ClientError as error:
            self._fail(error)
        except ConnectionClosed as error:  # pragma: no cover - closed between two awaits
            self._fail(UnreachableError(str(error)))

    def _fail(self, error: ClientError) -> None:
        self._failure = error
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
        with suppress(asyncio.QueueFull):
            self._updates.put_nowait(None)

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        fresh, failures, refused = False, 0, 0
        last_good = loop.time()
        while True:
            code: int | None = None
            before = self.connects
            try:
                code = await self._one_socket(fresh)
            except (OSError, InvalidHandshake, TimeoutError, UnreachableError):
                code = None
            if self.connects > before:
                failures, refused, last_good = 0, 0, loop.time()
            reaction = reaction_to(code)
            if reaction is Reaction.SIGN_IN:
                raise SignedOutError("The session has ended. Sign in again.")
            if reaction is Reaction.GIVE_UP:
                raise UnreachableError(f"The server closed the connection ({code}).")
            fresh = reaction is Reaction.REFRESH
            refused += fresh
            if refused > 2:
                raise SignedOutError("The server does not take this session. Sign in again.")
            patience = self._patience_s if self.connects else min(self._patience_s, FIRST_S)
            if loop.time() - last_good > patience:
                raise UnreachableError(f"The server at {self._url} cannot be reached.")
            pause = 15.0 if reaction is Reaction.WAIT else self._pause(failures)
            failures += 1
            if not (fresh and refused == 1):
                await asyncio.sleep(pause)

    def _pause(self, failures: int) -> float:
        longest = min(self._backoff_s * 2**failures, self._max_backoff_s)
        return longest * (0.5 + self._jitter() / 2)

    async def _one_socket(self, fresh: bool) -> int | None:
        """Serve one socket to its end; the close code, None when it broke."""
        headers = {"Authorization": f"Bearer {await self._token(fresh)}"}
        async with websockets.connect(
            self._url,
            additional_headers=headers,
            max_size=MAX_MESSAGE_BYTES,
            compression=None,
            ping_interval=self._ping_s,
            proxy=None,
        ) as socket:
            self._socket = socket
            helpers = [
                asyncio.create_task(self._ping(), name="netra live ping"),
                asyncio.create_task(self._repeat_later(), name="netra live repeat"),
            ]
            try:
                while True:
                    await self._take(await socket.recv())
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd is not None else None
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.wait(helpers)
                self._socket = None
                self.protocol.disconnected()

    async def _take(self, text: str | bytes) -> None:
        for update in self.protocol.receive(text):
            match update:
                case Accepted():
                    self._settle(update.client_message_id, update)
                case Refused(client_message_id=str(key)) if not update.retryable:
                    error = ApiError(update.message, status=400, code=update.code)
                    self._settle(key, error)
                case Refused():
                    self._repeat.set()
                case Connected():
                    self.connects += 1
                case _:
                    pass
            await self._updates.put(update)
        await self._flush()

    def _settle(self, key: str, outcome: Accepted | ApiError) -> None:
        answer = self._answers.get(key)
        if answer is None or answer.done():
            return
        if isinstance(outcome, Accepted):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    async def _flush(self) -> None:
        socket = self._socket
        if socket is None:
            return
        with suppress(ConnectionClosed):
            for text in self.protocol.to_send():
                await socket.send(text)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._ping_s)
            self.protocol.ping()
            await self._flush()

    async def _repeat_later(self) -> None:
        while True:
            await self._repeat.wait()
            await asyncio.sleep(REPEAT_S * (1 + self._jitter()))
            self._repeat.clear()
            self.protocol.repeat_unanswered()
            await self._flush()
