"""Rows that a provider has summed, and the same rows exported again when they had grown.

The id of a record says which row it is part of, what the row counts, and how many parts there are:
`sum:<row>:<requests>.<tokens>.<figures>:<parts>/<part>`, the counts in digits of one width, so that
names of one row sort by what they count. Of several exports of a row the largest that is there
whole stands for it, in whatever order they came; the others are removed.
"""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from netra_optimizer.usage.arrow_types import ArrowTable
from netra_optimizer.usage.batch import MICROSECOND
from netra_optimizer.usage.columns import Int64, compute, count_array, numbers
from netra_optimizer.usage.schema import USAGE_TABLE

if TYPE_CHECKING:
    from netra_optimizer.usage.database import Database

SUMMED_ID: Final = "sum:"
_ROW_CHARACTERS: Final = len(SUMMED_ID) + 32
_AT_ONCE: Final = 500
"""Names in one statement: a ClickHouse server takes 128 KiB for one parameter."""
_LATER_US: Final = timedelta(days=1) // MICROSECOND
"""So much later than a row's parts those of a larger export of it may lie."""


def summed_id(name: str, counts: Mapping[str, int], parts: int) -> str:
    """The name of a row's records before the slash; `counts` has all tokens and `requests`."""
    row = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    tokens = sum(counts.values()) - counts["requests"]
    said = ",".join(f"{field}={counts[field]}" for field in sorted(counts))
    figures = blake2b(said.encode(), digest_size=4).hexdigest()
    return f"{SUMMED_ID}{row}:{counts['requests']:013d}.{tokens:014d}.{figures}:{parts}"


class SummedRows:
    """The stretch of time in which some stored records are parts of summed rows."""

    def __init__(self) -> None:
        self._first_us: int | None = None
        self._last_us = 0

    def note(self, table: ArrowTable) -> None:
        """Look at records on their way into the store."""
        found = compute().starts_with(table["id"], SUMMED_ID)
        if not compute().any(found).as_py():
            return
        start: Int64 = numbers(table["start"].filter(found), "int64").astype("int64", copy=False)
        first, last = int(start.min()), int(start.max())
        self._first_us = first if self._first_us is None else min(first, self._first_us)
        self._last_us = max(last, self._last_us)

    def settle(self, database: "Database", tenant: str) -> None:
        """Remove what a larger export of the same row has taken the place of."""
        if self._first_us is None:
            return
        period = {
            "tenant": tenant,
            "from": self._first_us,
            "to": self._last_us + _LATER_US,
        }
        names = [str(name) for (name,) in database.rows(_SUPERSEDED, period)]
        for first in range(0, len(names), _AT_ONCE):
            some = names[first : first + _AT_ONCE]
            database.command(_REMOVE, {**period, "names": some})


def without_superseded(table: ArrowTable) -> ArrowTable:
    """The records without those that a larger export of the same row takes the place of."""
    import numpy as np
    import pyarrow as pa

    best: dict[str, str] = {}
    of: list[str] = []
    for name in table["id"].to_pylist():
        whole = name.partition("/")[0] if name.startswith(SUMMED_ID) else ""
        of.append(whole)
        if whole:
            row = whole[:_ROW_CHARACTERS]
            best[row] = max(whole, best.get(row, whole))
    if not best:
        return table
    kept = [at for at, name in enumerate(of) if not name or best[name[:_ROW_CHARACTERS]] == name]
    return table.take(count_array(np.array(kept, np.int64), pa.int64()))


_PARTS: Final = (
    f"tenant = {{tenant:String}} AND startsWith(id, '{SUMMED_ID}') "
    "AND start >= fromUnixTimestamp64Micro({from:Int64}, 'UTC') "
    "AND start <= fromUnixTimestamp64Micro({to:Int64}, 'UTC')"
)
_NAME: Final = "substringIndex(id, '/', 1)"
_SUPERSEDED: Final = (
    "SELECT name FROM (SELECT name, row_number() OVER ("
    f"PARTITION BY substring(name, 1, {_ROW_CHARACTERS}) ORDER BY whole DESC, name DESC) AS place "
    f"FROM (SELECT {_NAME} AS name, "
    "count() >= toUInt64OrZero(splitByChar(':', name)[4]) AS whole "
    f"FROM {USAGE_TABLE} WHERE {_PARTS} GROUP BY name)) WHERE place > 1"
)
_REMOVE: Final = (
    f"ALTER TABLE {USAGE_TABLE} DELETE WHERE {_PARTS} "
    f"AND has({{names:Array(String)}}, {_NAME}) SETTINGS mutations_sync = 2"
)
