"""A disk that is really full: a small file system of a test's own, in memory."""

import errno
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_FILLER: Final = "filler"
_BLOCK: Final = 4096


class MountRefusedError(Exception):
    """This user may not mount a file system here."""


class SmallDisk:
    """A file system of few bytes, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Leave so many bytes free, by default none."""
        filler = os.open(self.folder / _FILLER, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            disk = os.statvfs(self.folder)
            whole = (disk.f_bavail * disk.f_frsize - leave_bytes) // _BLOCK
            try:
                for _ in range(whole):
                    os.write(filler, b"x" * _BLOCK)
                while not leave_bytes:
                    os.write(filler, b"x")
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        finally:
            os.close(filler)

    def free(self) -> None:
        """Take back what `fill` used."""
        (self.folder / _FILLER).unlink()


@contextmanager
def small_disk(folder: Path, *, size_bytes: int) -> Generator[SmallDisk]:
    """Mount a file system of `size_bytes` at the empty folder `folder` for a block.

    Raises MountRefusedError where this user may not mount.
    """
    options = f"size={size_bytes},mode=0755"
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise MountRefusedError(str(error)) from error
    if mounted.returncode:
        raise MountRefusedError(mounted.stderr.strip())
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: a connection that a failed test left open must not keep the mount.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
