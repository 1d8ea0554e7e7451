"""Mail leaves after the answer: a slow mail server slows nobody, and time tells nothing."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from netra_auth.errors import MailNotSent
from netra_auth.mail import Mailer

_LOG = logging.getLogger("netra.auth.mail")
_LONGEST_QUEUE = 1000
_TRIES = 4
_FIRST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one person."""

    to: str
    subject: str
    text: str


class MailQueue:
    """Sends letters one after the other from a task of its own.

    Bounded: with 1,000 letters waiting a further one is refused (MailNotSent). A letter is tried
    four times with growing pauses. `aclose` sends what is waiting, within the given time.
    """

    def __init__(
        self,
        mailer: Mailer,
        *,
        longest: int = _LONGEST_QUEUE,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        self._mailer = mailer
        self._first_pause_s = first_pause_s
        self._letters: asyncio.Queue[Letter] = asyncio.Queue(longest)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send; needs a running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="auth-mail")

    def put(self, letter: Letter) -> None:
        """Take a letter in; returns at once."""
        try:
            self._letters.put_nowait(letter)
        except asyncio.QueueFull:
            raise MailNotSent("Too much mail is waiting.", hint="Try again later.") from None

    async def flush(self) -> None:
        """Wait until everything taken in so far was sent or given up."""
        await self._letters.join()

    async def aclose(self, *, within_s: float = 5.0) -> None:
        """Send what is waiting, as far as time allows, and end the task."""
        if self._task is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self.flush(), within_s)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _work(self) -> None:
        while True:
            letter = await self._letters.get()
            try:
                await self._send(letter)
            finally:
                self._letters.task_done()

    async def _send(self, letter: Letter) -> None:
        for attempt in range(_TRIES):
            try:
                await self._mailer.send(to=letter.to, subject=letter.subject, text=letter.text)
                return
            except MailNotSent as error:
                _LOG.warning("mail not sent, try %d of %d: %s", attempt + 1, _TRIES, error)
            if attempt + 1 < _TRIES:
                await asyncio.sleep(self._first_pause_s * 4**attempt)
