"""A second process that holds an SQLite file: `python -m netra_core.testing.lock_holder FILE`."""

import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held_by_another_process(
    path: Path, *, begin: str = "IMMEDIATE"
) -> Generator["subprocess.Popen[str]"]:
    """Another process is in a writing transaction on `path` for a block, or until it is killed."""
    command = [sys.executable, "-m", __name__, str(path), begin]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def _hold(path: str, begin: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"BEGIN {begin}")
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _hold(*sys.argv[1:])
