"""Gives memory that nothing uses back to the system, once heavy work is done.

Allocators keep what they freed for their next use: glibc in its arenas, the engine in its own. A
server that analyses now and then would hold the peak of each for good. Pages of program code that
the engine and Arrow ran through, most of them once, are let go too: they are clean copies of their
files, and those in use come back from the page cache within microseconds.
"""

import ctypes
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LIBRARIES: Final = ("_chdb", "libarrow", "libparquet")
_MADV_DONTNEED: Final = 4
_M_ARENA_MAX: Final = -8
_HEAD: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-.p \S+ \S+ \S+\s+(\S+)$")


def return_memory() -> None:
    """Give back what glibc holds for later, and clean pages of large libraries.

    About ten milliseconds. Does what the platform allows: all of it on Linux with glibc, nothing
    elsewhere.
    """
    libc = _glibc()
    if libc is None:
        return
    trim()
    for start, end in _clean_mappings(Path("/proc/self/smaps")):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def trim() -> None:
    """Give back what glibc and Arrow hold for later."""
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def share_arenas(most: int) -> None:
    """Let all threads share `most` arenas of glibc instead of up to eight for each core."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, most)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def _clean_mappings(smaps: Path) -> Iterator[tuple[int, int]]:
    """Read-only mappings of LIBRARIES of which no page differs from its file."""
    try:
        lines = smaps.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # a kernel or a sandbox without it: what is mapped stays
        return
    current: tuple[int, int] | None = None
    for line in lines:
        if found := _HEAD.match(line):
            ours = found[3].rsplit("/", 1)[-1].startswith(LIBRARIES)
            current = (int(found[1], 16), int(found[2], 16)) if ours else None
        elif current is not None and line.startswith("Anonymous:"):
            if line.split()[1] == "0":
                yield current
            current = None
