"""Ids met so far, in eight bytes each, asked a batch at a time."""

from collections.abc import Sequence

import numpy as np

from netra_optimizer.usage.columns import Bool, Int64, UInt64


class Occurrences:
    """How often each id came before. Memory: 8 bytes an id, whatever its length."""

    def __init__(self) -> None:
        self._levels: list[UInt64] = []
        self._repeats: dict[int, int] = {}

    def count(self, ids: Sequence[str]) -> Int64:
        """For each id how often it came before this place, earlier batches included."""
        keys = np.fromiter(map(hash, ids), np.int64, len(ids)).view(np.uint64)
        distinct, inverse, times = np.unique(keys, return_inverse=True, return_counts=True)
        known = self._known(distinct)
        before = np.zeros(len(ids), np.int64)
        if len(distinct) < len(ids) or known.any():
            self._number(keys, distinct, inverse, times, known, before)
        self._add(distinct[~known])
        return before

    def _number(
        self, keys: UInt64, distinct: UInt64, inverse: Int64, times: Int64, known: Bool,
        before: Int64,
    ) -> None:  # fmt: skip
        special = (times > 1) | known
        for row in np.flatnonzero(special[inverse]).tolist():
            key = int(keys[row])
            seen = self._repeats.get(key, int(known[inverse[row]]))
            before[row] = seen
            self._repeats[key] = seen + 1

    def _known(self, keys: UInt64) -> Bool:
        found = np.zeros(len(keys), np.bool_)
        for level in self._levels:
            at = np.searchsorted(level, keys)
            at[at == len(level)] = 0
            found |= level[at] == keys
        return found

    def _add(self, keys: UInt64) -> None:
        """Sorted runs, merged as in a log-structured tree so that there are few."""
        self._levels.append(keys)
        while len(self._levels) > 1 and len(self._levels[-2]) < 2 * len(self._levels[-1]):
            last = self._levels.pop()
            self._levels[-1] = np.sort(np.concatenate([self._levels[-1], last]))
        self._levels = [level for level in self._levels if len(level)]
