"""Peak memory and time of `apex analyze` on large generated files of many shapes.

    python benchmarks/large_files.py [--megabytes 300] [--shapes table trace …]

Baseline: the size of the file itself. Peak memory is that of the largest process the command needs.
Not measured: several files at once, the server's import.
"""

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ("alpha", "beta", "gamma", "delta", "omega", "lorem", "ipsum", "dolor")


def stamp(n: int) -> str:
    """A time that moves on by a second a row."""
    return (
        f"2026-11-{1 + n // 86400 % 28:02d}T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
    )


def table(rng: random.Random) -> Iterator[str]:
    """A CSV of short rows."""
    yield "timestamp,model,input_tokens,output_tokens,user,feature"
    for n in count():
        counts = f"{rng.randrange(50, 5000)},{rng.randrange(1, 900)}"
        yield f"{stamp(n)},gpt-4o,{counts},u{n % 977},f{n % 7}"


def narrow(rng: random.Random) -> Iterator[str]:
    """A CSV of the least a row can say, all of one kind."""
    yield "timestamp,model,input_tokens,output_tokens"
    for n in count():
        yield f"{stamp(n)},gpt-4o,{rng.randrange(50, 5000)},{rng.randrange(1, 900)}"


def named(rng: random.Random) -> Iterator[str]:
    """A CSV with an id, a user, a conversation and a prompt hash of its own in nearly every row."""
    yield "id,timestamp,model,input_tokens,output_tokens,user,conversation,prompt_hash,temperature"
    for n in count():
        counts = f"{rng.randrange(50, 5000)},{rng.randrange(1, 900)}"
        names = f"u{rng.randrange(10**7):07d},{rng.getrandbits(64):016x},{rng.getrandbits(64):016x}"
        yield f"req-{n:09d},{stamp(n // 3)},gpt-4o,{counts},{names},0"


