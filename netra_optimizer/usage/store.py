"""The usage store: records in ClickHouse, reached through a view that is bound to one tenant."""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from netra_optimizer.errors import InputError
from netra_optimizer.usage.arrow_types import ArrowArray, ArrowBatch, ArrowTable
from netra_optimizer.usage.batch import EPOCH, batch_of_records, constant_text, schema
from netra_optimizer.usage.columns import count_array, lists, numbers
from netra_optimizer.usage.database import Database
from netra_optimizer.usage.filters import EVERYTHING, UsageFilter, dimensions, rfc3339
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.known import KnownIds
from netra_optimizer.usage.occurrences import Occurrences
from netra_optimizer.usage.rates import COST_SQL, RateRows, join_sql
from netra_optimizer.usage.record import TOKEN_BUCKETS, UsageRecord
from netra_optimizer.usage.returning import trim
from netra_optimizer.usage.schema import USAGE_TABLE
from netra_optimizer.usage.summed import SummedRows
from netra_optimizer.usage.totals import LATENCY, TOTALS, summed_sql

if TYPE_CHECKING:
    from netra_optimizer.pricing.table import PriceTable
    from netra_optimizer.usage.bill import BillLine, Reconciliation

INSERT_ROWS: Final = 65_536
"""Records looked up at once: what is known of them costs a pass over the ids in the store."""
PART_ROWS: Final = 2 * INSERT_ROWS
"""Records the engine is given at once, at most: it takes some 1 KB for each while it sorts."""
MANY_ROWS: Final = 8192
"""From so many on, what allocators keep is worth giving back before the engine takes its own."""
WHOLE_ROWS: Final = 200_000
"""Up to so many records a frame is read in one query."""


class Inserted(msgspec.Struct, frozen=True):
    """What an insert did: rows that are new, rows the store already had."""

    rows: int
    repeated: int


class UsageSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Totals. `input_tokens` counts all input. `cost_usd` covers priced calls only: the others are
    in `unpriced` (model → calls). `recorded_usd` is what sources said, None where none said.
    """

    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    recorded_usd: float | None = None
    first: str | None = None
    last: str | None = None
    unpriced: dict[str, int] = {}


class BreakdownRow(msgspec.Struct, frozen=True, kw_only=True):
    """One group. `key` has the group's values by dimension."""

    key: dict[str, str]
    requests: int
    errors: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced_requests: int
    recorded_usd: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None


