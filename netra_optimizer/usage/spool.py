"""Records of any number into a frame: columns wait in files and are sorted one at a time.

A column that holds the same value everywhere takes no room, neither in the file nor in the frame.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netra_optimizer.usage.arrow_types import ArrowArray, ArrowBatch
from netra_optimizer.usage.batch import schema
from netra_optimizer.usage.columns import (
    Int32,
    Int64,
    Text,
    count_array,
    is_constant,
    lists,
    numbers,
    one_array,
    reals,
)
from netra_optimizer.usage.frame import Calls, Pricing, UsageFrame, weights
from netra_optimizer.usage.record import TOKEN_BUCKETS
from netra_optimizer.usage.spilled import SLICE, SpilledNumbers, SpilledTexts

FEW: Final = 65_536
"""Up to so many distinct texts are held as Python's own."""


def spooled_frame(batches: Iterable[ArrowBatch], prices: Pricing | None = None) -> UsageFrame:
    """The frame of batches in USAGE_SCHEMA whose ids are unique, sorted by (start, id).

    In memory are the columns of the frame itself and, for a moment, one of them twice. Ids and
    names of prefix blocks stay in files until somebody asks for them.
    """
    spool = _Spool()
    for batch in batches:
        spool.add(batch)
    _give_back()
    return spool.frame(prices)


def _give_back() -> None:
    """Let the operating system have what allocators keep of the import for later."""
    import ctypes

    pa.default_memory_pool().release_unused()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return  # another C library than glibc keeps what it keeps


class _Spool:
    def __init__(self) -> None:
        self._ids = SpilledTexts()
        self._numbers = {name: _Numbers(kind) for name, kind in _KINDS.items()}
        self._texts = {name: _Texts() for name in (*_TEXTS, *_TEXT_LISTS)}
        self._lengths = {name: _Numbers(np.int32) for name in (*_TEXT_LISTS, _BLOCKS)}
        self._blocks = SpilledNumbers(np.uint64)

    def add(self, batch: ArrowBatch) -> None:
        self._ids.append(batch.column("id"))
        for name, column in self._numbers.items():
            found = batch.column(name)
            values = reals(found) if name in _REALS else numbers(found, column.kind)
            column.append(values)
        for name in _TEXTS:
            self._texts[name].append(batch.column(name))
        for name in (*_TEXT_LISTS, _BLOCKS):
            child, offsets = lists(batch.column(name))
            self._lengths[name].append(np.diff(offsets))
            if name == _BLOCKS:
                self._blocks.append(numbers(child, np.uint64))
            else:
                self._texts[name].append(child)

    def frame(self, prices: Pricing | None) -> UsageFrame:
        order = self._ids.sorted_within(self._numbers["start"].values(None))
        rows = np.arange(len(self._ids), dtype=np.int32) if order is None else order
        texts = {name: self._texts.pop(name).text(order) for name in _TEXTS}
        calls = Calls(
            provider=texts.pop("provider"),
            model=texts.pop("model"),
            tier=texts.pop("service_tier"),
            start_us=self._take("start", order),
            **{bucket: self._take(bucket, order) for bucket in TOKEN_BUCKETS},
            requests=weights(self._take("requests", order)),
        )
        plain = {name: self._take(name, order) for name in list(self._numbers)}
        tags, tag_offsets = self._text_list("tags", order)
        tools, tool_offsets = self._text_list("tool_names", order)
        hashes, block_offsets = self._block_list(order)
        return UsageFrame(
            id=Text(rows, self._ids),
            calls=calls,
            **texts,
            **plain,
            tags=tags,
            tag_offsets=tag_offsets,
            tool_names=tools,
            tool_offsets=tool_offsets,
            block_hashes=hashes,
            block_offsets=block_offsets,
            cost_usd=prices.cost(calls) if prices else np.broadcast_to(np.nan, len(calls)),
        )

    def _take(self, name: str, order: "Int32 | None") -> Any:
        """Any: int64, int32 or float64, as the column is."""
        return self._numbers.pop(name).values(order)

    def _text_list(self, name: str, order: "Int32 | None") -> tuple[Text, Int64]:
        flat, lengths = self._texts.pop(name).text(None), self._lengths.pop(name).values(None)
        offsets = _offsets(lengths, None)
        if order is None or not len(flat):
            return flat, offsets
        sorted_offsets = _offsets(lengths, order)
        codes = [flat.codes[at] for at in _ranges(lengths, offsets, order)]
        return Text(np.concatenate(codes), flat.values), sorted_offsets

    def _block_list(self, order: "Int32 | None") -> tuple[SpilledNumbers, Int64]:
        lengths = self._lengths.pop(_BLOCKS).values(None)
        offsets = _offsets(lengths, None)
        if order is None or not len(self._blocks):
            return self._blocks, offsets
        moved = SpilledNumbers(np.uint64)
        for at in _ranges(lengths, offsets, order):
            moved.append(self._blocks[at])
        return moved, _offsets(lengths, order)


