"""Columns kept in unnamed temporary files: written once, read in slices, gone with their last user.

What is mapped of a file counts as memory of the process, so nothing stays mapped.
"""

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from netra_optimizer.usage.arrow_types import ArrowArray
from netra_optimizer.usage.columns import Int32, Int64, UInt64, compute, one_array

SLICE: Final = 262_144
"""Values gathered at a time."""
KEY: Final = 8
"""Bytes of text compared at a time."""


class SpilledNumbers:
    """Numbers of one type in a file; `__getitem__` reads a slice or gathers places."""

    def __init__(self, kind: npt.DTypeLike) -> None:
        self.dtype = np.dtype(kind)
        self._file = tempfile.TemporaryFile(prefix="apex-")
        weakref.finalize(self, self._file.close)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, values: "npt.NDArray[Any]") -> None:
        """Add at the end. Any: of any number type, written as the column's own."""
        data = np.ascontiguousarray(values, self.dtype)
        self._file.write(data.data)
        self._count += len(data)

    def __getitem__(self, places: "slice | Int64 | Int32") -> "npt.NDArray[Any]":
        """Any: the column's number type, which the caller knows."""
        if isinstance(places, slice):
            first, last, _ = places.indices(self._count)
            return self._read(first, max(0, last - first))
        found = np.empty(len(places), self.dtype)
        for first in range(0, len(places), SLICE):
            found[first : first + SLICE] = self._gathered(places[first : first + SLICE])
        return found

    def _gathered(self, places: "Int64 | Int32") -> "npt.NDArray[Any]":
        """Values at these places, read through a mapping that is dropped at once."""
        self._file.flush()
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            whole = np.frombuffer(mapped, self.dtype, self._count)
            found = whole[places]
            del whole
        return found

    def _read(self, first: int, count: int) -> "npt.NDArray[Any]":
        self._file.flush()
        found = np.empty(count, self.dtype)
        view = found.data.cast("B")
        at = first * self.dtype.itemsize
        while len(view):
            done = os.preadv(self._file.fileno(), [view], at)
            if not done:
                raise EOFError("a temporary file was cut off")
            view, at = view[done:], at + done
        return found


