"""How often each id came before, asked a batch at a time, in memory that does not grow.

Ids are kept as 64-bit keys with a count: the latest in memory, all others in files, as sorted runs
that are merged so that there are few. A filter in memory tells for nearly all new ids that no file
holds them; the others are looked up, so the answer never depends on the filter.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from netra_optimizer.usage.columns import Int64, UInt64
from netra_optimizer.usage.spilled import SpilledNumbers

HELD: Final = 1 << 17
"""Keys in memory, beyond which they go to a file."""
_PAGE: Final = 512
"""Keys read at once where one is looked up."""
_FAR: Final = 16
"""Pages worth reading in vain rather than asking a second time."""
_SLICE: Final = 1 << 16
_FILTER_BITS: Final = 21
_MARKS: Final = 5

Counted = tuple[UInt64, Int64]
"""Distinct keys, rising, and how often each came."""


class Occurrences:
    """How often each id came before. Memory: 20 MB at most, whatever number and length of ids."""

    def __init__(self, *, held: int = HELD) -> None:
        self._held = held
        self._levels: list[Counted] = []
        self._runs: list[_Run] = []
        self._filter = _Filter()

    def count(self, ids: Sequence[str]) -> Int64:
        """For each id how often it came before this place, earlier batches included."""
        if not len(ids):
            return np.zeros(0, np.int64)
        keys = np.fromiter(map(hash, ids), np.int64, len(ids)).view(np.uint64)
        distinct, place, times = np.unique(keys, return_inverse=True, return_counts=True)
        before = self._earlier(distinct)[place]
        if len(distinct) < len(ids):
            order = np.argsort(place, kind="stable")
            begins = np.cumsum(times) - times
            before[order] += np.arange(len(ids)) - np.repeat(begins, times)
        self._add((distinct, times.astype(np.int64)))
        return before

    def _earlier(self, keys: UInt64) -> Int64:
        found = np.zeros(len(keys), np.int64)
        for level in self._levels:
            found += _counts_of(keys, level)
        if self._runs:
            suspects = np.flatnonzero(self._filter.may_hold(keys))
            for run in self._runs if len(suspects) else ():
                found[suspects] += run.counts_of(keys[suspects])
        return found

    def _add(self, counted: Counted) -> None:
        levels = self._levels
        levels.append(counted)
        while len(levels) > 1 and len(levels[-2][0]) < 2 * len(levels[-1][0]):
            last = levels.pop()
            levels[-1] = _together(levels[-1], last)
        if sum(len(keys) for keys, _ in levels) >= self._held:
            self._spill()

    def _spill(self) -> None:
        keys, times = self._levels[0]
        for level in self._levels[1:]:
            keys, times = _together((keys, times), level)
        self._levels = []
        self._filter.add(keys)
        runs = self._runs
        runs.append(_Run())
        runs[-1].append((keys, times))
        while len(runs) > 1 and len(runs[-2]) < 2 * len(runs[-1]):
            last = runs.pop()
            runs[-1] = _merged(runs[-1], last)


class _Run:
    """Keys and counts in files, by rising keys; the first key of each page is at hand."""

    def __init__(self) -> None:
        self._keys = SpilledNumbers(np.uint64)
        self._times = SpilledNumbers(np.uint32)
        self._firsts: list[UInt64] = []

    def __len__(self) -> int:
        return len(self._keys)

    def append(self, counted: Counted) -> None:
        """Add keys that are all larger than those there."""
        keys, times = counted
        self._firsts.append(keys[-len(self) % _PAGE :: _PAGE].copy())
        self._keys.append(keys)
        self._times.append(np.minimum(times, np.iinfo(np.uint32).max))

    def slice(self, first: int) -> Counted:
        """Up to _SLICE keys from a place on."""
        here = slice(first, first + _SLICE)
        return self._keys[here], self._times[here].astype(np.int64)

    def counts_of(self, keys: UInt64) -> Int64:
        """How often each of some rising keys is there. Pages between near ones are read along."""
        if len(self._firsts) > 1:
            self._firsts = [np.concatenate(self._firsts)]
        found = np.zeros(len(keys), np.int64)
        pages = np.searchsorted(self._firsts[0], keys, side="right") - 1
        apart = np.diff(pages) > _FAR
        apart |= np.diff(pages // (_SLICE // _PAGE)) > 0
        for part in np.split(np.arange(len(keys)), np.flatnonzero(apart) + 1):
            last = int(pages[part[-1]])
            if last < 0:
                continue
            here = slice(max(0, int(pages[part[0]])) * _PAGE, (last + 1) * _PAGE)
            read = self._keys[here]
            at = np.minimum(np.searchsorted(read, keys[part]), len(read) - 1)
            same = read[at] == keys[part]
            if same.any():
                found[part[same]] = self._times[here][at[same]]
        return found


class _Filter:
    """Marks keys in 16 MB; with 10 million marked, one of a hundred others seems marked."""

    def __init__(self) -> None:
        self._words: UInt64 = np.zeros(0, np.uint64)

    def add(self, keys: UInt64) -> None:
        """Mark rising keys."""
        if not len(self._words):
            self._words = np.zeros(1 << _FILTER_BITS, np.uint64)
        words, begins = np.unique(_word(keys), return_index=True)
        self._words[words] |= np.bitwise_or.reduceat(_marks(keys), begins)

    def may_hold(self, keys: UInt64) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """False for a key that was never marked, or seldom True."""
        marks = _marks(keys)
        return (self._words[_word(keys)] & marks) == marks


def _word(keys: UInt64) -> Int64:
    return (keys >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)


def _marks(keys: UInt64) -> UInt64:
    marks = np.zeros(len(keys), np.uint64)
    for mark in range(_MARKS):
        marks |= np.uint64(1) << ((keys >> np.uint64(6 * mark)) & np.uint64(63))
    return marks


def _counts_of(keys: UInt64, counted: Counted) -> Int64:
    known, times = counted
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[at] == keys, times[at], 0)


def _together(one: Counted, other: Counted) -> Counted:
    """Both, the counts of a key that both have added up."""
    keys = np.concatenate([one[0], other[0]])
    order = np.argsort(keys, kind="stable")
    keys, times = keys[order], np.concatenate([one[1], other[1]])[order]
    begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[begins], np.add.reduceat(times, begins)


def _merged(one: _Run, other: _Run) -> _Run:
    """Both runs as one, a slice at a time."""
    merged = _Run()
    left = right = 0
    while left < len(one) and right < len(other):
        (a, a_times), (b, b_times) = one.slice(left), other.slice(right)
        until = min(a[-1], b[-1])
        these = int(np.searchsorted(a, until, side="right"))
        those = int(np.searchsorted(b, until, side="right"))
        merged.append(_together((a[:these], a_times[:these]), (b[:those], b_times[:those])))
        left, right = left + these, right + those
    for rest, at in ((one, left), (other, right)):
        for first in range(at, len(rest), _SLICE):
            merged.append(rest.slice(first))
    return merged
