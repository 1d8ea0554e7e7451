"""Record batches in USAGE_SCHEMA, from columns or from records."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from netra_optimizer.usage.arrow_types import ArrowArray, ArrowBatch, ArrowSchema, ArrowType
from netra_optimizer.usage.columns import (
    count_array,
    hash_list_array,
    list_array,
    nest,
    real_array,
    text_array,
)
from netra_optimizer.usage.record import TOKEN_BUCKETS, UsageRecord, usage_schema

Values: TypeAlias = Any
"""A column: a sequence, a numpy array or an Arrow array; Any: of the field's own type."""

START: Final = "start"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_TEXT_DEFAULTS: Final = {"operation": "chat", "service_tier": "standard", "status": "ok"}
_REALS: Final = ("latency_ms", "ttft_ms", "quality", "cost_recorded")
_SMALL: Final = ("attempt", "block_tokens")
_LISTS: Final = ("tags", "tool_names")


@lru_cache(maxsize=1)
def schema() -> ArrowSchema:
    """USAGE_SCHEMA, made once."""
    return usage_schema()


def batch_of(rows: int, columns: Mapping[str, Values]) -> ArrowBatch:
    """A batch of `rows` records; `start` in microseconds, columns not given hold their default."""
    import pyarrow as pa

    arrays = [
        _default(field.name, rows)
        if (values := columns.get(field.name)) is None
        else _column(field, values, rows)
        for field in schema()
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema())


def batch_of_records(records: Sequence[UsageRecord]) -> ArrowBatch:
    """A batch of records, in their order."""
    columns: dict[str, Values] = {
        name: [getattr(record, name) for record in records]
        for name in UsageRecord.__struct_fields__
        if name != START
    }
    columns[START] = [to_us(record.start) for record in records]
    return batch_of(len(records), columns)


def constant_text(value: str, rows: int) -> ArrowArray:
    """The same text in every row."""
    return _repeated(value).slice(0, rows) if rows <= _AT_HAND else _constant(value, rows)


_AT_HAND: Final = 8192


@lru_cache(maxsize=64)
def _repeated(value: str) -> ArrowArray:
    return _constant(value, _AT_HAND)


def _constant(value: str, rows: int) -> ArrowArray:
    import pyarrow as pa

    encoded = value.encode()
    offsets = np.arange(rows + 1, dtype=np.int32) * len(encoded)
    data = pa.py_buffer(encoded * rows)
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), data])


def to_us(moment: datetime) -> int:
    """Microseconds since 1970; a time without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def _default(name: str, rows: int) -> ArrowArray:
    if rows > _AT_HAND:
        return _column(schema().field(name), None, rows)
    return _defaults(name).slice(0, rows)


@lru_cache(maxsize=64)
def _defaults(name: str) -> ArrowArray:
    return _column(schema().field(name), None, _AT_HAND)


def _column(field: ArrowType, values: "Values | None", rows: int) -> ArrowArray:
    import pyarrow as pa

    if isinstance(values, pa.Array):
        return values
    name, kind = field.name, field.type
    if name in _REALS:
        return real_array(_reals(values, rows))
    if name == START or name in TOKEN_BUCKETS:
        return count_array(_counts(values, rows, np.int64), kind)
    if name == "requests":
        return count_array(_counts(values, rows, np.int64, 1), kind)
    if name in _SMALL:
        default = 1 if name == "attempt" else 0
        return count_array(_counts(values, rows, np.int32, default), kind)
    if name in _LISTS:
        return list_array(values) if values is not None else _no_lists(rows, text_array([]))
    if name == "block_hashes":
        if values is None:
            return _no_lists(rows, count_array(np.zeros(0, np.uint64), pa.uint64()))
        return hash_list_array(values)
    if values is None:
        return constant_text(_TEXT_DEFAULTS.get(name, ""), rows)
    return text_array(values)


def _no_lists(rows: int, child: ArrowArray) -> ArrowArray:
    return nest(np.zeros(rows + 1, np.int32), child)


def _reals(values: "Values | None", rows: int) -> npt.NDArray[np.float64]:
    if values is None:
        return np.full(rows, np.nan)
    if isinstance(values, np.ndarray):
        return np.asarray(values, np.float64)
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _counts(values: Values | None, rows: int, kind: npt.DTypeLike, default: int = 0) -> Any:
    """Any: int64 or int32, as `kind` says; what is beyond it becomes its largest."""
    if values is None:
        return np.full(rows, default, kind)
    try:
        return np.asarray(values, kind)
    except OverflowError:
        most = np.iinfo(kind).max
        return np.array([min(max(int(value), -most), most) for value in values], kind)
