"""Prefix blocks in order of use: what a prompt cache of a given lifetime would still hold.

A block's name stands for the whole prefix up to and including it, so when block i of a prompt is
alive, block i-1 is. A hit renews the lifetime. Ties in time keep the canonical (start, id) order.

Of m uses of blocks only one number each is kept: which use of the same block came before. All else
is computed for some hundred thousand uses at a time, so memory is about eight bytes a use.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.usage.columns import Hashes, count_array, numbers

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

NEVER: Final = np.iinfo(np.int64).max
"""The gap before an access that has no earlier one."""
UNBOUNDED: Final = np.iinfo(np.int32).max
PART: Final = 4_000_000
"""Names told apart at a time."""
CHUNK: Final = 500_000
"""Accesses looked at at a time."""
STEPS: Final = 8
"""Accesses of other caches passed one by one; longer runs are jumped over."""


class Piece(NamedTuple):
    """Consecutive records and their accesses."""

    rows: slice
    at: slice


def stable_order(codes: Int32, groups: int) -> Int32:
    """Positions sorted by code, equal codes in their given order; one counting pass."""
    from scipy import sparse  # a tenth of a second: only when there is something to order

    size = len(codes)
    pointers = np.arange(size + 1, dtype=np.int32 if size < 2**31 - 1 else np.int64)
    by_row = sparse.csr_array((np.ones(size, np.bool_), codes, pointers), shape=(size, groups))
    return by_row.tocsc().indices.astype(np.int32, copy=False)


@dataclass(frozen=True, eq=False)
class PrefixIndex:
    """All block accesses of a stream of n records, m accesses in all.

    `previous` int32[m] is the last earlier access of the same block (-1: none), `offsets`
    int64[n+1] bounds a record's accesses, `start_us` int64[n] is in canonical order (it never
    falls).
    """

    previous: Int32
    offsets: Int64
    start_us: Int64

    @classmethod
    def build(cls, names: Hashes, offsets: Int64, start_us: Int64) -> "PrefixIndex":
        """Index flat block names; hashing and counting passes, no comparison sort."""
        return cls(_previous(names), offsets, start_us)

    def __len__(self) -> int:
        return len(self.previous)

    @cached_property
    def record(self) -> Int32:
        """The record of each access."""
        counts = np.diff(self.offsets)
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    def gaps(self, limit: Int32 | None = None, cache: Int32 | None = None) -> Int64:
        """Microseconds since the same block was last used, for each access; NEVER where it was not.

        `limit` int32[n]: only the first `limit[i]` blocks of record i use the cache (their others
        read NEVER and are not seen by later ones). `cache` int32[n] names the cache a record
        speaks to (a model of a provider); equal blocks in different caches do not meet.
        """
        found = np.empty(len(self), np.int64)
        for piece, gaps in self._gaps(_Use(self, limit, cache)):
            found[piece.at] = gaps
        return found

    def leading_within(
        self,
        lifetimes_us: Sequence[Int64 | int],
        limit: Int32 | None = None,
        cache: Int32 | None = None,
    ) -> list[Int32]:
        """By lifetime (one for all records, or one for each): how many leading blocks are alive."""
        found = [np.zeros(len(self.start_us), np.int32) for _ in lifetimes_us]
        for piece, gaps in self._gaps(_Use(self, limit, cache)):
            for lifetime_us, depths in zip(lifetimes_us, found, strict=True):
                if isinstance(lifetime_us, np.ndarray):
                    alive = gaps <= lifetime_us[self.record[piece.at]]
                else:
                    alive = gaps <= lifetime_us
                depths[piece.rows] = self._leading(piece, alive)
        return found

    def hits_by_depth(
        self, lifetimes_us: Sequence[int], counted: Bool
    ) -> tuple[Int64, list[Int64]]:
        """Uses of the i-th blocks of prompts, and by lifetime how many of them find it alive.

        Counted are the records of `counted`, bool[n]; all fill the cache.
        """
        deepest = int(np.diff(self.offsets).max(initial=0))
        uses = np.zeros(deepest, np.int64)
        hits = [np.zeros(deepest, np.int64) for _ in lifetimes_us]
        for piece, gaps in self._gaps(_Use(self)):
            depth = self.depth(piece)
            if not counted[piece.rows].all():
                inside = counted[self.record[piece.at]]
                depth, gaps = depth[inside], gaps[inside]
            uses += np.bincount(depth, minlength=deepest)
            for lifetime_us, found in zip(lifetimes_us, hits, strict=True):
                found += np.bincount(depth[gaps <= lifetime_us], minlength=deepest)
        return uses, hits

    def used_again(self, within_us: Int64) -> Bool:
        """Accesses whose block is next used within so long after their record, bool[m]."""
        again = np.zeros(len(self), np.bool_)
        for piece in self.pieces():
            before = self.previous[piece.at]
            at = np.flatnonzero(before >= 0)
            before, now = before[at], self.record[piece.at][at]
            then = self.record[before]
            soon = self.start_us[now] - self.start_us[then] <= within_us[then]
            again[before[soon]] = True
        return again

    def meetings(self, label: Int64) -> list[tuple[int, int]]:
        """Pairs of labels of which one uses a block right after the other; below 0: none."""
        limit = np.where(label >= 0, UNBOUNDED, 0).astype(np.int32)
        use = _Use(self, limit)
        pairs: set[tuple[int, int]] = set()
        for piece in self.pieces():
            before = use.previous(piece)
            at = np.flatnonzero(before >= 0)
            one, other = label[self.record[before[at]]], label[self.record[piece.at][at]]
            apart = one != other
            met = np.unique(np.stack([one[apart], other[apart]], 1), axis=0)
            pairs.update((int(a), int(b)) for a, b in met)
        return sorted(pairs)

    def take(self, rows: Int64) -> "PrefixIndex":
        """The index of the chosen records alone, in their order (rising)."""
        if not len(self):
            none = np.broadcast_to(np.int64(0), len(rows) + 1)
            return PrefixIndex(self.previous, none, self.start_us[rows])
        counts = np.diff(self.offsets)
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(counts[rows], out=offsets[1:])
        limit = np.zeros(len(counts), np.int32)
        limit[rows] = UNBOUNDED
        use = _Use(self, limit)
        moved = np.zeros(len(counts), np.int64)
        moved[rows] = offsets[:-1] - self.offsets[rows]
        previous = np.empty(offsets[-1], np.int32)
        filled = 0
        for piece in self.pieces():
            chosen = limit[self.record[piece.at]] > 0
            before = use.previous(piece)[chosen]
            before = np.where(before >= 0, before + moved[self.record[before]], -1)
            previous[filled : filled + len(before)] = before
            filled += len(before)
        return PrefixIndex(previous, offsets, self.start_us[rows])

    def leading(self, alive: Bool) -> Int32:
        """How many leading blocks of each record are alive (bool[m]), int32[n]."""
        depths = np.zeros(len(self.start_us), np.int32)
        for piece in self.pieces():
            depths[piece.rows] = self._leading(piece, alive[piece.at])
        return depths

    def _leading(self, piece: Piece, alive: Bool) -> Int32:
        begins = self.offsets[piece.rows] - piece.at.start
        counts = np.diff(self.offsets[piece.rows.start : piece.rows.stop + 1]).astype(np.int32)
        depths = np.zeros(len(counts), np.int32)
        some = np.flatnonzero(counts)
        if len(some):
            first_dead = np.where(alive, UNBOUNDED, self.depth(piece))
            lowest = np.minimum.reduceat(first_dead, begins[some])
            depths[some] = np.minimum(lowest, counts[some])
        return depths

    def depth(self, piece: Piece) -> Int32:
        """The place of each access within its record, from 0."""
        begins = self.offsets[self.record[piece.at]]
        return (np.arange(piece.at.start, piece.at.stop) - begins).astype(np.int32)

    def _gaps(self, use: "_Use") -> Iterator[tuple[Piece, Int64]]:
        for piece in self.pieces():
            before = use.previous(piece)
            at = np.flatnonzero(before >= 0)
            gaps = np.full(len(before), NEVER, np.int64)
            now = self.start_us[self.record[piece.at][at]]
            gaps[at] = now - self.start_us[self.record[before[at]]]
            yield piece, gaps

    def pieces(self) -> Iterator[Piece]:
        """Whole records, about CHUNK accesses at a time."""
        first, count = 0, len(self.offsets) - 1
        while first < count:
            begin = int(self.offsets[first])
            last = int(np.searchsorted(self.offsets, begin + CHUNK, side="right")) - 1
            last = min(max(last, first + 1), count)
            end = int(self.offsets[last])
            if end > begin:
                yield Piece(slice(first, last), slice(begin, end))
            first = last


class _Use:
    """Who uses which cache: the earlier access that an access meets there."""

    def __init__(
        self, index: PrefixIndex, limit: Int32 | None = None, cache: Int32 | None = None
    ) -> None:
        self._index = index
        self._limit = limit
        several = cache is not None and len(cache) > 0 and bool((cache != cache[0]).any())
        self._cache = cache if several else None
        self._jumps: dict[int, Int32] = {}

    def previous(self, piece: Piece) -> Int32:
        """For each access of the piece the one it meets, -1 where it meets none."""
        index = self._index
        found = index.previous[piece.at].copy()
        if self._limit is None and self._cache is None:
            return found
        mine = index.record[piece.at]
        if self._limit is not None:
            found[index.depth(piece) >= self._limit[mine]] = -1
        at = np.flatnonzero(found >= 0)
        for _ in range(STEPS):
            at = at[self._passed(found[at], mine[at])]
            if not len(at):
                return found
            found[at] = index.previous[found[at]]
            at = at[found[at] >= 0]
        self._jump(found, at[self._passed(found[at], mine[at])], mine)
        return found

    def _passed(self, before: Int32, reader: Int32) -> Bool:
        """Accesses which do not use the reader's cache."""
        record = self._index.record[before]
        passed = np.zeros(len(before), np.bool_)
        if self._limit is not None:
            passed |= before - self._index.offsets[record] >= self._limit[record]
        if self._cache is not None:
            passed |= self._cache[record] != self._cache[reader]
        return passed

    def _jump(self, found: Int32, at: Int64, mine: Int32) -> None:
        if self._cache is None:
            found[at] = self._over(0)[found[at]]
            return
        caches = self._cache[mine[at]]
        for cache in np.unique(caches).tolist():
            there = at[caches == cache]
            found[there] = self._over(cache)[found[there]]

    def _over(self, cache: int) -> Int32:
        """For each access that does not use the cache the last earlier one that does.

        Each round doubles what is jumped over.
        """
        if cache not in self._jumps:
            index = self._index
            passed = np.zeros(len(index), np.bool_)
            for piece in index.pieces():
                record = index.record[piece.at]
                if self._limit is not None:
                    passed[piece.at] = index.depth(piece) >= self._limit[record]
                if self._cache is not None:
                    passed[piece.at] |= self._cache[record] != cache
            target = index.previous.copy()
            open_ = np.flatnonzero(passed).astype(np.int32)
            while len(open_):
                open_ = open_[target[open_] >= 0]
                open_ = open_[passed[target[open_]]]
                target[open_] = target[target[open_]]
            self._jumps = {cache: target}
        return self._jumps[cache]


