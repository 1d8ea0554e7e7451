"""A name for this process that outlives it, and that no other running process has."""

import fcntl
import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self


class NodeIdentity:
    """Takes the first free name kept in `folder`, and holds it until released.

    A process that starts again on the folder gets its name back, and with it the work it left. Two
    processes that share the folder get two names.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        number = 1
        while (held := _take(folder / f"node-{number}.id")) is None:
            number += 1
        self._file, self.name = held

    @contextmanager
    def abandoned(self) -> Generator[list[str]]:
        """Names of processes that have ended; nobody else takes one of them within the block."""
        held: list[tuple[int, str]] = []
        try:
            names = sorted(self._folder.glob("node-*.id"))
            held.extend(taken for path in names if (taken := _take(path)) is not None)
            yield [name for _, name in held]
        finally:
            for descriptor, _ in held:
                os.close(descriptor)

    def rename(self) -> str:
        """Take a name that nobody has had, in place of the present one."""
        self.name = _new_name()
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, self.name.encode(), 0)
        return self.name

    def release(self) -> None:
        """Let another process have the name; again does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _take(path: Path) -> tuple[int, str] | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    name = os.read(descriptor, 64).decode().strip()
    if not name:
        name = _new_name()
        os.write(descriptor, name.encode())
    return descriptor, name


def _new_name() -> str:
    return f"node-{uuid.uuid4().hex[:12]}"
