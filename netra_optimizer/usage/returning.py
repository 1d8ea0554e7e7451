"""Gives memory that nothing uses back to the system, once heavy work is done.

Allocators keep what they freed for their next use: glibc in its arenas, the engine in its own. A
server that analyses now and then would hold the peak of each for good. Pages of program code that
the engine and Arrow ran through, most of them once, are let go too: they are clean copies of their
files, and those in use come back from the page cache within microseconds.
"""

import ctypes
import re
import sys
from pathlib import Path
from typing import Final

LIBRARIES: Final = ("_chdb", "libarrow", "libparquet")
_MADV_DONTNEED: Final = 4
_M_ARENA_MAX: Final = -8
_HEAD: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-.p \S+ \S+ \S+\s+(\S+)$")


def return_memory() -> None:
    """Give back what glibc holds for later, and clean pages of large libraries.

    Some milliseconds, and those pages that are used again are mapped again. Does what the platform
    allows: all of it on Linux with glibc, nothing elsewhere.
    """
    libc = _glibc()
    if libc is None:
        return
    trim()
    for start, end in _clean_mappings():
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


def _clean_mappings() -> list[tuple[int, int]]:
    """Bounds of read-only mappings of LIBRARIES of which no page differs from its file.

    Whether one does is asked once: a library is relocated when it is loaded, never afterwards.
    Asking walks every page of the process, and whoever needs a new page waits meanwhile.
    """
    mapped = _mapped(_lines("maps"))
    if not mapped.keys() <= _known.keys():
        _known.update(mapped | _mapped(_lines("smaps")))
    heads = [_HEAD.match(mapping) for mapping in mapped if _known[mapping]]
    return [(int(head[1], 16), int(head[2], 16)) for head in heads if head]


_known: dict[str, bool] = {}
"""Mappings seen, as the kernel tells them, and whether they are clean."""


def _lines(table: str) -> list[str]:
    try:
        text = Path("/proc/self", table).read_text(encoding="utf-8", errors="replace")
    except OSError:  # a kernel or a sandbox without it: what is mapped stays
        return []
    return text.splitlines()


def _mapped(lines: list[str]) -> dict[str, bool]:
    """Read-only mappings of LIBRARIES, and whether the lines say that they are clean."""
    found: dict[str, bool] = {}
    current: str | None = None
    for line in lines:
        if head := _HEAD.match(line):
            current = line if head[3].rsplit("/", 1)[-1].startswith(LIBRARIES) else None
            if current is not None:
                found[current] = False
        elif current is not None and line.startswith("Anonymous:"):
            found[current] = line.split()[1] == "0"
            current = None
    return found
