"""A small cluster on this machine: two backend nodes on one PostgreSQL, auth and web beside them.

`make cluster` runs it. PostgreSQL comes from a wheel; chDB behind HTTP stands for ClickHouse.
Everything is kept in a temporary folder and gone afterwards: this is for trying and for tests of
what crosses nodes, not for keeping data.
"""

import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from netra_core.environment import get_env
from netra_core.testing.postgres import TestDatabase, postgres_server

WEB_PORT = 8000
BACKENDS = 2
STOP_S = 10


@dataclass(frozen=True)
class Cluster:
    """Where the parts answer, and the database they stand on."""

    web: str
    auth: str
    backends: tuple[str, ...]
    processes: Mapping[str, "subprocess.Popen[str]"]
    database: TestDatabase


@contextmanager
def cluster(*, web_port: int = WEB_PORT) -> Generator[Cluster]:
    """Start everything, yield when all are ready, stop everything.

    Raises:
        RuntimeError: a part ended before it was ready; says its last line.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apex-cluster-")))
        database = stack.enter_context(postgres_server()).new_database()
        usage = _start(
            [sys.executable, "-m", "netra_core.testing.clickhouse", "--path", str(home / "usage")],
            {},
        )
        stack.callback(_stop, usage, by_input=True)
        variables = {
            "APEX_HOME": str(home),
            "SERVICE_SECRET": secrets.token_urlsafe(32),
            "DATABASE_URL": database.app_url,
            "AUTH_DATABASE_URL": database.app_url,
            "APEX_CONFIG_URL": f"sqlite:///{home / 'config.sqlite'}",
            "CLICKHOUSE_URL": _line(usage, r"(http://\S+)"),
            "APEX_PUBLIC_URL": f"http://localhost:{web_port}",
            "APEX_TRUSTED_PROXIES": "127.0.0.1",
        }
        _migrate(variables, database.migration_url)
        processes: dict[str, subprocess.Popen[str]] = {}

        def serve(name: str, part: str, port: int, more: Mapping[str, str]) -> str:
            command = [sys.executable, "-m", "netra_apex", "serve", "--only", part]
            process = _start([*command, "--port", str(port)], {**variables, **more})
            stack.callback(_stop, process)
            processes[name] = process
            return _line(process, r"ready on (\S+)")

        auth = serve("auth", "auth", 0, {})
        to_auth = {"APEX_AUTH_URL": auth}
        names = [f"backend-{number}" for number in range(1, BACKENDS + 1)]
        backends = tuple(serve(name, "backend", 0, to_auth) for name in names)
        web = serve("web", "web", web_port, {**to_auth, "APEX_BACKEND_URLS": ",".join(backends)})
        yield Cluster(web, auth, backends, processes, database)


def _migrate(variables: Mapping[str, str], migration_url: str) -> None:
    command = [sys.executable, "-m", "netra_apex", "db", "upgrade"]
    environment = get_env().get_subprocess_env(
        {**variables, "MIGRATION_DATABASE_URL": migration_url}
    )
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _start(command: list[str], variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        env=get_env().get_subprocess_env(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: "subprocess.Popen[str]", pattern: str) -> str:
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        last = line.strip() or last
        if found := re.search(pattern, line):
            return found[1]
    raise RuntimeError(f"a part of the cluster ended before it was ready: {last}")


def _stop(process: "subprocess.Popen[str]", *, by_input: bool = False) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    if not by_input:
        process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def main() -> None:
    """Run the cluster until Ctrl+C."""
    with cluster() as running:
        lines = [f"Apex runs as a cluster; open {running.web} (Ctrl+C stops it)"]
        lines += [f"  auth     {running.auth}"]
        lines += [f"  backend  {address}" for address in running.backends]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        try:
            running.processes["web"].wait()
        except KeyboardInterrupt:
            sys.stdout.write("Stopping …\n")


if __name__ == "__main__":
    main()
