"""`apex analyze` on files far larger than the store is opened for: memory stays bounded."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

MEGABYTES = 40
"""Above the size up to which a file goes through the store."""
ALLOWED_MB = 400
"""The interpreter with its libraries takes 130 MB; an engine or a second copy would not fit."""
FULL_MEGABYTES, FULL_ALLOWED_MB = 300, 1000
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""Runs a command; the last word of standard error is its peak, in KiB."""


def short_rows(rng: random.Random) -> Iterator[str]:
    """A table whose rows are as short as they get."""
    yield "timestamp,model,input_tokens,output_tokens,user"
    for n in count():
        when = (
            f"2026-11-{1 + n // 86400 % 28:02}T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z"
        )
        yield f"{when},gpt-4o,{rng.randrange(5000)},{rng.randrange(900)},u{n % 97}"


def bare_trace(rng: random.Random) -> Iterator[str]:
    """Times and counts alone."""
    yield "TIMESTAMP,ContextTokens,GeneratedTokens"
    for n in count():
        when = f"2026-11-01 {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}.{n % 10}79960"
        yield f"{when},{rng.randrange(5000)},{rng.randrange(900)}"


def prefix_blocks(rng: random.Random) -> Iterator[str]:
    """Conversations that carry all their blocks with them."""
    talks: list[list[int]] = [[0] for _ in range(300)]
    for n in count(1):
        place = rng.randrange(len(talks))
        ids = talks[place] = [*talks[place], n] if len(talks[place]) < 60 else [0, n]
        lengths = {"input_length": 512 * len(ids), "output_length": rng.randrange(1, 800)}
        yield json.dumps({"timestamp": 30 * n, **lengths, "hash_ids": ids})


@pytest.mark.process
@pytest.mark.proof
@pytest.mark.parametrize("shape", [short_rows, bare_trace, prefix_blocks])
def test_memory_stays_bounded_on_a_large_file(
    shape: Callable[[random.Random], Iterator[str]], tmp_path: Path, full_counts: bool
) -> None:
    if shape is bare_trace and not full_counts:
        pytest.skip("read as a table is: with APEX_PROOF=1 alone")
    megabytes = FULL_MEGABYTES if full_counts else MEGABYTES
    path = tmp_path / ("calls.jsonl" if shape is prefix_blocks else "calls.csv")
    written, rows = 0, shape(random.Random(1))
    with path.open("w") as file:
        while written < megabytes * 1_000_000:
            written += file.write(next(rows) + "\n")
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "netra_apex", "analyze", str(path), "--json"]
    with found.open("wb") as output:
        # From a small process: a child's peak begins with what its parent held at the fork.
        said = subprocess.run(
            [sys.executable, "-c", MEASURED, *command, "--model", "gpt-4o"],
            stdout=output,
            stderr=subprocess.PIPE,
            check=True,
        ).stderr
    answer = json.loads(found.read_text())
    assert answer["usage"]["requests"] == answer["audit"]["rows_kept"] > megabytes * 1000
    assert int(said.split()[-1]) / 1024 < (FULL_ALLOWED_MB if full_counts else ALLOWED_MB)
