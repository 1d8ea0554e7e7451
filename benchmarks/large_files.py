"""Peak memory and time of `apex analyze` on large generated files of four shapes.

The size in MB is the first argument (default 300). Baseline: the size of the file itself.
Not measured: several files at once, the server's import.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

WORDS = ("alpha", "beta", "gamma", "delta", "omega", "lorem", "ipsum", "dolor")


def stamp(n: int) -> str:
    """A time that moves on by a second a row."""
    return (
        f"2026-11-{1 + n // 86400 % 28:02d}T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
    )


def table(rng: random.Random) -> Iterator[str]:
    """A CSV of short rows."""
    yield "timestamp,model,input_tokens,output_tokens,user,feature"
    for n in range(10**9):
        counts = f"{rng.randrange(50, 5000)},{rng.randrange(1, 900)}"
        yield f"{stamp(n)},gpt-4o,{counts},u{n % 977},f{n % 7}"


def trace(rng: random.Random) -> Iterator[str]:
    """A trace with prefix blocks that hardly repeat."""
    at = block = 0
    while True:
        at, size = at + rng.randrange(400), rng.randrange(3, 45)
        ids = [rng.randrange(50), *range(1000 + block, 1000 + block + size)]
        block += size
        lengths = {"input_length": 512 * size + 100, "output_length": rng.randrange(1, 800)}
        yield json.dumps({"timestamp": at, **lengths, "hash_ids": ids})


def gateway(rng: random.Random) -> Iterator[str]:
    """LiteLLM spend logs."""
    for n in range(10**9):
        given, answered = rng.randrange(50, 5000), rng.randrange(1, 900)
        row = {
            "request_id": f"chatcmpl-{n:09d}", "call_type": "acompletion", "api_key": f"k{n % 50}",
            "spend": 0.01, "total_tokens": given + answered, "prompt_tokens": given,
            "completion_tokens": answered, "startTime": stamp(n), "endTime": stamp(n + 1),
            "model": "gpt-4o", "custom_llm_provider": "openai", "user": f"u{n % 977}",
            "metadata": {"user_api_key_team_alias": f"t{n % 9}"}, "cache_hit": "False",
        }  # fmt: skip
        yield json.dumps(row)


def texts(rng: random.Random) -> Iterator[str]:
    """OpenAI request logs with full texts."""
    for n in range(10**9):
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


SHAPES = {"gateway.jsonl": gateway, "texts.jsonl": texts, "table.csv": table, "trace.jsonl": trace}


def write(path: Path, lines: Iterator[str], size: int) -> int:
    """Fill the file; the number of lines."""
    written = count = 0
    with path.open("w") as file:
        while written < size:
            written += file.write(next(lines) + "\n")
            count += 1
    return count


def main() -> None:
    """One line a shape."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for name, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            lines = write(path, shape(random.Random(1)), megabytes * 1_000_000)
            command = [sys.executable, "-m", "netra_apex", "analyze", str(path), "--json"]
            command += ["--model", "gpt-4o"] if shape is trace else []
            started = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds, peak = time.perf_counter() - started, used.ru_maxrss / 1024
            print(
                f"{name:14} {megabytes} MB {lines:>9,} lines  exit {process.returncode}  "
                f"{seconds:6.1f} s  peak {peak:6,.0f} MB  {peak / megabytes:5.1f} x the file"
            )


if __name__ == "__main__":
    main()
