"""Mail leaves by SMTP, or waits in the outbox."""

import asyncio
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netra_auth.errors import MailNotSent
from netra_auth.mail import SmtpMailer, make_mailer
from netra_auth.mail_queue import Letter, MailQueue
from netra_auth.options import AuthFolders, AuthOptions
from netra_auth.tests.kit import Clock

pytestmark = pytest.mark.integration


@dataclass
class MailServer:
    """An SMTP server on loopback that keeps what it gets; refuses the first `refuse` messages."""

    refuse: int = 0
    port: int = 0
    taken: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := (await reader.readline()).decode():
            verb = line[:4].upper().strip()
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                data = (await reader.readuntil(b"\r\n.\r\n")).decode()
                if self.refuse > 0:
                    self.refuse -= 1
                    writer.write(b"451 not now\r\n")
                else:
                    self.taken.append(data)
                    self.arrived.set()
                    writer.write(b"250 taken\r\n")
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        writer.close()


@asynccontextmanager
async def mail_server(refuse: int = 0) -> AsyncGenerator[MailServer]:
    made = MailServer(refuse=refuse)
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


async def test_a_letter_arrives_by_smtp() -> None:
    async with mail_server() as server:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}?tls=none", "Apex <apex@example.com>")
        await mailer.send(to="ada@example.com", subject="Grüße\r\nBcc: x@y.z", text="Hello, Ada.\n")
    (data,) = server.taken
    assert "To: ada@example.com" in data
    assert "Hello, Ada." in data
    assert "\nBcc:" not in data


async def test_a_server_without_tls_gets_nothing_unless_that_was_asked_for() -> None:
    async with mail_server() as server:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}", "apex@example.com")
        with pytest.raises(MailNotSent):
            await mailer.send(to="ada@example.com", subject="x", text="x")
    assert server.taken == []


async def test_a_letter_that_was_refused_is_tried_again() -> None:
    async with mail_server(refuse=1) as server:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}?tls=none", "apex@example.com")
        queue = MailQueue(mailer, first_pause_s=0.01)
        queue.start()
        queue.put(Letter("ada@example.com", "Subject", "Text"))
        await server.arrived.wait()
        await queue.aclose()
    assert len(server.taken) == 1


async def test_a_full_queue_refuses_and_a_stopped_one_sends_what_waits() -> None:
    async with mail_server() as server:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}?tls=none", "apex@example.com")
        queue = MailQueue(mailer, longest=3)
        for _ in range(3):
            queue.put(Letter("ada@example.com", "Subject", "Text"))
        with pytest.raises(MailNotSent):
            queue.put(Letter("ada@example.com", "Subject", "Text"))
        queue.start()
        await queue.aclose()
    assert len(server.taken) == 3


async def test_without_smtp_letters_wait_in_files_for_the_owner_alone(
    tmp_path: Path, clock: Clock
) -> None:
    folders = AuthFolders(keys=tmp_path / "keys", outbox=tmp_path / "outbox")
    mailer = make_mailer(AuthOptions(), folders, clock=clock, random_bytes=bytes)
    for subject in ("first", "second"):
        await mailer.send(to="ada@example.com", subject=subject, text="Text")
    paths = sorted(folders.outbox.iterdir())
    assert ["first" in paths[0].read_text(), "second" in paths[1].read_text()] == [True, True]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
