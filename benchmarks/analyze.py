"""Time and peak memory of `analyze` with all levers, by number of records, and how they grow.

    python benchmarks/analyze.py [--records 12000 100000 1000000] [--block-tokens 256]

    python benchmarks/analyze.py --records 1000000 10000000

Records are made, a million at a time, and written to a Parquet file by one process; another one
reads them into columns (`columns`) and analyzes them (`analyze`); its peak is told. Growth is the
exponent of the time between two sizes: 1 is linear. Not measured: reading other formats (see
large_files.py).
"""

import argparse
import json
import math
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from msgspec import structs

from netra_optimizer import PriceTable, analyze, generate_workload, scenarios
from netra_optimizer.generate import scaled
from netra_optimizer.usage.arrow_types import ArrowBatch
from netra_optimizer.usage.columns import compute
from netra_optimizer.usage.spool import spooled_frame

CALLS_OF_THE_DEMO = 24_000
PIECE = 1_000_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def write(path: Path, records: int, block_tokens: int) -> None:
    """The demo's traffic in as many pieces as it takes, one after the other in time."""
    writer: pq.ParquetWriter | None = None
    start = BEGIN
    for piece, first in enumerate(range(0, records, PIECE)):
        scale = min(PIECE, records - first) / CALLS_OF_THE_DEMO
        scenario = scaled(scenarios()["demo"], scale=scale)
        scenario = structs.replace(scenario, block_tokens=block_tokens)
        table = generate_workload(1 + piece, scenario=scenario, start=start).table
        ids = compute().binary_join_element_wise(f"{piece:03}", table["id"], "-")
        table = table.set_column(0, table.schema.field("id"), ids)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=50_000)
        start = table["start"][-1].as_py() + timedelta(hours=1)
    if writer is not None:
        writer.close()


def batches(path: Path) -> Iterator[ArrowBatch]:
    """What the file holds, some thousand records at a time."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group).to_batches(max_chunksize=8192)


def measure(path: Path) -> dict[str, float]:
    """One size, in this process."""
    prices = PriceTable.load()
    began = time.perf_counter()
    frame = spooled_frame(batches(path), prices)
    framed = time.perf_counter()
    analysis = analyze(frame, prices=prices)
    ended = time.perf_counter()
    return {
        "records": len(frame),
        "blocks": len(frame.block_hashes),
        "frame_s": framed - began,
        "analyze_s": ended - framed,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "opportunities": len(analysis.opportunities),
    }


def one_size(records: int, block_tokens: int) -> dict[str, float]:
    """Written by one process, measured in another."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "usage.parquet"
        with context.Pool(1) as pool:
            pool.apply(write, (path, records, block_tokens))
        with context.Pool(1) as pool:
            return pool.apply(measure, (path,))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[12_000, 100_000, 1_000_000])
    parser.add_argument(
        "--block-tokens", type=int, default=256, help="prompt tokens a prefix block (13 a call)"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[dict[str, float]] = []
    for records in given.records:
        rows.append(one_size(records, given.block_tokens))
        if not given.json:
            print(line(rows))
    if given.json:
        print(json.dumps(rows, indent=2))


def line(rows: list[dict[str, float]]) -> str:
    """The last row, with its growth over the one before."""
    row = rows[-1]
    said = (
        f"{row['records']:>10,} records  {row['blocks']:>11,} blocks  "
        f"columns {row['frame_s']:6.2f} s  analyze {row['analyze_s']:7.2f} s  "
        f"peak {row['peak_mb']:7,.0f} MB"
    )
    if len(rows) > 1:
        last = rows[-2]
        exponent = math.log(row["analyze_s"] / last["analyze_s"]) / math.log(
            row["records"] / last["records"]
        )
        said += f"  growth {exponent:.2f}"
    return said


if __name__ == "__main__":
    main()
