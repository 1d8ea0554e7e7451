"""A database that cannot be used ends `apex db check` and `apex serve` with one numbered line."""

import asyncio
import logging
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest
import structlog

from netra_apex.cli import main
from netra_core.environment import get_env
from netra_core.testing.lock_holder import held_by_another_process
from netra_core.testing.postgres import TestDatabase
from netra_core.testing.small_disk import MountRefusedError, small_disk
from netra_core.testing.tls_proxy import Certificate, make_certificate, tls_proxy

pytestmark = [pytest.mark.integration, pytest.mark.process]

Fault = Callable[[Path, pytest.FixtureRequest], AbstractContextManager[dict[str, str]]]
COMMANDS = (["db", "check"], ["serve", "--port", "0"])


@dataclass(frozen=True)
class Ended:
    code: int
    said: str
    took_s: float


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """`apex serve` sets up the logging of its process, which here is the tests' own."""
    root, configured = logging.getLogger(), structlog.get_config()
    before = (root.level, list(root.handlers))
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    structlog.configure(**configured)


def run(arguments: list[str], capsys: pytest.CaptureFixture[str], **variables: str) -> Ended:
    """The command as `apex` runs it, in this process: starting Python is not what is shown here."""
    started = monotonic()
    with get_env().isolated({"ENVIRONMENT": "development", **variables}):
        try:
            main(arguments)
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    said = capsys.readouterr()
    return Ended(code, said.out + said.err, monotonic() - started)


@contextmanager
def newer_schema(home: Path, _: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    with closing(sqlite3.connect(home / "platform.sqlite")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    yield {}


@contextmanager
def locked(home: Path, _: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    with held_by_another_process(home / "platform.sqlite"):
        yield {}


@contextmanager
def damaged(home: Path, _: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    (home / "platform.sqlite").write_bytes(b"no database" * 1000)
    yield {}


@contextmanager
def full_disk(home: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    folder = request.getfixturevalue("tmp_path") / "disk"
    folder.mkdir()
    try:
        with small_disk(folder, size_bytes=2 << 20) as disk:
            for name in ("platform.sqlite", "auth.sqlite", "config.sqlite"):
                if (home / name).exists():
                    (folder / name).write_bytes((home / name).read_bytes())
            disk.fill()
            yield {"APEX_HOME": str(folder)}
    except MountRefusedError as refused:
        pytest.skip(f"this user may not mount a small disk: {refused}")


@contextmanager
def refused_port(_: Path, __: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it
        port = unused.getsockname()[1]
        yield {"DATABASE_URL": f"postgresql://u:hunter2@127.0.0.1:{port}/d"}


@contextmanager
def silent_host(_: Path, __: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        yield {"DATABASE_URL": f"postgresql://u:hunter2@127.0.0.1:{port}/d"}


@contextmanager
def wrong_password(_: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    database: TestDatabase = request.getfixturevalue("postgres_database")
    yield {"DATABASE_URL": database.app_url.replace("p%40ss", "hunter2")}


@contextmanager
def expired_certificate(home: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    database: TestDatabase = request.getfixturevalue("postgres_database")
    made = make_certificate(home, expired=True)
    with tls_in_a_thread(made, database.port) as port:
        url = database.url("apex_app", port=port)
        yield {"DATABASE_URL": f"{url}?sslmode=verify-full&sslrootcert={made.certificate}"}


@contextmanager
def tls_in_a_thread(made: Certificate, port: int) -> Iterator[int]:
    """The proxy in a loop of its own: the command under test runs one itself."""
    ready, stop, ports = Event(), Event(), list[int]()

    async def serve() -> None:
        async with tls_proxy(made, host="127.0.0.1", port=port) as own:
            ports.append(own)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    try:
        yield ports[0]
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (newer_schema, "DB-014"),
        (locked, "DB-005"),
        (damaged, "DB-017"),
        (full_disk, "DB-007"),
        (refused_port, "DB-002"),
        (silent_host, "DB-002"),
        (wrong_password, "DB-003"),
        (expired_certificate, "DB-004"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_database_that_cannot_be_used_is_one_numbered_line_soon(
    arguments: list[str],
    fault: Fault,
    code: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    full_counts: bool,
) -> None:
    if arguments[0] == "serve" and fault in (locked, silent_host) and not full_counts:
        pytest.skip("five seconds of waiting: belongs to the full counts")
    if arguments[0] == "db" and fault is silent_host:
        arguments = [*arguments, "--only", "platform"]  # each of the three is waited for
    home = tmp_path / "home"
    variables = {"APEX_HOME": str(home), "APEX_CONFIG_URL": f"sqlite:///{home}/config.sqlite"}
    assert run(["db", "upgrade"], capsys, **variables).code == 0
    with fault(home, request) as more:
        ended = run(arguments, capsys, **{**variables, **more})
    lines = [line for line in ended.said.splitlines() if code in line]
    assert (ended.code, len(lines) >= 1) == (1, True), ended.said
    assert not [word for word in ("Traceback", "unexpected") if word in ended.said], ended.said
    assert not [secret for secret in ("hunter2", "p@ss", "p%40ss") if secret in ended.said]
    assert ended.took_s < 45


def test_a_certificate_of_an_authority_of_ones_own_is_trusted_where_it_is_named(
    tmp_path: Path, postgres_database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {"APEX_HOME": str(tmp_path), "APEX_CONFIG_URL": f"sqlite:///{tmp_path}/c.sqlite"}
    made = make_certificate(tmp_path)
    with tls_in_a_thread(made, postgres_database.port) as port:
        url = postgres_database.url("apex_migrate", port=port) + "?sslmode=verify-full"
        trusted = {"DATABASE_URL": f"{url}&sslrootcert={made.certificate}"}
        upgrade = run(["db", "upgrade"], capsys, **variables, **trusted)
        assert (upgrade.code, upgrade.said.count("is up to date")) == (0, 3), upgrade.said
        check = run(["db", "check"], capsys, **variables, DATABASE_URL=url)
        assert (check.code, check.said.count("DB-004")) == (1, 3), check.said