class UsageStore:
    """All tenants' records. Nothing can be read or written but through `for_tenant`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rates = RateRows(database)
        self._known = KnownIds(database)
        self._inserting = threading.Lock()

    @classmethod
    def open(cls, location: Path | str) -> "UsageStore":
        """A folder for the embedded engine, or the URL of a ClickHouse server
        (`http[s]://user:password@host:port/database`).

        Raises StoreBusy when another process owns the folder, StoreUnreachable, StoreTooNew.
        """
        return cls(Database.open(location))

    def for_tenant(self, tenant: str) -> "TenantUsage":
        """The view of one tenant. Raises ValueError for an empty id."""
        if not tenant:
            raise ValueError("A tenant needs an id.")
        return TenantUsage(self._database, self._rates, self._known, self._inserting, tenant)

    def oldest(self) -> dict[str, datetime]:
        """When the first record of each tenant began, UTC; nothing else is told of any."""
        rows = self._database.rows(
            "SELECT tenant, toUnixTimestamp64Micro(min(start)) "
            f"FROM {USAGE_TABLE} GROUP BY tenant ORDER BY tenant"
        )
        return {str(tenant): EPOCH + timedelta(microseconds=int(us)) for tenant, us in rows}

    def rest(self) -> None:
        """Give back memory that is held for later: for a process that goes on with other work."""
        self._database.rest()

    def close(self) -> None:
        """Release the engine. The store cannot be used afterwards."""
        self._known.close()
        self._database.close()

    def __enter__(self) -> "UsageStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class TenantUsage:
    """One tenant's records. Every statement carries the tenant; none can be made without it."""

    def __init__(
        self,
        database: Database,
        rates: RateRows,
        known: KnownIds,
        inserting: threading.Lock,
        tenant: str,
    ) -> None:
        self._database = database
        self._rates = rates
        self._known = known
        self._inserting = inserting
        self._tenant = tenant

    def insert(
        self,
        batches: Iterable[ArrowBatch | Sequence[UsageRecord]],
        *,
        import_id: str | None = None,
        block_rows: int = INSERT_ROWS,
    ) -> Inserted:
        """Add records (batches in USAGE_SCHEMA, or sequences of records).

        A record whose id is already there is left as it is and counted as repeated. Rows are
        written in blocks of about `block_rows` that are there whole or not at all, so an insert
        that died may be run again. `import_id` overrides the records' own. Of rows that a provider
        has summed only the largest export of each stays.
        """
        summed = SummedRows()
        try:
            done = self._insert(_noted(_blocks(batches, block_rows), summed, import_id), import_id)
        except InputError:
            raise  # what came of a refused file is taken back, and takes nothing's place
        except BaseException:
            self._settle(summed)
            raise
        self._settle(summed)
        return done

    def settle(self, import_id: str) -> None:
        """Of an import that goes on no more: what it left of summed rows counts as `insert` says.

        A row that it stored in part gives way to another export of it that is there whole.
        """
        where = UsageFilter(import_id=import_id)
        times = "toUnixTimestamp64Micro(min(u.start)), toUnixTimestamp64Micro(max(u.start))"
        rows = self._rows(f"SELECT count(), {times} FROM", "", where)
        count, first_us, last_us = (int(value) for value in rows[0])
        if count:
            summed = SummedRows()
            summed.add(first_us, last_us, [import_id])
            self._settle(summed)

    def _settle(self, summed: SummedRows) -> None:
        with self._inserting:
            summed.settle(self._database, self._tenant)

    def _insert(self, blocks: Iterator[list[ArrowTable]], import_id: str | None) -> Inserted:
        rows = repeated = 0
        with ThreadPoolExecutor(1, thread_name_prefix="usage-insert") as behind:
            before: Future[int] | None = None
            for block in blocks:
                if before is not None:
                    rows += before.result()
                before = None
                given = block[0].num_rows
                repeated += given
                if given < INSERT_ROWS:
                    rows += self._add(block, import_id)
                else:  # stored while the next block is being made
                    if not rows and repeated == given:
                        self._database.rest()  # opening runs through code that is not needed again
                    before = behind.submit(self._add_and_rest, block, import_id)
            if before is not None:
                rows += before.result()
        return Inserted(rows, repeated - rows)

    def count(self, where: UsageFilter = EVERYTHING) -> int:
        """How many records fit."""
        return int(self._rows("SELECT count() FROM", "", where)[0][0])

    def requests(self, where: UsageFilter = EVERYTHING) -> int:
        """How many calls those records stand for."""
        return int(self._rows("SELECT sum(u.requests) FROM", "", where)[0][0])

    def frame(
        self,
        where: UsageFilter | None = None,
        *,
        prices: "PriceTable | None" = None,
        whole_rows: int = WHOLE_ROWS,
    ) -> UsageFrame:
        """Records in columns, sorted by (start, id), priced when prices are given.

        More than `whole_rows` records are read column by column, to hold no second copy of them.
        """
        chosen = where or EVERYTHING
        if self.count(chosen) <= whole_rows:
            return UsageFrame.from_arrow(self.arrow(chosen), prices)
        with self._inserting:
            return self._large_frame(chosen, prices, whole_rows)

    def arrow(
        self, where: UsageFilter = EVERYTHING, *, prices: "PriceTable | None" = None
    ) -> ArrowTable:
        """Records in USAGE_SCHEMA, sorted by (start, id); with prices also `cost_usd`, the same
        moment's (nan: no price).
        """
        names = ", ".join(f"u.{name} AS {name}" for name in schema().names)
        sql, parameters = (
            self._from(f"SELECT {names} FROM", "", where)
            if prices is None
            else self._priced(f"{names}, {COST_SQL} AS cost_usd", prices, where)
        )
        return self._database.table(f"{sql} ORDER BY u.start, u.id", parameters)

    def cost(self, prices: "PriceTable", where: UsageFilter = EVERYTHING) -> ArrowTable:
        """Columns id and cost_usd (nan: no price), in (start, id) order, computed by the join."""
        sql, parameters = self._priced(f"u.id AS id, {COST_SQL} AS cost_usd", prices, where)
        return self._database.table(f"{sql} ORDER BY u.start, u.id", parameters)

    def summary(self, where: UsageFilter = EVERYTHING, *, prices: "PriceTable") -> UsageSummary:
        """Totals of the records that fit."""
        summed = self._summed([], prices, where)
        if summed is None:
            return UsageSummary()
        sql, parameters = summed
        row = self._database.rows(
            f"SELECT {TOTALS}, min(first_us), max(last_us) FROM ({sql})", parameters
        )[0]
        unpriced: list[tuple[Any, ...]] = []
        if row[6]:
            unpriced = self._database.rows(
                f"SELECT model, sum(requests) AS calls FROM ({sql}) WHERE isNaN(cost) "
                "GROUP BY model ORDER BY calls DESC, model",
                parameters,
            )
        requests = int(row[0])
        return UsageSummary(
            requests=requests,
            errors=int(row[1]),
            input_tokens=int(row[2]),
            cached_input_tokens=int(row[3]),
            output_tokens=int(row[4]),
            cost_usd=float(row[5]),
            recorded_usd=_optional(row[7]),
            first=rfc3339(int(row[8])) if requests else None,
            last=rfc3339(int(row[9])) if requests else None,
            unpriced={str(model): int(calls) for model, calls in unpriced},
        )

    def breakdown(
        self,
        by: str | Sequence[str],
        where: UsageFilter = EVERYTHING,
        *,
        prices: "PriceTable",
        limit: int = 10_000,
    ) -> list[BreakdownRow]:
        """Totals by group (see DIMENSIONS), dearest first; over time in time's order.

        Raises BadQuery for a name that is no dimension.
        """
        groups = dimensions(by)
        summed = self._summed([key for _, key in groups], prices, where, latency=True)
        if summed is None:
            return []
        sql, parameters = summed
        names = ", ".join(f"g{place}" for place in range(len(groups)))
        timed = any(name in ("day", "hour", "month") for name, _ in groups)
        order = names if timed else f"t_cost DESC, t_requests DESC, {names}"
        rows = self._database.rows(
            f"SELECT {names}, {TOTALS}, {LATENCY} FROM ({sql}) "
            f"GROUP BY {names} ORDER BY {order} LIMIT {int(limit)}",
            parameters,
        )
        return [_breakdown_row([name for name, _ in groups], row) for row in rows]

    def charges(
        self, prices: "PriceTable", where: UsageFilter = EVERYTHING
    ) -> list[dict[str, Any]]:
        """One entry a day, model, tier, team, feature, user and kind of token that was used.

        Keys: day, next_day, provider, model, tier, team, feature, user, requests, bucket, tokens,
        cost_usd (None: no price). A fee for each request is an entry of its own, of the bucket
        `request` and no tokens. Any: text and numbers.
        """
        groups = "toDate(u.start, 'UTC') AS g0, " + ", ".join(
            f"u.{name} AS g{i}" for i, name in enumerate(_CHARGED, 1)
        )
        sums = ", ".join(f"sum(u.{b}), sum(u.{b} * p.{b})" for b in TOKEN_BUCKETS)
        names = ", ".join(f"g{i}" for i in range(len(_CHARGED) + 1))
        sql, parameters = self._priced(
            f"{groups}, sum(u.requests), {sums}, sum(u.requests * p.request)", prices, where
        )
        rows = self._database.rows(f"{sql} GROUP BY {names} ORDER BY {names}", parameters)
        return [charge for row in rows for charge in _charges(row)]

    def reconcile(
        self, bill: "Iterable[BillLine]", where: UsageFilter = EVERYTHING, *, prices: "PriceTable"
    ) -> "Reconciliation":
        """Hold the records that fit against a provider's bill."""
        from netra_optimizer.usage.bill import reconcile

        rows = self.breakdown(["day", "provider", "model"], where, prices=prices, limit=10**6)
        return reconcile(rows, bill)

    def erase(self, where: UsageFilter = EVERYTHING) -> int:
        """Remove records from disk; returns how many there were."""
        count = self.count(where)
        if count:
            conditions, parameters = where.where()
            self._database.command(
                f"ALTER TABLE {USAGE_TABLE} DELETE WHERE tenant = {{tenant:String}}"
                f"{conditions.replace(' u.', ' ').replace('(u.', '(')} SETTINGS mutations_sync = 2",
                {"tenant": self._tenant, **parameters},
            )
        return count

    def _large_frame(
        self, where: UsageFilter, prices: "PriceTable | None", size: int
    ) -> UsageFrame:
        """Column by column, and block hashes in slices, so that no second copy of all is held."""

        def column(name: str) -> ArrowArray:
            return self._column(f"u.{name}", where)

        rows = self.count(where)
        ends = np.cumsum(numbers(self._column("length(u.block_hashes)", where), np.int64))
        offsets = np.concatenate([[0], ends]).astype(np.int64)
        blocks = np.empty(offsets[-1], np.uint64)
        for first in range(0, rows, size):
            part, _ = lists(self._column("u.block_hashes", where, f"LIMIT {size} OFFSET {first}"))
            last = min(first + size, rows)
            blocks[offsets[first] : offsets[last]] = numbers(part, np.uint64)
        return UsageFrame.from_columns(column, (blocks, offsets), prices)

    def _column(self, expression: str, where: UsageFilter, limit: str = "") -> ArrowArray:
        sql, parameters = self._from(f"SELECT {expression} AS found FROM", "", where)
        table = self._database.table(f"{sql} ORDER BY u.start, u.id {limit}", parameters)
        return table.column("found")

    def _add(self, block: list[ArrowTable], import_id: str | None) -> int:
        """Store what is new of the one table in `block`, taken from there; how many rows that are.

        Nobody holds it while the engine works.
        """
        with self._inserting:
            owned = self._owned(self._fresh(block.pop()), import_id)
            rows = owned.num_rows
            parts = [
                self._database.staged(owned.slice(first, PART_ROWS))
                for first in range(0, rows, PART_ROWS)
            ]
            del owned
            for insert in parts:
                if rows > MANY_ROWS:
                    trim()
                insert(USAGE_TABLE)
        return rows

    def _add_and_rest(self, block: list[ArrowTable], import_id: str | None) -> int:
        """The same for one block of many: none leaves memory behind that the next adds to."""
        rows = self._add(block, import_id)
        self._database.rest()
        return rows

    def _fresh(self, table: ArrowTable) -> ArrowTable:
        import pyarrow as pa

        ids: list[str] = table["id"].to_pylist()
        fresh = Occurrences().count(ids) == 0
        fresh[self._known.places(self._tenant, ids)] = False
        if fresh.all():
            return table
        return table.take(count_array(np.flatnonzero(fresh), pa.int64()))

    def _owned(self, table: ArrowTable, import_id: str | None) -> ArrowTable:
        rows = table.num_rows
        if import_id is not None:
            place = table.schema.get_field_index("import_id")
            table = table.set_column(place, "import_id", constant_text(import_id, rows))
        return table.add_column(0, "tenant", constant_text(self._tenant, rows))

    def _rows(self, select: str, join: str, where: UsageFilter) -> list[tuple[Any, ...]]:
        return self._database.rows(*self._from(select, join, where))

    def _from(self, select: str, join: str, where: UsageFilter) -> tuple[str, dict[str, Any]]:
        conditions, parameters = where.where()
        sql = f"{select} {USAGE_TABLE} AS u {join} WHERE u.tenant = {{tenant:String}}{conditions}"
        return sql, {"tenant": self._tenant, **parameters}

    def _priced(
        self, columns: str, prices: "PriceTable", where: UsageFilter
    ) -> tuple[str, dict[str, Any]]:
        name, _ = self._rated(prices, where)
        sql, parameters = self._from(f"SELECT {columns} FROM", join_sql(prices), where)
        return sql, {**parameters, "prices": name}

    def _summed(
        self,
        keys: Sequence[str],
        prices: "PriceTable",
        where: UsageFilter,
        *,
        latency: bool = False,
    ) -> tuple[str, dict[str, Any]] | None:
        """The query that sums the records that fit, None where there are none."""
        name, used = self._rated(prices, where)
        if not used:
            return None
        conditions, parameters = where.where()
        sql = summed_sql(keys, conditions, prices, used, latency=latency)
        return sql, {**parameters, "tenant": self._tenant, "prices": name}

    def _rated(
        self, prices: "PriceTable", where: UsageFilter
    ) -> tuple[str, list[tuple[str, str, str]]]:
        """The name of the prices, and what they are needed of; their rates are in the store."""
        sql, parameters = self._from("SELECT u.provider, u.model, u.service_tier FROM", "", where)
        used = self._database.rows(
            f"{sql} GROUP BY u.provider, u.model, u.service_tier", parameters
        )
        combinations = [(provider, model, tier) for provider, model, tier in used]
        return self._rates.ensure(prices, combinations), combinations


