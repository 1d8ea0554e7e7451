"""Prefix blocks in order of use: what a prompt cache of a given lifetime would still hold.

A block's name stands for the whole prefix up to and including it, so when block i of a prompt is
alive, block i-1 is. A hit renews the lifetime. Ties in time keep the canonical (start, id) order.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.usage.columns import count_array, numbers

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

NEVER: Final = np.iinfo(np.int64).max
"""The gap before an access that has no earlier one."""


def stable_order(codes: Int32, groups: int) -> Int32:
    """Positions sorted by code, equal codes in their given order; one counting pass."""
    from scipy import sparse  # a tenth of a second: only when there is something to order

    size = len(codes)
    pointers = np.arange(size + 1, dtype=np.int32 if size < 2**31 - 1 else np.int64)
    by_row = sparse.csr_array((np.ones(size, np.bool_), codes, pointers), shape=(size, groups))
    return by_row.tocsc().indices.astype(np.int32, copy=False)


@dataclass(frozen=True)
class PrefixIndex:
    """All block accesses of a stream of n records, m accesses in all.

    `codes` int32[m] names blocks densely, `offsets` int64[n+1] bounds a record's accesses,
    `start_us` int64[n] is in canonical order (never falling).
    """

    codes: Int32
    blocks: int
    offsets: Int64
    start_us: Int64
    record: Int32
    order: Int32

    @classmethod
    def build(cls, hashes: NDArray[np.uint64], offsets: Int64, start_us: Int64) -> "PrefixIndex":
        """Index flat block names; hashing and two counting passes, no comparison sort."""
        import pyarrow as pa

        encoded = count_array(hashes, pa.uint64()).dictionary_encode()
        codes = numbers(encoded.indices, np.int32).astype(np.int32, copy=False)
        blocks = len(encoded.dictionary)
        counts = np.diff(offsets)
        record = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        return cls(codes, blocks, offsets, start_us, record, stable_order(codes, blocks))

    def gaps(self, limit: Int32 | None = None, cache: Int32 | None = None) -> Int64:
        """Microseconds since the same block was last used, for each access; NEVER where it was not.

        `limit` int32[n]: only the first `limit[i]` blocks of record i use the cache (their others
        read NEVER and are not seen by later ones). `cache` int32[n] names the cache a record
        speaks to (a model of a provider); equal blocks in different caches do not meet.
        """
        order = self.order
        if limit is not None:
            used = self.depth < limit[self.record]
            order = order[used[order]]
        if cache is not None and len(cache) and (cache != cache[0]).any():
            own = cache[self.record[order]]
            order = order[stable_order(own.astype(np.int32), int(cache.max()) + 1)]
            same = np.empty(len(order), np.bool_)
            own = cache[self.record[order]]
            same[1:] = own[1:] == own[:-1]
        else:
            same = np.ones(len(order), np.bool_)
        gaps = np.full(len(self.codes), NEVER, np.int64)
        if len(order) < 2:
            return gaps
        codes = self.codes[order]
        same[1:] &= codes[1:] == codes[:-1]
        same[0] = False
        times = self.start_us[self.record[order]]
        since = np.diff(times, prepend=times[0])
        gaps[order[same]] = since[same]
        return gaps

    def take(self, rows: Int64) -> "PrefixIndex":
        """The index of the chosen records alone, in their order."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], counts)
        codes = self.codes[at]
        used = np.zeros(self.blocks, np.bool_)
        used[codes] = True
        renumbered = (np.cumsum(used, dtype=np.int32) - 1)[codes].astype(np.int32, copy=False)
        blocks = int(used.sum())
        record = np.repeat(np.arange(len(rows), dtype=np.int32), counts)
        order = stable_order(renumbered, blocks)
        return PrefixIndex(renumbered, blocks, offsets, self.start_us[rows], record, order)

    @cached_property
    def depth(self) -> Int32:
        """The place of each access within its record, from 0."""
        return (np.arange(len(self.codes)) - self.offsets[self.record]).astype(np.int32)

    def previous_record(self) -> Int32:
        """The record that last used the same block, for each access; -1 where none did."""
        codes = self.codes[self.order]
        records = self.record[self.order]
        previous = np.full(len(codes), -1, np.int32)
        same = codes[1:] == codes[:-1]
        previous[self.order[1:][same]] = records[:-1][same]
        return previous

    def leading(self, alive: NDArray[np.bool_]) -> Int32:
        """How many leading blocks of each record are alive, int32[n]."""
        counts = np.diff(self.offsets).astype(np.int32)
        depths = np.zeros(len(counts), np.int32)
        some = np.flatnonzero(counts)
        if len(some):
            first_dead = np.where(alive, np.iinfo(np.int32).max, self.depth)
            at = self.offsets[some]
            depths[some] = np.minimum(np.minimum.reduceat(first_dead, at), counts[some])
        return depths


def reused_tokens(
    blocks: Int32, block_tokens: NDArray[np.int32] | Int64, input_tokens: Int64
) -> Int64:
    """Tokens in the first `blocks` blocks; a record's last block holds the rest of its input."""
    return np.minimum(blocks.astype(np.int64) * block_tokens, input_tokens)
