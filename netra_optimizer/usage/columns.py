"""Numpy to Arrow and back through buffers.

Arrow's own conversions (`pa.array(list)`, `Array.to_numpy`, `pa.scalar`) import pandas when it is
installed, which costs a short command most of a second. Sharing buffers costs nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from netra_optimizer.usage.arrow_types import ArrowArray, ArrowType

if TYPE_CHECKING:
    pass

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
UInt64 = npt.NDArray[np.uint64]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


class Texts(Protocol):
    """Distinct texts by number: a tuple, or what reads like one."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, value: object, /) -> bool: ...

    def __getitem__(self, place: int, /) -> str: ...

    def index(self, value: Any, /) -> int:
        """Where a text stands; ValueError where it is not. Any: as sequences have it."""
        ...


class Hashes(Protocol):
    """64-bit names by place: an array of uint64, or what reads like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, places: Any, /) -> Any:
        """UInt64 for a slice or for an array of places (Any: as numpy declares it)."""
        ...


@dataclass(frozen=True, eq=False)
class Text:
    """A dictionary-encoded text column: row i is `values[codes[i]]`."""

    codes: Int32
    values: Texts

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        return self.values[int(self.codes[row])]

    def take(self, rows: "Int64 | Bool") -> "Text":
        """The chosen rows (an index or a mask); the dictionary stays as it is."""
        return Text(taken(self.codes, rows), self.values)

    def equals(self, value: str) -> Bool:
        """Mask of the rows that hold `value`."""
        try:
            code = self.values.index(value)
        except ValueError:
            return np.broadcast_to(np.False_, len(self.codes))
        if is_constant(self.codes):
            return np.broadcast_to(self.codes[0] == code, len(self.codes))
        return self.codes == code

    def to_list(self) -> list[str]:
        """One Python string a row."""
        values = self.values
        return [values[code] for code in self.codes.tolist()]

    @classmethod
    def of(cls, values: Sequence[str]) -> "Text":
        """Encode a sequence of strings; codes in order of first appearance."""
        seen: dict[str, int] = {}
        codes = np.fromiter(
            (seen.setdefault(value, len(seen)) for value in values), np.int32, len(values)
        )
        return cls(codes, tuple(seen))

    @classmethod
    def full(cls, rows: int, value: str) -> "Text":
        """The same value in every row."""
        return cls(np.broadcast_to(np.int32(0), rows), (value,))


def is_constant(column: "npt.NDArray[Any]") -> bool:
    """Whether one value is seen many times, taking the room of one; Any: of any type."""
    return column.strides == (0,) and len(column) > 0


def taken(column: "npt.NDArray[Any]", rows: "Int64 | Bool") -> "npt.NDArray[Any]":
    """The chosen rows (an index or a mask); one value seen many times stays that.

    Any: of the column's own type.
    """
    if not is_constant(column):
        return column[rows]
    count = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
    return np.broadcast_to(column[0], count)


def combined_codes(*columns: tuple[Int32, int]) -> tuple["npt.NDArray[Any]", int]:
    """One code for the codes of several columns (each with its number of values), and how many.

    Codes sort as the tuples do. Any: int32 where that is enough, else int64.
    """
    count = math.prod(values for _, values in columns)
    kind = np.int32 if count <= np.iinfo(np.int32).max else np.int64
    code: npt.NDArray[Any] = np.broadcast_to(kind(0), len(columns[0][0]))
    for codes, values in columns:
        if values > 1:
            code = code * kind(values) + codes.astype(kind, copy=False)
    return code, count


def rows_by_code(*columns: tuple[Int32, int]) -> Iterator[Int64]:
    """Rows that agree in all columns, rising, by rising codes; one group at a time."""
    code, count = combined_codes(*columns)
    if is_constant(code):
        yield np.arange(len(code), dtype=np.int64)
    elif count <= _FEW_CODES:
        for found in np.flatnonzero(np.bincount(code, minlength=count)).tolist():
            yield np.flatnonzero(code == found)
    elif len(code):
        order = np.argsort(code, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(code[order])) + 1)


_FEW_CODES: Final = 64


def text_array(values: Sequence[str]) -> ArrowArray:
    """Arrow strings without nulls."""
    import pyarrow as pa

    joined = "".join(values)
    if joined.isascii():
        lengths, data = map(len, values), joined.encode()
    else:
        encoded = [value.encode("utf-8", "replace") for value in values]
        lengths, data = map(len, encoded), b"".join(encoded)
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, len(values)), out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError("more than 2 GiB of text in one batch")
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def compute() -> Any:
    """Arrow's functions on columns (Any: they are made when Arrow is loaded)."""
    from pyarrow import compute as functions

    return functions


