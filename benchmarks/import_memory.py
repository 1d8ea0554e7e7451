"""Peak memory and speed of an import as the file grows, and whose memory it is.

    python benchmarks/import_memory.py [--rows 100000 1000000] [--shape litellm|blocks|parquet|job]

Each size is imported in a process of its own: read, audited, recognized, stored. `litellm` is a
gateway's log of short lines, `blocks` a trace with 24 block names a row, `parquet` a table of
calls; `job` is the gateway's log given to a running `apex serve` by `apex import`, and the memory
is the server's. Beside the peak stand the most that was anonymous (allocators and program data)
and of files (mapped program code) at any time, and, for an embedded store, the most its engine
said it had allocated and its allocator held. Ids seen lie in files: what still grows by some tens
of MB is the engine, whose parts and merges grow with the store.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from netra_core.environment import get_env

BLOCK_ROWS = 10_000
SHAPES = ("litellm", "blocks", "parquet", "job")
LOOK_S = 0.02


def write(path: Path, rows: int, shape: str) -> None:
    """The file, from a block of rows of which ids and times move on."""
    if shape == "parquet":
        _write_table(path, rows)
        return
    rng = random.Random(1)
    make = _trace if shape == "blocks" else _spend
    block = [make(rng) for _ in range(BLOCK_ROWS)]
    with path.open("w") as file:
        for first in range(0, rows, BLOCK_ROWS):
            numbered = enumerate(block[: rows - first], first)
            file.writelines(before + str(row) + after for row, (before, after) in numbered)


def _spend(rng: random.Random) -> tuple[str, str]:
    prompt, said = rng.randrange(200, 9000), rng.randrange(5, 900)
    at = f"2026-11-{rng.randrange(1, 25):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:07Z"
    return '{"request_id": "chatcmpl-', (
        f'", "call_type": "acompletion", "spend": {prompt * 3e-6:.6f}, "total_tokens": '
        f'{prompt + said}, "prompt_tokens": {prompt}, "completion_tokens": {said}, "startTime": '
        f'"{at}", "endTime": "{at}", "model": "gpt-4o", "custom_llm_provider": "openai", '
        f'"end_user": "u-{rng.randrange(400)}", "metadata": {{}}}}\n'
    )


def _trace(rng: random.Random) -> tuple[str, str]:
    length = rng.randrange(500, 24_000)
    names = [rng.randrange(10**6) for _ in range(-(-length // 512))]
    return '{"timestamp": ', (
        f', "input_length": {length}, "output_length": {rng.randrange(900)}, '
        f'"hash_ids": {names}}}\n'
    )


def _write_table(path: Path, rows: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    kind = pa.schema(
        [
            ("request_id", pa.string()), ("timestamp", pa.timestamp("us", "UTC")),
            ("model", pa.string()), ("input_tokens", pa.int64()), ("output_tokens", pa.int64()),
            ("cost", pa.float64()), ("user", pa.string()),
        ]
    )  # fmt: skip
    with pq.ParquetWriter(path, kind) as file:
        for first in range(0, rows, BLOCK_ROWS):
            numbers = np.arange(first, min(first + BLOCK_ROWS, rows))
            count = len(numbers)
            file.write_table(
                pa.table(
                    [
                        [f"chatcmpl-{n}" for n in numbers.tolist()],
                        pa.array(1_763_000_000_000_000 + numbers * 1000).cast(kind.types[1]),
                        ["gpt-4o"] * count,
                        rng.integers(200, 9000, count),
                        rng.integers(5, 900, count),
                        rng.random(count),
                        [f"u-{n}" for n in rng.integers(0, 400, count).tolist()],
                    ],
                    schema=kind,
                )
            )


class Peaks:
    """The most of several figures, asked in a thread until the block ends."""

    def __init__(self, ask: Callable[[], dict[str, int]]) -> None:
        self.found: dict[str, int] = {}
        self._ask = ask
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            for name, value in self._ask().items():
                self.found[name] = max(value, self.found.get(name, 0))

    def __enter__(self) -> "Peaks":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def resident(pid: int) -> dict[str, int]:
    """Memory of a process by kind, in MB: VmHWM, VmRSS, RssAnon, RssFile."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:  # it has ended
        return {}
    found = re.findall(r"(VmHWM|VmRSS|RssAnon|RssFile):\s+(\d+) kB", status)
    return {name: int(value) // 1024 for name, value in found}


@contextmanager
def engine_of(folder: Path) -> Generator[Callable[[], dict[str, int]]]:
    """What asks the embedded engine for what it has allocated, and what its allocator holds."""
    import clickhouse_connect

    def ask() -> dict[str, int]:
        ((said,),) = client.query("SELECT stats FROM system.jemalloc_stats").result_rows
        found = re.findall(r"(Allocated|resident): (\d+)", said)[:2]
        return {name.lower(): int(value) >> 20 for name, value in found}

    client = clickhouse_connect.get_client(interface="chdb", path=str(folder))
    yield ask
    client.close()


def one(path: Path) -> None:
    """Import the file and say what it took."""
    from netra_optimizer import UsageStore, read_files

    with tempfile.TemporaryDirectory() as folder, UsageStore.open(Path(folder) / "s") as store:
        began = time.perf_counter()
        tenant, imported = store.for_tenant("bench"), read_files(path, model="gpt-4o")
        with engine_of(Path(folder) / "s") as ask, Peaks(ask) as engine:
            with Peaks(lambda: resident(OWN)) as own:
                inserted = tenant.insert(imported.batches())
        took = time.perf_counter() - began
    say(inserted.rows, path, took, own.found | engine.found)


OWN = os.getpid()


def served(path: Path, rows: int) -> None:
    """Give the file to a server; its memory counts."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "netra_apex"]
        serve = [*command, "serve", "--port", "0", "--home", home]
        who = {"APEX_EMAIL": "bench@example.com", "APEX_PASSWORD": "a long enough phrase 77"}
        room = {**get_env().get_all(), "APEX_USAGE_MAX_UPLOAD_BYTES": str(1 << 36)}
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, env=room) as server:
            assert server.stdout is not None
            try:
                url = next(
                    found[1] for said in server.stdout if (found := re.search(r"on (\S+)", said))
                )
                register(url, who)
                began = time.perf_counter()
                with Peaks(lambda: resident(server.pid)) as peaks:
                    subprocess.run(
                        [*command, "import", str(path), "--url", url],
                        check=True, env={**room, **who}, stdout=subprocess.DEVNULL,
                    )  # fmt: skip
                say(rows, path, time.perf_counter() - began, peaks.found)
            finally:
                server.terminate()


def register(url: str, who: dict[str, str]) -> None:
    """Sign up."""
    import httpx

    body = {"email": who["APEX_EMAIL"], "password": who["APEX_PASSWORD"]}
    httpx.post(f"{url}/auth/register", json=body).raise_for_status()


def say(rows: int, path: Path, took: float, peaks: dict[str, int]) -> None:
    """One line a size."""
    size = path.stat().st_size / 2**20
    engine = "".join(
        f"{name} {peaks[name]:4} MB  " for name in ("allocated", "resident") if name in peaks
    )
    print(
        f"{rows:10,} rows {size:6,.0f} MB {rows / took:8,.0f} rows/s  peak {peaks['VmHWM']:4} MB  "
        f"anonymous {peaks['RssAnon']:4} MB  files {peaks['RssFile']:4} MB  "
        + (f"engine: {engine}" if engine else ""),
        flush=True,
    )


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--shape", choices=SHAPES, default="litellm")
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.file:
        one(options.file)
        return
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / ("c.parquet" if options.shape == "parquet" else "calls.jsonl")
            write(path, rows, options.shape)
            if options.shape == "job":
                served(path, rows)
            else:
                subprocess.run([sys.executable, __file__, "--file", str(path)], check=True)


if __name__ == "__main__":
    main()