class SpilledTexts:
    """Texts in a file, as UTF-8."""

    def __init__(self) -> None:
        self._bytes = SpilledNumbers(np.uint8)
        self._ends = SpilledNumbers(np.int64)
        self._longest = 0
        self._places: dict[str, int] = {}
        self._lowest: bytes | None = None
        self._highest = b""

    def __len__(self) -> int:
        return len(self._ends)

    def append(self, column: ArrowArray) -> None:
        """Add an Arrow column of strings (of 32-bit offsets) without nulls."""
        array = one_array(column)
        if not len(array):
            return
        offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
        before = len(self._bytes)
        if offsets[-1] > offsets[0]:
            data = np.frombuffer(array.buffers()[2], np.uint8)
            self._bytes.append(data[offsets[0] : offsets[-1]])
        self._ends.append(before + (offsets[1:] - offsets[0]).astype(np.int64))
        self._longest = max(self._longest, int(np.diff(offsets).max()))
        self._places.clear()
        self._note(array)

    def __getitem__(self, place: int) -> str:
        if not 0 <= place < len(self):
            raise IndexError(place)
        (begin,), (end,) = self._bounds(np.array([place]))
        return self._bytes[int(begin) : int(end)].tobytes().decode("utf-8", "replace")

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), SLICE):
            data, begins, ends = self._slice(first)
            text = data.tobytes()
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
                yield text[begin:end].decode("utf-8", "replace")

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and self._place(value) >= 0

    def index(self, value: Any) -> int:
        """Where a text stands first, found by reading all once. Any: as sequences have it."""
        place = self._place(value) if isinstance(value, str) else -1
        if place < 0:
            raise ValueError(f"{value!r} is not there")
        return place

    def _place(self, value: str) -> int:
        if value not in self._places:
            wanted = value.encode("utf-8", "surrogatepass")  # such bytes stand in no text
            self._places[value] = self._found(wanted)
        return self._places[value]

    def _found(self, wanted: bytes) -> int:
        for first in range(0, len(self), SLICE):
            data, begins, ends = self._slice(first)
            at = np.flatnonzero(ends - begins == len(wanted))
            if wanted:
                read = data[begins[at][:, None] + np.arange(len(wanted))]
                at = at[(read == np.frombuffer(wanted, np.uint8)).all(axis=1)]
            if len(at):
                return first + int(at[0])
        return -1

    def arrow(self) -> ArrowArray:
        """All of them as one Arrow array (large_string), in memory."""
        import pyarrow as pa

        offsets = np.zeros(len(self) + 1, np.int64)
        offsets[1:] = self._ends[:]
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._bytes[:])]
        return pa.Array.from_buffers(pa.large_string(), len(self), buffers)

    def sorted_within(self, groups: Int64) -> "Int32 | None":
        """Places sorted by (groups, text), texts byte by byte; None where they are so already.

        Eight bytes of texts are compared at a time, further ones only of those still equal.
        """
        if (groups[1:] > groups[:-1]).all():
            return None
        skip = _shared(self._lowest or b"", self._highest)
        keys = self._keys(skip)
        order = np.lexsort((keys, groups)).astype(np.int32)
        equal = groups[order[1:]] == groups[order[:-1]]
        equal &= keys[order[1:]] == keys[order[:-1]]
        del keys
        at, run = _tied(np.arange(len(order), dtype=np.int32), equal)
        while len(at):
            skip += KEY
            rows = order[at]
            last = skip >= self._longest
            more = self._lengths(rows) if last else self._keys_at(rows, skip)
            within = np.lexsort((more, run))
            order[at] = rows[within]
            if last:
                break
            more = more[within]
            at, run = _tied(at, (run[1:] == run[:-1]) & (more[1:] == more[:-1]))
        return None if (order[1:] > order[:-1]).all() else order

    def _note(self, array: ArrowArray) -> None:
        found = compute().min_max(array).as_py()
        low, high = found["min"].encode(), found["max"].encode()
        self._lowest = low if self._lowest is None else min(low, self._lowest)
        self._highest = max(high, self._highest)

    def _keys(self, skip: int) -> UInt64:
        """Eight bytes of each text behind the first `skip`, as numbers that sort like them."""
        found = np.empty(len(self), np.uint64)
        for first in range(0, len(self), SLICE):
            data, begins, ends = self._slice(first)
            at = begins[:, None] + skip + np.arange(KEY)
            inside = at < ends[:, None]
            at[~inside] = 0
            taken = data[at] * inside if len(data) else np.zeros(at.shape, np.uint8)
            found[first : first + SLICE] = taken.view(">u8").ravel()
        return found

    def _keys_at(self, rows: Int32, skip: int) -> UInt64:
        begins, ends = self._bounds(rows)
        found = np.empty(len(rows), np.uint64)
        for first in range(0, len(rows), SLICE):
            at = begins[first : first + SLICE, None] + skip + np.arange(KEY)
            inside = at < ends[first : first + SLICE, None]
            at[~inside] = 0
            taken = self._bytes[at.ravel()].reshape(at.shape) * inside
            found[first : first + SLICE] = taken.view(">u8").ravel()
        return found

    def _lengths(self, rows: Int32) -> Int64:
        begins, ends = self._bounds(rows)
        return ends - begins

    def _bounds(self, rows: "Int32 | Int64") -> tuple[Int64, Int64]:
        before = rows.astype(np.int64) - 1
        return np.where(before < 0, 0, self._ends[np.maximum(before, 0)]), self._ends[rows]

    def _slice(self, first: int) -> tuple["npt.NDArray[np.uint8]", Int64, Int64]:
        """Bytes of SLICE texts, and where in them each begins and ends."""
        ends = self._ends[first : first + SLICE]
        begin = int(self._ends[first - 1 : first][0]) if first else 0
        data = self._bytes[begin : int(ends[-1])]
        return data, np.concatenate([[begin], ends[:-1]]) - begin, ends - begin


def _shared(one: bytes, other: bytes) -> int:
    """Bytes two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _tied(at: Int32, equal: "npt.NDArray[np.bool_]") -> tuple[Int32, Int64]:
    """Of places in order, those equal to a neighbour, and a number for each run of equal ones."""
    begins = np.concatenate([[True], ~equal])
    tied = ~begins
    tied[:-1] |= equal
    return at[tied], np.cumsum(begins)[tied]
