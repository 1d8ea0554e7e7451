"""Mail to people: through SMTP where configured, else into a folder that operators can read."""

import asyncio
import itertools
import os
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from netra_auth.deps import Clock, RandomBytes
from netra_auth.errors import MailNotSent
from netra_auth.options import AuthFolders, AuthOptions

_TIMEOUT_S = 20


class Mailer(Protocol):
    """Sends one plain-text message."""

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Hand the message over; MailNotSent when nobody took it."""
        ...


class SmtpMailer:
    """Sends through `smtp://user:password@host:port` (STARTTLS) or `smtps://…`.

    `smtp://host:port?tls=none` sends in clear, for a relay on the same machine.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._implicit_tls = parts.scheme == "smtps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (465 if self._implicit_tls else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "")
        self._clear = parse_qs(parts.query).get("tls") == ["none"]
        self._sender = sender

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Deliver in a thread; TLS certificates are verified."""
        message = _message(self._sender, to, subject, text)
        try:
            await asyncio.to_thread(self._deliver, message)
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent("The mail server did not take the message.") from error

    def _deliver(self, message: EmailMessage) -> None:
        context = ssl.create_default_context()
        if self._implicit_tls:
            server = smtplib.SMTP_SSL(self._host, self._port, timeout=_TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S)
        with server:
            if not self._implicit_tls and not self._clear:
                server.starttls(context=context)
            if self._user is not None:
                server.login(self._user, self._password)
            server.send_message(message)


class OutboxMailer:
    """Writes each message as a file (mode 0600) that an operator can show, oldest first by name."""

    def __init__(
        self, folder: Path, sender: str, *, clock: Clock, random_bytes: RandomBytes
    ) -> None:
        self._folder = folder
        self._sender = sender
        self._clock = clock
        self._random_bytes = random_bytes
        self._numbers = itertools.count()

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Write the message; MailNotSent when the disk takes nothing."""
        message = _message(self._sender, to, subject, text)
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            raise MailNotSent("The outbox folder cannot be written.") from error

    def _write(self, message: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stamp = round(self._clock() * 1_000_000)
        number = next(self._numbers) % 10_000
        path = self._folder / f"{stamp:020d}-{number:04d}-{self._random_bytes(4).hex()}.eml"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(message))


def make_mailer(
    options: AuthOptions, folders: AuthFolders, *, clock: Clock, random_bytes: RandomBytes
) -> Mailer:
    """SMTP where it is configured, else the outbox folder."""
    if options.smtp_url:
        return SmtpMailer(options.smtp_url, options.mail_from)
    return OutboxMailer(folders.outbox, options.mail_from, clock=clock, random_bytes=random_bytes)


def _message(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject.replace("\r", " ").replace("\n", " ")
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="apex.invalid")
    message.set_content(text)
    return message
