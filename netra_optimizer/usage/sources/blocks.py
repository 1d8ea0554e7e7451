"""Whole lines by the megabyte, and where each begins and ends."""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

BLOCK: Final = 1 << 20
"""Bytes of a block; more where one line is longer."""
_LINE_END, _RETURN, _OPEN, _CLOSE = b"\n\r{}"


class Block:
    """Some lines of a file, with their ends."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __len__(self) -> int:
        """Lines, blank ones included."""
        return len(self._ends)

    @cached_property
    def braced(self) -> bool:
        """Whether every line begins with an opening brace and ends with a closing one."""
        ends = self._ends
        begins = np.concatenate([[0], ends[:-1] + 1])
        last = ends - 1
        last = last - ((last > begins) & (self._bytes[last] == _RETURN))
        return bool(
            (last > begins).all()
            and (self._bytes[begins] == _OPEN).all()
            and (self._bytes[last] == _CLOSE).all()
        )

    @property
    def longest(self) -> int:
        """Bytes of the longest line, with its end."""
        return int(np.diff(self._ends, prepend=-1).max()) if len(self) else 0

    @cached_property
    def is_text(self) -> bool:
        """Whether all of it is UTF-8."""
        if self.data.isascii():
            return True
        try:
            self.data.decode()
        except UnicodeDecodeError:
            return False
        return True

    def lines(self) -> list[bytes]:
        """Lines without their ends, blank ones included."""
        lines = self.data.split(b"\n")
        return lines if lines[-1] else lines[:-1]

    @cached_property
    def _bytes(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self.data, np.uint8)

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        ends = np.flatnonzero(self._bytes == _LINE_END)
        if self.data and self.data[-1] != _LINE_END:
            ends = np.append(ends, len(self.data))
        return ends


def blocks_of(pieces: Iterator[bytes], max_line: int, size: int = BLOCK) -> Iterator[bytes]:
    """Whole lines, about `size` bytes at a time.

    A line longer than `max_line` is cut to its first bytes, with more than `max_line` of them: the
    rest is skipped, memory stays bounded.
    """
    rest = b""
    skipping = False
    for piece in _gathered(pieces, size):
        chunk = piece
        if skipping:
            begin = chunk.find(b"\n") + 1
            if not begin:
                continue
            chunk, skipping = chunk[begin:], False
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield rest + chunk[:cut]
            rest = chunk[cut:]
        else:
            rest += chunk
        if len(rest) > max_line:
            yield rest
            rest, skipping = b"", True
    if rest:
        yield rest


def _gathered(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)
