"""Batches of Parquet as tables of text that are read in columns, with what is not text beside them.

What a cell is as text is what the reader of single rows would make of it; where that could differ
(a value that no calendar holds, nan for a count, types nobody expects in a column) the batch is out
of the ordinary.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa

from netra_optimizer.usage.arrow_types import ArrowArray, ArrowBatch, ArrowTable
from netra_optimizer.usage.columns import (
    Bool,
    Float64,
    Int64,
    compute,
    count_array,
    nest,
    numbers,
    text_array,
)
from netra_optimizer.usage.columns import lists as flat_lists
from netra_optimizer.usage.importers.values import canonical, text
from netra_optimizer.usage.sources.csv_blocks import OutOfTheOrdinary

TIMES: Final = ("start", "end")
REALS: Final = ("latency_ms", "ttft_ms", "quality", "cost_recorded")
LISTS: Final = ("tags", "tool_names")
BLOCKS: Final = "block_hashes"
TEXTS: Final = (*LISTS, BLOCKS, "prompt", "service_tier")
"""Fields that make something else of a number than of its text."""
_PER_US: Final = {"s": 1_000_000, "ms": 1000, "us": 1}
_FIRST_US: Final = -62_135_596_800_000_000
_LAST_US: Final = 253_402_300_799_999_999
"""The years 1 to 9999."""
_WHOLE: Final = 2.0**53


@dataclass(frozen=True, eq=False)
class Typed:
    """What of a batch is not text."""

    batch: ArrowBatch
    times: Mapping[str, tuple[Int64, Bool]]
    """Field → microseconds since 1970, and whether there is a time."""
    reals: Mapping[str, Float64]
    """Field → numbers as they are written; nan where there is none."""
    lists: Mapping[str, ArrowArray]
    """Field → a column of lists of text."""
    blocks: Mapping[str, ArrowArray]
    """Field → a column of lists of 64-bit names."""

    @cached_property
    def content(self) -> Mapping[str, ArrowArray]:
        """Every column in text, written as in a JSON string."""
        names = self.batch.schema.names
        return {name: _escaped(_said(self.batch.column(name))) for name in names}


def typed_table(
    batch: ArrowBatch, columns: Mapping[str, str], *, naive: bool, is_count: Callable[[str], bool]
) -> tuple[ArrowTable, Typed]:
    """The columns that fields are read from, in text, and what is not text.

    `naive`: times without a zone are UTC. `is_count` tells fields that hold whole numbers. Raises
    OutOfTheOrdinary.
    """
    times: dict[str, tuple[Int64, Bool]] = {}
    reals: dict[str, Float64] = {}
    lists: dict[str, ArrowArray] = {}
    blocks: dict[str, ArrowArray] = {}
    texts: dict[str, ArrowArray] = {}
    for field, name in columns.items():
        if name not in batch.schema.names:
            continue
        column = batch.column(name)
        kind = column.type
        if pa.types.is_timestamp(kind) and field in TIMES:
            times[field] = _microseconds(column, naive)
        elif field in REALS and (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            reals[field] = _reals(column)
        elif field in LISTS and _is_list_of_text(kind):
            _valid(column.flatten())
            lists[field] = column
        elif field == BLOCKS and pa.types.is_list(kind) and pa.types.is_integer(kind.value_type):
            blocks[field] = _names(column)
        elif field in TEXTS and not _is_text_column(kind):
            raise OutOfTheOrdinary
        else:
            texts[name] = _text(column, field in TIMES, is_count(field))
    table = pa.Table.from_arrays(list(texts.values()), names=list(texts))
    return table, Typed(batch, times, reals, lists, blocks)


def _text(column: ArrowArray, is_time: bool, is_count: bool) -> ArrowArray:
    kind = column.type
    if pa.types.is_floating(kind):
        values = _reals(column)
        if (is_time or is_count) and np.isnan(values).sum() > column.null_count:
            raise OutOfTheOrdinary
        if is_count:
            known = values[~np.isnan(values)]
            if (np.abs(known) < _WHOLE).all() and (known == np.trunc(known)).all():
                column = column.cast(pa.int64())
        return _said(column)
    if pa.types.is_boolean(kind) and is_time:
        raise OutOfTheOrdinary
    if _is_plain(kind):
        return _said(column)
    raise OutOfTheOrdinary


def _said(column: ArrowArray) -> ArrowArray:
    """Each value as `text` writes it."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        found = column.cast(pa.string())
        found = compute().fill_null(found, "") if found.null_count else found
        _valid(found)
        return found
    return text_array([text(value) for value in column.to_pylist()])


def _escaped(column: ArrowArray) -> ArrowArray:
    data = column.buffers()[2]
    held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    if not ((held < 32) | (held == ord('"')) | (held == ord("\\"))).any():
        return column
    return text_array([canonical(value)[1:-1] for value in column.to_pylist()])


def _valid(column: ArrowArray) -> None:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:  # bytes that are no UTF-8
        raise OutOfTheOrdinary from None


def _reals(column: ArrowArray) -> Float64:
    numbers = column.cast(pa.float64(), safe=False)
    if numbers.null_count:
        numbers = compute().fill_null(numbers, float("nan"))
    return np.frombuffer(numbers.buffers()[1], np.float64, len(numbers), numbers.offset * 8)


def _microseconds(column: ArrowArray, naive: bool) -> tuple[Int64, Bool]:
    if column.type.tz is None and not naive:
        raise OutOfTheOrdinary
    there = _there(column)
    raw = np.frombuffer(column.buffers()[1], np.int64, len(column), column.offset * 8)
    raw = np.where(there, raw, 0)
    per_us = _PER_US[column.type.unit]
    if ((raw < _FIRST_US // per_us) | (raw > _LAST_US // per_us)).any():
        raise OutOfTheOrdinary
    return raw * per_us, there


def _names(column: ArrowArray) -> ArrowArray:
    """Lists of whole numbers as lists of 64-bit names; a negative one is its two's complement."""
    child, offsets = flat_lists(column)
    if column.null_count or child.null_count:
        raise OutOfTheOrdinary
    wide = child.cast(pa.uint64() if pa.types.is_uint64(child.type) else pa.int64())
    values = np.ascontiguousarray(numbers(wide, wide.type.to_pandas_dtype())).view(np.uint64)
    return nest(offsets.astype(np.int32), count_array(values, pa.uint64()))


def _there(column: ArrowArray) -> Bool:
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    bits = np.frombuffer(column.buffers()[0], np.uint8)
    found = np.unpackbits(bits, bitorder="little")[column.offset : column.offset + len(column)]
    return found.astype(np.bool_)


def _is_text(kind: Any) -> bool:  # Any: pyarrow has no types
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_text_column(kind: Any) -> bool:
    coded = pa.types.is_dictionary(kind) and _is_text(kind.value_type)
    return coded or _is_text(kind) or pa.types.is_null(kind)


def _is_plain(kind: Any) -> bool:
    return _is_text_column(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def _is_list_of_text(kind: Any) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type)
