"""Usage in a notebook: files in, tables out, nothing stored."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netra_optimizer.errors import OptimizerError
from netra_optimizer.results import Audit
from netra_optimizer.usage.arrow_types import ArrowTable
from netra_optimizer.usage.batch import schema
from netra_optimizer.usage.columns import real_array
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.reading import read_files
from netra_optimizer.usage.summed import without_superseded

if TYPE_CHECKING:
    from netra_optimizer.pricing.table import PriceTable


class LibraryMissing(OptimizerError):
    """A table library that was asked for is not installed."""

    code = "OPT-111"


class Usage:
    """Records read from files, held in memory as one Arrow table."""

    def __init__(self, table: ArrowTable, *, audit: Audit, format: str) -> None:
        self._table = table
        self.audit = audit
        """What became of every row of the files."""
        self.format = format
        """The formats that were found."""

    @classmethod
    def from_files(cls, paths: "Sequence[Path | str] | Path | str", **options: Any) -> "Usage":
        """Read files; `options` are those of read_files (model, fmt, start, timezone, mapping, …).

        Raises InputError as read_files does. Any: passed on.
        """
        import pyarrow as pa

        imported = read_files(paths, **options)
        table = without_superseded(pa.Table.from_batches(list(imported.batches()), schema()))
        return cls(table, audit=imported.audit, format=imported.format)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def frame(self, prices: "PriceTable | None" = None) -> UsageFrame:
        """Columns sorted by (start, id), as `analyze` takes them."""
        return UsageFrame.from_arrow(self._table, prices)

    def to_arrow(self, prices: "PriceTable | None" = None) -> ArrowTable:
        """An Arrow table sorted by (start, id), with the column cost_usd when prices are given."""
        table = self._table.sort_by([("start", "ascending"), ("id", "ascending")])
        if prices is None:
            return table
        cost = UsageFrame.from_arrow(table, prices).cost_usd
        return table.append_column("cost_usd", real_array(cost))

    def to_pandas(self, prices: "PriceTable | None" = None) -> Any:
        """A pandas DataFrame (Any: pandas is no dependency of its own)."""
        return self.to_arrow(prices).to_pandas()

    def to_polars(self, prices: "PriceTable | None" = None) -> Any:
        """A Polars DataFrame (Any: Polars is no dependency). Raises LibraryMissing without it."""
        try:
            from polars import from_arrow
        except ModuleNotFoundError:
            raise LibraryMissing("Polars is not installed.", hint="pip install polars") from None
        return from_arrow(self.to_arrow(prices))