def scalar(value: str) -> ArrowType:
    """One Arrow string, as compute functions take it."""
    return text_array([value])[0]


def count_array(values: "Int64 | Int32 | UInt64 | Float64", kind: ArrowType) -> ArrowArray:
    """Arrow integers or time stamps (the numpy type decides the width) without nulls."""
    import pyarrow as pa

    contiguous = np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(contiguous), [None, pa.py_buffer(contiguous)])


def real_array(values: Float64) -> ArrowArray:
    """Arrow doubles; nan becomes null."""
    import pyarrow as pa

    contiguous = np.ascontiguousarray(values, np.float64)
    missing = np.isnan(contiguous)
    valid = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    return pa.Array.from_buffers(pa.float64(), len(contiguous), [valid, pa.py_buffer(contiguous)])


def list_array(lists: Sequence[Sequence[str]]) -> ArrowArray:
    """Arrow lists of strings."""
    return nest(list_offsets(lists), text_array(list(chain.from_iterable(lists))))


def hash_list_array(lists: Sequence[Sequence[int]]) -> ArrowArray:
    """Arrow lists of unsigned 64-bit names."""
    import pyarrow as pa

    flat = np.fromiter(chain.from_iterable(lists), np.uint64)
    return nest(list_offsets(lists), count_array(flat, pa.uint64()))


def list_offsets(lists: Sequence[Sequence[object]]) -> Int32:
    """Offsets of lists laid end to end, one more than there are lists."""
    return np.fromiter(accumulate(map(len, lists), initial=0), np.int32, len(lists) + 1)


def nest(offsets: Int32, child: ArrowArray) -> ArrowArray:
    """A list column from 32-bit offsets into `child`."""
    import pyarrow as pa

    kind = pa.list_(child.type)
    rows = len(offsets) - 1
    buffer = pa.py_buffer(np.ascontiguousarray(offsets, np.int32))
    return pa.ListArray.from_buffers(kind, rows, [None, buffer], children=[child])


def one_array(column: ArrowArray) -> ArrowArray:
    """The column in one piece."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 1:
            return column.chunk(0)
        if column.num_chunks == 0:  # combined, no chunks would import pandas
            return pa.nulls(0, column.type)
        whole = column.combine_chunks()
        return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
    return column


def numbers(column: ArrowArray, kind: "npt.DTypeLike") -> npt.NDArray[np.generic]:
    """Integers (no nulls) as numpy, sharing memory where widths agree."""
    array = one_array(column)
    width = np.dtype(array.type.to_pandas_dtype() if not _is_time(array) else np.int64)
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), kind)
    found = np.frombuffer(data, width, len(array), array.offset * width.itemsize)
    return found.astype(kind, copy=False)


def reals(column: ArrowArray) -> Float64:
    """Doubles as numpy, null as nan."""
    array = one_array(column)
    valid, data = array.buffers()
    if data is None:
        return np.full(len(array), np.nan)
    found = np.frombuffer(data, np.float64, len(array), array.offset * 8)
    if valid is None or array.null_count == 0:
        return found
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
    known = bits[array.offset : array.offset + len(array)].astype(np.bool_)
    return np.where(known, found, np.nan)


def texts(column: ArrowArray) -> Text:
    """Strings, binary or dictionary columns as Text."""
    import pyarrow as pa

    array = one_array(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes = numbers(array.indices, np.int32).astype(np.int32)
    values = [_as_text(value) for value in array.dictionary.to_pylist()]
    if array.null_count:
        valid = array.buffers()[0]
        bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
        missing = ~bits[array.offset : array.offset + len(array)].astype(np.bool_)
        codes = np.where(missing, len(values), codes).astype(np.int32)
        values.append("")
    return Text(codes, tuple(values))


def distinct_texts(column: ArrowArray) -> Text:
    """Strings of which none comes twice, without the cost of finding that out."""
    values = tuple(_as_text(value) for value in one_array(column).to_pylist())
    return Text(np.arange(len(values), dtype=np.int32), values)


def lists(column: ArrowArray) -> tuple[ArrowArray, Int64]:
    """The flat child and offsets (starting at 0) of a list column."""
    array = one_array(column)
    if len(array) == 0:
        return array.flatten(), np.zeros(1, np.int64)
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
    child = array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    return child, (offsets - offsets[0]).astype(np.int64)


def _is_time(array: ArrowArray) -> bool:
    import pyarrow as pa

    return pa.types.is_timestamp(array.type)


def _as_text(value: "str | bytes | None") -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value or ""
