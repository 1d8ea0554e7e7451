"""Peak memory and speed of an import as the file grows: it should stay flat.

    python benchmarks/import_memory.py [--rows 100000 1000000]

Each size runs in a process of its own: a trace with 24 block names a row, read, audited, stored.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write(path: Path, rows: int) -> None:
    """A trace of conversations in the Mooncake shape."""
    rng = random.Random(1)
    with path.open("w") as file:
        for row in range(rows):
            length = rng.randrange(500, 24_000)
            names = [rng.randrange(10**6) for _ in range(-(-length // 512))]
            file.write(json.dumps({
                "timestamp": row * 3, "input_length": length, "output_length": rng.randrange(900),
                "hash_ids": names,
            }) + "\n")  # fmt: skip


def one(path: Path) -> None:
    """Import the file and say what it took."""
    from netra_optimizer import UsageStore, read_files

    with tempfile.TemporaryDirectory() as folder, UsageStore.open(Path(folder) / "s") as store:
        began = time.perf_counter()
        inserted = store.for_tenant("bench").insert(read_files(path, model="gpt-4o").batches())
        took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = path.stat().st_size / 2**20
    speed = inserted.rows / took
    print(f"{inserted.rows:10,} rows {size:8,.0f} MB {speed:10,.0f} rows/s peak {peak:6,.0f} MB")


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.file:
        one(options.file)
        return
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.jsonl"
            write(path, rows)
            subprocess.run([sys.executable, __file__, "--file", str(path)], check=True)


if __name__ == "__main__":
    main()
