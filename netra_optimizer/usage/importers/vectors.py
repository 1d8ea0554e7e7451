"""Columns of text read all at once: what is written in the usual ways; the rest is left to others.

Every reader agrees to the bit with the one for single values in `values.py`, or says of a row that
it cannot tell (`ok` False).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netra_optimizer.usage.arrow_types import ArrowArray
from netra_optimizer.usage.columns import (
    Bool,
    Float64,
    Int32,
    Int64,
    compute,
    numbers,
    scalar,
    text_array,
)
from netra_optimizer.usage.importers.base import CONTENT_ID
from netra_optimizer.usage.importers.values import MAX_TOKENS

Bytes = npt.NDArray[np.uint8]

DAY_US: Final = 86_400_000_000
_EARLIEST: Final = 631_152_000_000_000
_LATEST: Final = 7_258_118_400_000_000
"""1990 and 2200, in microseconds since 1970."""
_MOST_SHAPES: Final = 16
_UNITS: Final = ((10**17, 1, 1000), (10**14, 1, 1), (10**11, 1000, 1), (0, 10**6, 1))
"""From so large an epoch number on: times, and over, to make microseconds of it."""
_COUNT_DIGITS: Final = 12
_ZERO: Final = 48


@dataclass(frozen=True, eq=False)
class Strings:
    """An Arrow column of strings, with its bytes at hand."""

    array: ArrowArray
    data: Bytes
    begins: Int64
    lengths: Int64

    @classmethod
    def of(cls, array: ArrowArray) -> "Strings":
        """Of a column of pa.string() without nulls."""
        _, offsets, data = array.buffers()
        found = np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4).astype(np.int64)
        held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        return cls(array, held, found[:-1], np.diff(found))

    def __len__(self) -> int:
        return len(self.lengths)

    def square(self, rows: Int64, length: int) -> Bytes:
        """The bytes of texts of one length, one text a row."""
        if len(rows) == len(self):
            begin = int(self.begins[0])
            return self.data[begin : begin + length * len(self)].reshape(len(self), length)
        return self.data[self.begins[rows][:, None] + np.arange(length)]


def times(column: Strings, *, naive: bool) -> tuple[Int64, Bool]:
    """Microseconds since 1970 of times as `moment` reads them; `naive`: UTC where no zone is said.

    Read are ISO 8601 down to the second or a fraction, and whole epoch numbers.
    """
    us = np.zeros(len(column), np.int64)
    ok = np.zeros(len(column), np.bool_)
    shapes = np.unique(column.lengths)
    if len(shapes) > _MOST_SHAPES:
        return us, ok
    for length in shapes.tolist():
        rows = np.flatnonzero(column.lengths == length)
        if length >= 19:
            us[rows], ok[rows] = _iso(column.square(rows, length), naive)
        elif 1 <= length <= 18:
            us[rows], ok[rows] = _epoch(column.square(rows, length))
    return us, ok & known_time(us)


def counts(column: Strings) -> tuple[Int64, Bool, Bool]:
    """Counts written in digits alone: their values, whether one is given, and `ok`."""
    found = np.zeros(len(column), np.int64)
    given = column.lengths > 0
    ok = ~given
    for length in range(1, _COUNT_DIGITS + 1):
        rows = np.flatnonzero(column.lengths == length)
        if len(rows):
            found[rows], ok[rows] = _digits(column.square(rows, length))
    return found, given, ok & (found <= MAX_TOKENS)


def real_numbers(column: Strings, convert: Callable[[object], float | None]) -> Float64:
    """What `convert` (`number` or `positive`) makes of each text; nan where it finds none."""
    if not column.lengths.any():
        return np.full(len(column), np.nan)
    begin, end = int(column.begins[0]), int(column.begins[-1] + column.lengths[-1])
    if _PLAIN_REAL[column.data[begin:end]].all():
        empty = column.lengths == 0
        source = column.array
        if empty.any():
            blank = compute().equal(source, scalar(""))
            source = compute().if_else(blank, scalar("nan"), source)
        try:
            cast = source.cast(pa.float64())
        except pa.ArrowInvalid:
            pass
        else:
            found = np.frombuffer(cast.buffers()[1], np.float64, len(cast), cast.offset * 8).copy()
            return finite(found, convert)
    values = [convert(value) for value in column.array.to_pylist()]
    return np.array([np.nan if value is None else value for value in values], np.float64)


def finite(values: Float64, convert: Callable[[object], float | None]) -> Float64:
    """What `convert` (`number` or `positive`) makes of each number; nan where it finds none."""
    keep = np.isfinite(values)
    if convert(-1.0) is None:
        keep &= values >= 0
    return np.where(keep, values, np.nan)


def known_time(us: Int64) -> Bool:
    """Whether each of some times is one that `moment` takes."""
    return (us >= _EARLIEST) & (us < _LATEST)


def mapped(column: ArrowArray, convert: Callable[[str], str]) -> ArrowArray:
    """What `convert` makes of each text, asked once for each distinct one."""
    encoded = column.dictionary_encode()
    return text_array([convert(v) for v in encoded.dictionary.to_pylist()]).take(encoded.indices)


def coded(column: Strings) -> tuple[Int32, list[str]]:
    """The column as codes, and the distinct texts."""
    encoded = column.array.dictionary_encode()
    return numbers(encoded.indices, np.int32).astype(np.int32), encoded.dictionary.to_pylist()


def content_ids(parts: Sequence["ArrowArray | str"], rows: int) -> ArrowArray:
    """`content_id` of each row, whose joined text is these columns and constant texts in a row."""
    columns = [scalar(part) if isinstance(part, str) else part for part in parts]
    joined = Strings.of(compute().binary_join_element_wise(*columns, scalar("")))
    data = joined.data.tobytes()
    ends = (joined.begins + joined.lengths).tolist()
    names = b"".join(
        [
            blake2b(data[begin:end], digest_size=16).digest()
            for begin, end in zip(joined.begins.tolist(), ends, strict=True)
        ]
    )
    return _prefixed_hex(names, rows)


def _prefixed_hex(names: bytes, rows: int) -> ArrowArray:
    head = CONTENT_ID.encode()
    width = len(head) + 32
    text = np.empty((rows, width), np.uint8)
    text[:, : len(head)] = np.frombuffer(head, np.uint8)
    text[:, len(head) :] = np.frombuffer(names.hex().encode(), np.uint8).reshape(rows, 32)
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    return pa.Array.from_buffers(
        pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    )


def _digits(square: Bytes) -> tuple[Int64, Bool]:
    """The number each row of digits writes, and whether it is digits alone."""
    found = np.zeros(len(square), np.int64)
    ok = np.ones(len(square), np.bool_)
    for place in range(square.shape[1]):
        digit = square[:, place] - np.uint8(_ZERO)
        ok &= digit <= 9
        found *= 10
        found += digit
    return found, ok


def _epoch(square: Bytes) -> tuple[Int64, Bool]:
    value, ok = _digits(square)
    us = np.zeros(len(value), np.int64)
    left = np.ones(len(value), np.bool_)
    for floor, times_, over in _UNITS:
        here = left & (value >= floor)
        us[here] = value[here] * times_ // over
        left &= ~here
    return us, ok


_MARKS: Final = ((4, b"-"), (7, b"-"), (13, b":"), (16, b":"))
_FIELDS: Final = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))


def _iso(square: Bytes, naive: bool) -> tuple[Int64, Bool]:
    ok = (square[:, 10] == ord("T")) | (square[:, 10] == ord(" "))
    for place, mark in _MARKS:
        ok &= square[:, place] == ord(mark)
    fields: list[Int64] = []
    for begin, end in _FIELDS:
        value, plain = _digits(square[:, begin:end])
        ok &= plain
        fields.append(value)
    year, month, day, hour, minute, second = fields
    ok &= (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1970)
    ok &= (hour < 24) & (minute < 60) & (second < 60)
    begins = (year - 1970) * 12 + month - 1
    begins = np.where(ok, begins, 0)
    months = begins.astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    next_ = (months + 1).astype("datetime64[D]").astype(np.int64)
    ok &= day <= next_ - first
    us = (first + day - 1) * DAY_US + (hour * 3600 + minute * 60 + second) * 1_000_000
    extra, plain = _rest(square[:, 19:], naive)
    return us + extra, ok & plain


def _rest(rest: Bytes, naive: bool) -> tuple[Int64, Bool]:
    """Microseconds to add for what stands behind the seconds: a fraction, a zone."""
    width = rest.shape[1]
    extra = np.zeros(len(rest), np.int64)
    ok = np.ones(len(rest), np.bool_)
    if not len(rest):
        return extra, ok
    shape = rest[0].tobytes()
    tail = 1 if shape.endswith(b"Z") else 6 if shape[-6:-5] in (b"+", b"-") else 0
    if tail == 1:
        ok &= rest[:, -1] == ord("Z")
    elif tail == 6:
        sign = rest[:, -6]
        ok &= ((sign == ord("+")) | (sign == ord("-"))) & (rest[:, -3] == ord(":"))
        hours, plain = _digits(rest[:, -5:-3])
        minutes, plain_too = _digits(rest[:, -2:])
        ok &= plain & plain_too & (hours < 24) & (minutes < 60)
        away = (hours * 60 + minutes) * 60_000_000
        extra -= np.where(sign == ord("-"), -away, away)
    elif not naive:
        return extra, np.zeros(len(rest), np.bool_)
    digits = width - tail - 1
    if digits < 0:
        return extra, ok
    if digits == 0:
        return extra, np.zeros(len(rest), np.bool_)
    ok &= rest[:, 0] == ord(".")
    used = min(digits, 6)
    fraction, plain = _digits(rest[:, 1 : 1 + used])
    if digits > 6:
        _, more = _digits(rest[:, 1 + used : 1 + digits])
        plain &= more
    return extra + fraction * 10 ** (6 - used), ok & plain


def _bytes_of(allowed: bytes) -> Bool:
    table = np.zeros(256, np.bool_)
    table[list(allowed)] = True
    return table


_PLAIN_REAL: Final[Bool] = _bytes_of(b"0123456789.eE-")
