"""Which ids a tenant's records have already: a block's ids go to the engine, places come back.

They go as rows, into a small table in memory that is this process's own: a statement's parameters
would be bounded (a ClickHouse server takes 128 KiB for one), and slower by an order of magnitude.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import numpy as np

from netra_optimizer.usage.columns import Int64, count_array, numbers, text_array
from netra_optimizer.usage.schema import ARRIVING_PREFIX, USAGE_TABLE

if TYPE_CHECKING:
    from netra_optimizer.usage.database import Database

_DAY_S: Final = 86_400


class KnownIds:
    """Asks for one block at a time; the caller takes care that nobody else does meanwhile."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._table = f"{ARRIVING_PREFIX}{uuid4().hex}"
        self._made = False

    def places(self, tenant: str, ids: Sequence[str]) -> Int64:
        """Places of the ids that a record of the tenant has, ascending."""
        import pyarrow as pa

        self._make()
        places = count_array(np.arange(len(ids), dtype=np.int32), pa.int32())
        rows = pa.Table.from_arrays([places, text_array(ids)], names=["place", "id"])
        try:
            self._database.insert(self._table, rows)
            found = self._database.table(
                f"SELECT place FROM {self._table} WHERE (id_hash, id) IN "
                f"(SELECT id_hash, id FROM {USAGE_TABLE} WHERE tenant = {{tenant:String}} "
                f"AND id_hash IN (SELECT id_hash FROM {self._table})) ORDER BY place",
                {"tenant": tenant},
            )
        finally:
            self._database.command(f"TRUNCATE TABLE {self._table}")
        return numbers(found["place"], np.int32).astype(np.int64)

    def close(self) -> None:
        """Remove the table."""
        if self._made:
            self._database.command(f"DROP TABLE IF EXISTS {self._table}")

    def _make(self) -> None:
        """Another node may have taken the table for one that a dead process left behind."""
        if self._made and self._database.embedded:  # there is no other node
            return
        if not self._made:
            self._remove_abandoned()
        self._database.command(
            f"CREATE TABLE IF NOT EXISTS {self._table} "
            "(place Int32, id String, id_hash UInt64 MATERIALIZED xxh3(id)) ENGINE = Memory"
        )
        self._made = True

    def _remove_abandoned(self) -> None:
        abandoned = self._database.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() "
            "AND startsWith(name, {prefix:String}) "
            "AND metadata_modification_time < now() - {age:UInt32}",
            {"prefix": ARRIVING_PREFIX, "age": _DAY_S},
        )
        for (name,) in abandoned:
            self._database.command(f"DROP TABLE IF EXISTS `{name}`")
