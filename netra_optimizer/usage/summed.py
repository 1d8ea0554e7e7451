"""Rows that a provider has summed, and the same rows exported again when they had grown.

The id of a record says which row it is part of, what the row counts, and how many parts there are:
`sum:<row>:<requests>.<tokens>.<figures>:<parts>/<part>`, the counts in digits of one width, so that
names of one row sort by what they count. Of several exports of a row the largest that is there
whole stands for it, in whatever order they came; the smaller ones are removed. A larger one that is
there in part may be an import that goes on at this moment: only its own import removes it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from netra_optimizer.usage.arrow_types import ArrowTable
from netra_optimizer.usage.batch import MICROSECOND
from netra_optimizer.usage.columns import Int64, compute, count_array, numbers
from netra_optimizer.usage.record import TOKEN_BUCKETS
from netra_optimizer.usage.schema import USAGE_TABLE

if TYPE_CHECKING:
    from netra_optimizer.usage.database import Database

Thing = TypeVar("Thing")

SUMMED_ID: Final = "sum:"
_ROW_CHARACTERS: Final = len(SUMMED_ID) + 32
_REQUESTS_DIGITS: Final = 13
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
    requests = f"{counts['requests']:0{_REQUESTS_DIGITS}d}"
    return f"{SUMMED_ID}{row}:{requests}.{tokens:014d}.{figures}:{parts}"


class _Named(NamedTuple):
    """The stored records of one name."""

    row: str
    name: str
    wanted: int
    there: int
    first_us: int
    last_us: int
    own: bool

    @property
    def whole(self) -> bool:
        return self.there >= self.wanted


class SummedRows:
    """What some records on their way into the store are of the parts of summed rows."""

    def __init__(self) -> None:
        self._first_us: int | None = None
        self._last_us = 0
        self._imports: set[str] = set()

    def note(self, table: ArrowTable, import_id: str | None = None) -> None:
        """Look at records on their way into the store, by an import if it has an id."""
        found = compute().starts_with(table["id"], SUMMED_ID)
        if not compute().any(found).as_py():
            return
        start: Int64 = numbers(table["start"].filter(found), "int64").astype("int64", copy=False)
        imports = [import_id] if import_id is not None else table["import_id"].unique().to_pylist()
        self.add(int(start.min()), int(start.max()), imports)

    def add(self, first_us: int, last_us: int, imports: Iterable[str]) -> None:
        """Parts between two times, both included, that are in the store by these imports."""
        self._first_us = first_us if self._first_us is None else min(first_us, self._first_us)
        self._last_us = max(last_us, self._last_us)
        self._imports.update(imports)

    def settle(self, database: "Database", tenant: str) -> None:
        """Remove what a larger export of the same row has taken the place of."""
        if self._first_us is None:
            return
        _remove_nameless(database, tenant, self._first_us, self._last_us)
        period = {"from": self._first_us, "to": self._last_us + _LATER_US}
        whose = {"tenant": tenant, "imports": sorted(self._imports)}
        found = _named(database.rows(_RIVALS, {**whose, **period}))
        # Of a row longer than that time, parts lie beyond it.
        beyond = sorted({named.row for named in found if not named.whole})
        counted = [named for named in found if named.row not in set(beyond)]
        for rows in _portions(beyond):
            counted += _named(database.rows(_ALL_PARTS, {**whose, "rows": rows}))
        for some in _portions(_superseded(counted)):
            removed = {
                "tenant": tenant,
                "from": min(named.first_us for named in some),
                "to": max(named.last_us for named in some),
                "names": [named.name for named in some],
            }
            database.command(_REMOVE, removed)


def _remove_nameless(database: "Database", tenant: str, first_us: int, last_us: int) -> None:
    """Remove parts of the same rows that were stored when parts had no such names."""
    during = {"tenant": tenant, "from": first_us, "to": last_us}
    if database.rows(f"SELECT 1 FROM {USAGE_TABLE} WHERE {_NAMELESS} LIMIT 1", during):
        database.command(_REMOVE_NAMELESS, during)


def _named(rows: Sequence[tuple[Any, ...]]) -> list[_Named]:
    """Any: as the engine gives them."""
    return [
        _Named(
            str(name)[:_ROW_CHARACTERS], str(name), int(str(name).rpartition(":")[2] or 0),
            int(there), int(first), int(last), bool(own),
        )
        for name, there, first, last, own in rows
    ]  # fmt: skip


def _portions(of: list[Thing]) -> Iterator[list[Thing]]:
    return (of[first : first + _AT_ONCE] for first in range(0, len(of), _AT_ONCE))


def _superseded(found: Iterable[_Named]) -> list[_Named]:
    gone: list[_Named] = []
    for _, rivals in groupby(sorted(found), key=lambda named: named.row):
        of_row = list(rivals)
        best = max(of_row, key=lambda one: (one.whole, one.whole or not one.own, one.name))
        gone += [
            named
            for named in of_row
            if (best.whole and named.name < best.name)
            or (named.own and not named.whole and named is not best)
        ]
    return gone


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


_PARTS: Final = f"tenant = {{tenant:String}} AND startsWith(id, '{SUMMED_ID}')"
_DURING: Final = (
    "AND start >= fromUnixTimestamp64Micro({from:Int64}, 'UTC') "
    "AND start <= fromUnixTimestamp64Micro({to:Int64}, 'UTC')"
)
_NAME: Final = "substringIndex(id, '/', 1)"
_NAMED: Final = (
    f"SELECT {_NAME} AS name, count() AS there, min(toUnixTimestamp64Micro(start)) AS first_us, "
    "max(toUnixTimestamp64Micro(start)) AS last_us, "
    f"max(has({{imports:Array(String)}}, import_id)) AS own FROM {USAGE_TABLE} WHERE {_PARTS}"
)
_COLUMNS: Final = "name, there, first_us, last_us, own"
_RIVALS: Final = (
    f"SELECT {_COLUMNS} FROM (SELECT {_COLUMNS}, count() OVER ("
    f"PARTITION BY substring(name, 1, {_ROW_CHARACTERS})) AS rivals "
    f"FROM ({_NAMED} {_DURING} GROUP BY name)) WHERE rivals > 1"
)
_ALL_PARTS: Final = (
    f"{_NAMED} AND has({{rows:Array(String)}}, substring(id, 1, {_ROW_CHARACTERS})) GROUP BY name"
)
_WHAT: Final = "source, start, provider, model, service_tier, operation, user, team, feature"
_TOKENS: Final = ", ".join(TOKEN_BUCKETS)
_MANY: Final = (
    f"toUInt64OrZero(substring(id, {_ROW_CHARACTERS + 2}, {_REQUESTS_DIGITS})) > "
    f"toUInt64OrZero(splitByChar(':', {_NAME})[4])"
)
"""Whether a row is of more requests than parts: without names tokens were divided otherwise."""
_NAMELESS: Final = (
    f"tenant = {{tenant:String}} AND NOT startsWith(id, '{SUMMED_ID}') AND "
    "(source IN ('openai_usage', 'anthropic_usage') OR (source = 'generic' "
    "AND match(id, '/[0-9]+$') AND NOT startsWith(id, 'row:'))) "
    f"{_DURING}"
)
_REMOVE_NAMELESS: Final = (
    f"ALTER TABLE {USAGE_TABLE} DELETE WHERE {_NAMELESS} AND (({_WHAT}, {_TOKENS}) IN ("
    f"SELECT {_WHAT}, {_TOKENS} FROM {USAGE_TABLE} WHERE {_PARTS} {_DURING}) OR ({_WHAT}) IN ("
    f"SELECT {_WHAT} FROM {USAGE_TABLE} WHERE {_PARTS} {_DURING} AND {_MANY})) "
    "SETTINGS mutations_sync = 2"
)
_REMOVE: Final = (
    f"ALTER TABLE {USAGE_TABLE} DELETE WHERE {_PARTS} {_DURING} "
    f"AND has({{names:Array(String)}}, {_NAME}) SETTINGS mutations_sync = 2"
)
