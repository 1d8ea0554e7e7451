"""Whole lines by the megabyte, and where each begins and ends."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

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