def _previous(names: Hashes) -> Int32:
    """For each name the last earlier place of it, -1 where it is the first."""
    count = len(names)
    previous = np.full(count, -1, np.int32)
    parts = min(255, -(-count // PART))
    if parts <= 1:
        order, again = _repeats(names[:])
        previous[order[1:][again]] = order[:-1][again]
        return previous
    part_of = np.empty(count, np.uint8)
    for first in range(0, count, CHUNK):
        mixed = names[first : first + CHUNK] * np.uint64(0x9E3779B97F4A7C15)
        part_of[first : first + CHUNK] = (mixed >> np.uint64(40)) % np.uint64(parts)
    for part in range(parts):
        chosen = part_of == part
        places = np.flatnonzero(chosen).astype(np.int32)
        taken = [
            names[first : first + CHUNK][chosen[first : first + CHUNK]]
            for first in range(0, count, CHUNK)
        ]
        order, again = _repeats(np.concatenate(taken))
        previous[places[order[1:][again]]] = places[order[:-1][again]]
    return previous


def _repeats(names: NDArray[np.uint64]) -> tuple[Int32, Bool]:
    """Places with equal names side by side in their given order; True: as the one before."""
    import pyarrow as pa

    encoded = count_array(names, pa.uint64()).dictionary_encode()
    codes = numbers(encoded.indices, np.int32).astype(np.int32, copy=False)
    order = stable_order(codes, len(encoded.dictionary))
    ordered = codes[order]
    return order, ordered[1:] == ordered[:-1]


def reused_tokens(
    blocks: Int32, block_tokens: NDArray[np.int32] | Int64, input_tokens: Int64
) -> Int64:
    """Tokens in the first `blocks` blocks; a record's last block holds the rest of its input."""
    return np.minimum(blocks.astype(np.int64) * block_tokens, input_tokens)
