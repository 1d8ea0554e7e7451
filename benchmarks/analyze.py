"""Time and peak memory of `analyze` with all levers, by number of records, and how they grow.

    python benchmarks/analyze.py [--records 12000 100000 1000000] [--block-tokens 256]

    python benchmarks/analyze.py --records 10000000 --block-tokens 2048   # about 10 GB

Each size runs in a process of its own; only the analysis is timed (records are made and priced
before). Growth is the exponent of the time between two sizes: 1 is linear.
"""

import argparse
import json
import math
import multiprocessing
import resource
import time

from msgspec import structs

from netra_optimizer import analyze, generate_workload, scenarios
from netra_optimizer.generate import scaled
from netra_optimizer.pricing import PriceTable

CALLS_OF_THE_DEMO = 24_000


def measure(records: int, block_tokens: int) -> dict[str, float]:
    """One size, in this process."""
    scenario = scaled(scenarios()["demo"], scale=records / CALLS_OF_THE_DEMO)
    scenario = structs.replace(scenario, block_tokens=block_tokens)
    prices = PriceTable.load()
    workload = generate_workload(1, scenario=scenario)
    began = time.perf_counter()
    frame = workload.frame(prices)
    framed = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    analysis = analyze(frame, prices=prices)
    ended = time.perf_counter()
    return {
        "records": len(frame),
        "blocks": len(frame.block_hashes),
        "frame_s": framed - began,
        "analyze_s": ended - framed,
        "before_mb": before,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "opportunities": len(analysis.opportunities),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[12_000, 100_000, 1_000_000])
    parser.add_argument(
        "--block-tokens", type=int, default=256, help="prompt tokens a prefix block (13 a call)"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    rows: list[dict[str, float]] = []
    for records in given.records:
        with context.Pool(1) as pool:
            rows.append(pool.apply(measure, (records, given.block_tokens)))
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
