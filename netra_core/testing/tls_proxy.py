"""A TLS-terminating proxy before a PostgreSQL that speaks none; certificates made on the spot."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate that signed itself, and of its key."""

    certificate: Path
    key: Path


def make_certificate(
    folder: Path, *, host: str = "127.0.0.1", expired: bool = False
) -> Certificate:
    """A certificate for `host`; its last day was yesterday when `expired`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apex test")])
    end = datetime.now(UTC) + timedelta(days=-1 if expired else 1)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=10))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = Certificate(folder / "server.crt", folder / "server.key")
    paths.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@asynccontextmanager
async def tls_proxy(certificate: Certificate, *, host: str, port: int) -> AsyncGenerator[int]:
    """Serve TLS on a loopback port for a block; yields the port. Connections end with the block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _serve(reader, writer, context, host, port)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a client that refuses the certificate hangs up; the block ended
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    context: ssl.SSLContext,
    host: str,
    port: int,
) -> None:
    first = await reader.readexactly(len(_SSL_REQUEST))
    if first == _SSL_REQUEST:
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(context)
        first = b""
    to_reader, to_writer = await asyncio.open_connection(host, port)
    to_writer.write(first)
    try:
        await _until_first(_copy(reader, to_writer), _copy(to_reader, writer))
    finally:
        to_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _until_first(*copies: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, then end the others."""
    tasks = [asyncio.ensure_future(copy) for copy in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