def spoiled(rng: random.Random) -> Iterator[str]:
    """The CSV of short rows, every second row without use."""
    rows = table(rng)
    yield next(rows)
    for n, row in enumerate(rows):
        spoilt = (row + ",more", row.replace("2026", "then"), row[:-6], row.replace(",", ",-"))
        yield spoilt[n // 2 % 4] if n % 2 else row


def azure(rng: random.Random) -> Iterator[str]:
    """A trace in Azure's shape."""
    yield "TIMESTAMP,ContextTokens,GeneratedTokens"
    for n in count():
        when = stamp(n // 9)[:-1].replace("T", " ")
        yield f"{when}.{n % 9}799600,{rng.randrange(3, 9000)},{rng.randrange(1, 900)}"


def trace(rng: random.Random) -> Iterator[str]:
    """A trace with prefix blocks that hardly repeat."""
    at = block = 0
    while True:
        at, size = at + rng.randrange(400), rng.randrange(3, 45)
        ids = [rng.randrange(50), *range(1000 + block, 1000 + block + size)]
        block += size
        lengths = {"input_length": 512 * size + 100, "output_length": rng.randrange(1, 800)}
        yield json.dumps({"timestamp": at, **lengths, "hash_ids": ids})


def talks(rng: random.Random) -> Iterator[str]:
    """A trace of conversations: nearly every block is used again."""
    at = block = 0
    open_talks: list[list[int]] = [[0, 1, 2]]
    while True:
        at += rng.randrange(40)
        place = rng.randrange(len(open_talks))
        grown = rng.randrange(1, 4)
        ids = [*open_talks[place], *range(3 + block, 3 + block + grown)]
        block += grown
        open_talks[place] = ids if len(ids) < 60 else [0, 1, 2]
        if len(open_talks) < 500:
            open_talks.append([0, 1, 2])
        lengths = {"input_length": 512 * len(ids) - 100, "output_length": rng.randrange(1, 800)}
        line = {"timestamp": at, **lengths, "hash_ids": ids}
        yield json.dumps(line, separators=(",", ":"))


def gateway(rng: random.Random) -> Iterator[str]:
    """LiteLLM spend logs."""
    for n in count():
        given, answered = rng.randrange(50, 5000), rng.randrange(1, 900)
        row = {
            "request_id": f"chatcmpl-{n:09d}", "call_type": "acompletion", "api_key": f"k{n % 50}",
            "spend": 0.01, "total_tokens": given + answered, "prompt_tokens": given,
            "completion_tokens": answered, "startTime": stamp(n), "endTime": stamp(n + 1),
            "model": "gpt-4o", "custom_llm_provider": "openai", "user": f"u{n % 977}",
            "metadata": {"user_api_key_team_alias": f"t{n % 9}"}, "cache_hit": "False",
        }  # fmt: skip
        yield json.dumps(row)


def lines(rng: random.Random) -> Iterator[str]:
    """Short JSON objects, columns by name."""
    for n in count():
        counts = {"input_tokens": rng.randrange(50, 5000), "output_tokens": rng.randrange(1, 900)}
        row = {"timestamp": stamp(n), "model": "gpt-4o", **counts, "user": f"u{n % 977}"}
        yield json.dumps(row)


def texts(rng: random.Random) -> Iterator[str]:
    """OpenAI request logs with full texts."""
    for n in count():
        asked = " ".join(rng.choices(WORDS, k=600))
        messages = [
            {"role": "system", "content": "Be brief. " * 80},
            {"role": "user", "content": asked},
        ]
        answer = {"message": {"role": "assistant", "content": "ok " * 100}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
        response = {"id": f"c{n}", "model": "gpt-4o", "choices": [answer], "usage": usage}
        request = {"model": "gpt-4o", "messages": messages, "temperature": 0}
        yield json.dumps({"timestamp": 1_763_000_000 + n, "request": request, "response": response})


def messages(rng: random.Random) -> Iterator[str]:
    """Anthropic request logs of short calls."""
    for n in count():
        asked = " ".join(rng.choices(WORDS, k=5))
        usage = {"input_tokens": rng.randrange(9, 900), "output_tokens": rng.randrange(1, 900)}
        response = {
            "id": f"msg_{n}", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn",
            "usage": usage | {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
        }  # fmt: skip
        request = {
            "model": "claude-sonnet-4-5", "max_tokens": 900,
            "messages": [{"role": "user", "content": asked}],
        }  # fmt: skip
        yield json.dumps({"timestamp": stamp(n), "request": request, "response": response})


def broken(rng: random.Random) -> Iterator[str]:
    """JSON Lines of which not one can be read."""
    yield '{"timestamp": "2026-11-01T10:00:00Z", "model": "gpt-4o"'
    for n in count():
        yield f'{{"timestamp": {n}, "model": gpt-4o, "input_tokens": {rng.randrange(900)}'


def write_lines(shape: Callable[[random.Random], Iterator[str]], path: Path, size: int) -> None:
    """Lines until the file has its size."""
    written = 0
    rows = shape(random.Random(1))
    with path.open("w") as file:
        while written < size:
            written += file.write(next(rows) + "\n")


def write_array(path: Path, size: int) -> None:
    """One JSON array."""
    rows = lines(random.Random(1))
    with path.open("w") as file:
        written = file.write("[" + next(rows))
        while written < size:
            written += file.write(",\n" + next(rows))
        file.write("]")


def write_one_line(path: Path, size: int) -> None:
    """One JSON object that never ends a line."""
    with path.open("w") as file:
        file.write('{"timestamp": "2026-11-01T10:00:00Z", "request": {"messages": [{"content": "')
        for _ in range(size // 1_000_000):
            file.write("alpha " * 166_667)
        file.write('"}]}, "response": {"usage": {"input_tokens": 1, "output_tokens": 1}}}\n')


def write_binary(path: Path, size: int) -> None:
    """Bytes without sense."""
    rng = random.Random(1)
    with path.open("wb") as file:
        for _ in range(size // 1_000_000):
            file.write(rng.randbytes(1_000_000))


def write_gzip(path: Path, size: int) -> None:
    """The CSV of short rows of that size, packed."""
    written = 0
    rows = table(random.Random(1))
    with gzip.open(path, "wt", compresslevel=1) as file:
        while written < size:
            written += file.write(next(rows) + "\n")


def write_parquet(path: Path, size: int) -> None:
    """A table of as many rows as the CSV of short rows of that size has, in columns."""
    count_, rng = size // 45, np.random.default_rng(1)
    rows = np.arange(count_)
    columns = {
        "timestamp": pa.array(rows * 1_000_000 + 1_760_000_000_000_000, pa.timestamp("us", "UTC")),
        "model": pa.array(["gpt-4o"]).take(pa.array(np.zeros(count_, np.int32))),
        "input_tokens": pa.array(rng.integers(50, 5000, count_)),
        "output_tokens": pa.array(rng.integers(1, 900, count_)),
        "user": pa.array([f"u{n}" for n in range(977)]).take(pa.array(rows % 977)),
    }
    pq.write_table(pa.table(columns), path)


Write = Callable[[Path, int], None]


def _of_lines(shape: Callable[[random.Random], Iterator[str]]) -> Write:
    return lambda path, size: write_lines(shape, path, size)


SHAPES: dict[str, tuple[str, Write]] = {
    "table": ("csv", _of_lines(table)),
    "narrow": ("csv", _of_lines(narrow)),
    "named": ("csv", _of_lines(named)),
    "spoiled": ("csv", _of_lines(spoiled)),
    "azure": ("csv", _of_lines(azure)),
    "trace": ("jsonl", _of_lines(trace)),
    "talks": ("jsonl", _of_lines(talks)),
    "gateway": ("jsonl", _of_lines(gateway)),
    "lines": ("jsonl", _of_lines(lines)),
    "texts": ("jsonl", _of_lines(texts)),
    "messages": ("jsonl", _of_lines(messages)),
    "broken": ("jsonl", _of_lines(broken)),
    "array": ("json", write_array),
    "one_line": ("jsonl", write_one_line),
    "binary": ("bin", write_binary),
    "packed": ("csv.gz", write_gzip),
    "columns": ("parquet", write_parquet),
}
WITHOUT_MODEL = frozenset({"azure", "trace", "talks"})


def measure(path: Path, name: str, *, output: Path) -> dict[str, float | str]:
    """Run the command on a file: exit code, seconds, peak memory in MB, its error line."""
    command = [sys.executable, "-m", "netra_apex", "analyze", str(path), "--json"]
    command += ["--model", "gpt-4o"] if name in WITHOUT_MODEL else []
    started = time.perf_counter()
    with output.open("wb") as out, output.with_suffix(".error").open("wb") as error:
        process = subprocess.Popen(command, stdout=out, stderr=error)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit": process.returncode,
        "seconds": time.perf_counter() - started,
        "peak_mb": used.ru_maxrss / 1024,
        "error": output.with_suffix(".error").read_text()[:100].strip(),
    }


def said(output: Path) -> str:
    """Rows kept of rows read."""
    try:
        audit = json.loads(output.read_text())["audit"]
    except ValueError:
        return ""
    return f"{audit['rows_kept']:,} of {audit['rows_read']:,} rows"


def main() -> None:
    """One line a shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--keep", type=Path, help="a folder to keep the files in")
    given = parser.parse_args()
    for name in given.shapes:
        kind, write = SHAPES[name]
        with tempfile.TemporaryDirectory() as folder:
            path = (given.keep or Path(folder)) / f"{name}.{kind}"
            if not path.exists():
                write(path, given.megabytes * 1_000_000)
            output = Path(folder) / "out.json"
            found = measure(path, name, output=output)
            print(
                f"{path.name:15} {path.stat().st_size / 1e6:4.0f} MB  exit {found['exit']}  "
                f"{found['seconds']:6.1f} s  peak {found['peak_mb']:6,.0f} MB  "
                f"{said(output)}{found['error']}",
                flush=True,
            )


if __name__ == "__main__":
    main()