class _Numbers:
    """A column of numbers, in a file as soon as two differ."""

    def __init__(self, kind: npt.DTypeLike) -> None:
        self.kind = np.dtype(kind)
        self._count = 0
        self._same: npt.NDArray[Any] | None = None
        self._file: SpilledNumbers | None = None

    def append(self, values: "npt.NDArray[Any]") -> None:
        if not len(values):
            return
        found = np.ascontiguousarray(values, self.kind)
        if self._file is None:
            same = found[:1] if self._same is None else self._same
            if (_bits(found) == _bits(same)).all():
                self._same = same.copy()
                self._count += len(found)
                return
            self._file = SpilledNumbers(self.kind)
            for first in range(0, self._count, SLICE):
                self._file.append(np.repeat(same, min(SLICE, self._count - first)))
        self._file.append(found)
        self._count += len(found)

    def values(self, order: "Int32 | None") -> "npt.NDArray[Any]":
        """In the order asked for; a column of one value is that value seen many times."""
        if self._file is None:
            one = np.zeros(1, self.kind) if self._same is None else self._same
            return np.broadcast_to(one[0], self._count)
        found = self._file[:]
        return found if order is None else found[order]


class _Texts:
    """A column of texts: codes, and the distinct texts of each batch one after the other."""

    def __init__(self) -> None:
        self._codes = _Numbers(np.int32)
        self._entries = SpilledTexts()
        self._only: str | None = None

    def append(self, column: ArrowArray) -> None:
        array = one_array(column)
        if not len(array):
            return
        encoded = array.dictionary_encode()
        entries = encoded.dictionary
        only = entries[0].as_py() if len(entries) == 1 else None
        if only is not None and only == self._only:
            self._codes.append(np.broadcast_to(np.int32(len(self._entries) - 1), len(array)))
            return
        self._only = only
        codes = numbers(encoded.indices, np.int32).astype(np.int32)
        self._codes.append(codes + np.int32(len(self._entries)))
        self._entries.append(entries)

    def text(self, order: "Int32 | None") -> Text:
        """The column in the order asked for, each distinct text once."""
        encoded = self._entries.arrow().dictionary_encode()
        names = numbers(encoded.indices, np.int32).astype(np.int32, copy=False)
        known = encoded.dictionary
        codes = self._codes.values(order)
        if not is_constant(codes) and len(codes):
            known = _renumbered(codes, names, known, moved=order is not None)
        if len(known) <= FEW:
            return Text(codes, tuple(known.to_pylist()))
        del encoded, names
        values = SpilledTexts()
        for first in range(0, len(known), SLICE):
            values.append(known.slice(first, SLICE).cast(pa.string()))
        return Text(codes, values)


def _renumbered(codes: Int32, names: Int32, known: ArrowArray, *, moved: bool) -> ArrowArray:
    """Name codes anew, in place, by first appearance in their order; the texts in that order."""
    if moved:
        count = len(known)
        first = np.full(count, len(codes), np.int32)
        for begin in reversed(range(0, len(codes), SLICE)):
            part = names[codes[begin : begin + SLICE]][::-1]
            first[part] = np.arange(begin + len(part), begin, -1, dtype=np.int32)
        order = np.argsort(first, kind="stable")
        rank = np.empty(count, np.int32)
        rank[order] = np.arange(count, dtype=np.int32)
        names, known = rank[names], known.take(count_array(order, pa.int64()))
    if not (names == np.arange(len(names))).all():
        for begin in range(0, len(codes), SLICE):
            codes[begin : begin + SLICE] = names[codes[begin : begin + SLICE]]
    return known


def _bits(values: "npt.NDArray[Any]") -> "npt.NDArray[Any]":
    """Values comparable to the bit, so that nan equals itself."""
    return values.view(np.int64) if values.dtype == np.float64 else values


def _offsets(lengths: Int32, order: "Int32 | None") -> Int64:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    if lengths.strides != (0,) or (len(lengths) and lengths[0]):
        np.cumsum(lengths if order is None else lengths[order], out=offsets[1:])
        return offsets
    return np.broadcast_to(np.int64(0), len(lengths) + 1)


def _ranges(lengths: Int32, offsets: Int64, order: Int32) -> Iterator[Int64]:
    """Places of the items of lists in another order of the lists, some lists at a time."""
    for first in range(0, len(order), SLICE):
        rows = order[first : first + SLICE]
        sizes = lengths[rows].astype(np.int64)
        ends = np.cumsum(sizes)
        begins = np.repeat(offsets[rows] - (ends - sizes), sizes)
        yield np.arange(int(ends[-1])) + begins


_BLOCKS: Final = "block_hashes"
_TEXT_LISTS: Final = ("tags", "tool_names")
_REALS: Final = ("latency_ms", "ttft_ms", "quality", "cost_recorded")
_KINDS: Final[dict[str, npt.DTypeLike]] = {
    "start": np.int64,
    **dict.fromkeys((*TOKEN_BUCKETS, "requests"), np.int64),
    **dict.fromkeys(_REALS, np.float64),
    "attempt": np.int32,
    "block_tokens": np.int32,
}
_TEXTS: Final = tuple(
    name
    for name in schema().names
    if name not in _KINDS and name not in (*_TEXT_LISTS, _BLOCKS, "id")
)