def _breakdown_row(names: list[str], row: tuple[Any, ...]) -> BreakdownRow:
    key, totals = row[: len(names)], row[len(names) :]
    return BreakdownRow(
        key={name: str(value) for name, value in zip(names, key, strict=True)},
        requests=int(totals[0]),
        errors=int(totals[1]),
        input_tokens=int(totals[2]),
        cached_input_tokens=int(totals[3]),
        output_tokens=int(totals[4]),
        cost_usd=float(totals[5]),
        unpriced_requests=int(totals[6]),
        recorded_usd=_optional(totals[7]),
        latency_p50_ms=_optional(totals[8][0]),
        latency_p95_ms=_optional(totals[8][1]),
    )


def _charges(row: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    day, *named = row[: len(_CHARGED) + 1]
    sums = row[len(_CHARGED) + 2 :]
    entries = [(b, int(sums[2 * i]), float(sums[2 * i + 1])) for i, b in enumerate(TOKEN_BUCKETS)]
    for bucket, tokens, cost in (*entries, ("request", 0, float(sums[-1]))):
        if tokens or (bucket == "request" and cost > 0):
            yield {
                "day": str(day),
                "next_day": str(day + timedelta(days=1)),
                **dict(zip(_CHARGED, named, strict=True)),
                "tier": named[_CHARGED.index("service_tier")],
                "requests": int(row[len(_CHARGED) + 1]),
                "bucket": bucket,
                "tokens": tokens,
                "cost_usd": None if math.isnan(cost) else cost,
            }


_CHARGED: Final = ("provider", "model", "service_tier", "team", "feature", "user")


def _optional(value: Any) -> float | None:
    """Any: a number of the engine's; nan is none."""
    return None if value is None or math.isnan(value) else float(value)


def _batch(given: ArrowBatch | Sequence[UsageRecord]) -> ArrowBatch:
    return batch_of_records(given) if isinstance(given, Sequence) else given


def _blocks(
    batches: Iterable[ArrowBatch | Sequence[UsageRecord]], block_rows: int
) -> Iterator[list[ArrowTable]]:
    """Batches gathered into blocks of about `block_rows`, each alone in a list to take it from."""
    held: list[ArrowBatch] = []
    rows = 0
    for given in batches:
        batch = _batch(given)
        held.append(batch)
        rows += batch.num_rows
        if rows >= block_rows:
            yield _emptied(held)
            rows = 0
    if held:
        yield _emptied(held)


def _noted(
    blocks: Iterator[list[ArrowTable]], summed: SummedRows, import_id: str | None
) -> Iterator[list[ArrowTable]]:
    for block in blocks:
        summed.note(block[0], import_id)
        yield block


def _emptied(held: list[ArrowBatch]) -> list[ArrowTable]:
    import pyarrow as pa

    block = [pa.Table.from_batches(held).combine_chunks()]
    held.clear()
    return block
