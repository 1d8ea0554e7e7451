"""A real PostgreSQL for tests: started from a wheel, also as root, on a socket and loopback TCP."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql

APP_ROLE: Final = "apex_app"
MIGRATION_ROLE: Final = "apex_migrate"
PASSWORD: Final = "p@ss/word:1"


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """A fresh database with its two roles. URLs carry the password and go over loopback TCP."""

    __test__ = False

    name: str
    host: str
    port: int

    def url(self, role: str, *, driver: str = "postgresql+asyncpg", port: int | None = None) -> str:
        """The URL of a role of this database."""
        return f"{driver}://{role}:p%40ss%2Fword%3A1@{self.host}:{port or self.port}/{self.name}"

    @property
    def app_url(self) -> str:
        """For the application: no right to change tables, bound by row-level security."""
        return self.url(APP_ROLE)

    @property
    def migration_url(self) -> str:
        """For migrations: owns the schemas."""
        return self.url(MIGRATION_ROLE)


class PostgresTestServer:
    """One PostgreSQL server in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = "127.0.0.1"
        self.port = _free_port()
        command = [sys.executable, "-m", "netra_core.testing.postgres_files", str(folder / "data")]
        made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        self._programs, self._system_user = made.stdout.split("\n")[:2]
        self._require_passwords()
        self.start()
        self._make_roles()

    def start(self) -> None:
        """Start, or start again after `stop`."""
        options = f"-h {self.host} -p {self.port} -k {self._sockets}"
        self._control("-w", "-o", options, "-l", str(self.folder / "data" / "log"), "start")

    def ensure_running(self) -> None:
        """Start again when the server ended by itself."""
        if not self._running():
            self.start()

    def _running(self) -> bool:
        try:
            self._control("status")
        except subprocess.CalledProcessError:
            return False
        return True

    def stop(self, *, mode: str = "fast") -> None:
        """Stop: `fast` ends sessions, `immediate` is a crash."""
        self._control("-w", "-m", mode, "stop")

    def new_database(self, *, template: TestDatabase | None = None) -> TestDatabase:
        """A fresh database whose migration role may make schemas; empty, or like `template`."""
        name = f"t_{uuid4().hex[:12]}"
        with self.admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name),
                    sql.Identifier(MIGRATION_ROLE),
                    sql.Identifier(template.name if template else "template1"),
                )
            )
        return TestDatabase(name, self.host, self.port)

    def drop_database(self, database: TestDatabase) -> None:
        """Remove a database, ending its sessions."""
        with self.admin() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(database.name)
                )
            )

    @contextmanager
    def admin(self) -> Generator["psycopg.Connection[tuple[object, ...]]"]:
        """The superuser's connection, each statement a transaction."""
        with closing(
            psycopg.connect(
                host=str(self._sockets),
                port=self.port,
                user="postgres",
                dbname="postgres",
                autocommit=True,
            )
        ) as connection:
            yield connection

    def close(self) -> None:
        """Stop and remove everything."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop(mode="immediate")
        rmtree(self.folder, ignore_errors=True)

    @property
    def _sockets(self) -> Path:
        return self.folder / "data"

    def _control(self, *arguments: str) -> None:
        # The server inherits its output: waiting for the end of a pipe would be waiting for it.
        subprocess.run(
            [f"{self._programs}/pg_ctl", "-D", str(self.folder / "data"), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._system_user or None,
            timeout=90,
        )

    def _require_passwords(self) -> None:
        rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.folder / "data" / "pg_hba.conf").write_text(rules)
        settings = "fsync = off\nmax_connections = 60\nshared_buffers = 16MB\n"
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(settings)

    def _make_roles(self) -> None:
        with self.admin() as connection:
            for role in (APP_ROLE, MIGRATION_ROLE):
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(PASSWORD)
                    )
                )


@contextmanager
def postgres_server() -> Generator[PostgresTestServer]:
    """A server for a block. Its folder lies in the system's temporary folder: as root the server
    runs as a user of its own, who must be able to get there.
    """
    folder = Path(tempfile.mkdtemp(prefix="apex-pg-"))
    server: PostgresTestServer | None = None
    try:
        server = PostgresTestServer(folder)
        yield server
    finally:
        if server is not None:
            server.close()
        else:
            rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
