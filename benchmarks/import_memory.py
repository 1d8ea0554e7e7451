"""Peak memory and speed of an import as the file grows: it should stay flat.

    python benchmarks/import_memory.py [--rows 100000 1000000] [--shape litellm|blocks|job]

Each size is imported in a process of its own: read, audited, recognized, stored. `litellm` is a
gateway's log of short lines, `blocks` a trace with 24 block names a row; `job` is the gateway's log
given to a running `apex serve` by `apex import`, and the memory is the server's. What stays behind
when the file grows by ten are the eight bytes an id by which repeats in the file are recognized.
"""

import argparse
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from netra_core.environment import get_env

BLOCK_ROWS = 10_000
SHAPES = ("litellm", "blocks", "job")


def write(path: Path, rows: int, shape: str) -> None:
    """The file, from a block of rows of which ids and times move on."""
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


def one(path: Path) -> None:
    """Import the file and say what it took."""
    from netra_optimizer import UsageStore, read_files

    with tempfile.TemporaryDirectory() as folder, UsageStore.open(Path(folder) / "s") as store:
        began = time.perf_counter()
        inserted = store.for_tenant("bench").insert(read_files(path, model="gpt-4o").batches())
        took = time.perf_counter() - began
    say(inserted.rows, path, took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def served(path: Path, rows: int) -> None:
    """Give the file to a server; its memory counts."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "netra_apex"]
        serve = [*command, "serve", "--port", "0", "--home", home]
        who = {"APEX_EMAIL": "bench@example.com", "APEX_PASSWORD": "a long enough phrase 77"}
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                url = next(
                    found[1] for said in server.stdout if (found := re.search(r"on (\S+)", said))
                )
                register(url, who)
                began = time.perf_counter()
                environment = {**get_env().get_all(), **who}
                subprocess.run(
                    [*command, "import", str(path), "--url", url],
                    check=True, env=environment, stdout=subprocess.DEVNULL,
                )  # fmt: skip
                took = time.perf_counter() - began
                peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())
                assert peak is not None
                say(rows, path, took, int(peak[1]))
            finally:
                server.terminate()


def register(url: str, who: dict[str, str]) -> None:
    """Sign up."""
    import httpx

    body = {"email": who["APEX_EMAIL"], "password": who["APEX_PASSWORD"]}
    httpx.post(f"{url}/auth/register", json=body).raise_for_status()


def say(rows: int, path: Path, took: float, peak_kb: int) -> None:
    """One line a size."""
    size = path.stat().st_size / 2**20
    speed, peak = rows / took, peak_kb / 1024
    print(f"{rows:10,} rows {size:8,.0f} MB {speed:10,.0f} rows/s peak {peak:6,.0f} MB", flush=True)


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
            path = Path(folder) / "calls.jsonl"
            write(path, rows, options.shape)
            if options.shape == "job":
                served(path, rows)
            else:
                subprocess.run([sys.executable, __file__, "--file", str(path)], check=True)


if __name__ == "__main__":
    main()
