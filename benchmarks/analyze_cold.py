"""Seconds of `apex analyze` from a cold start of the command, and its peak memory.

On the published Mooncake trace where APEX_REAL_DATA has it, else on a generated workload of as
many calls. Baseline of the same run: the command's `--version`, which imports little.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from netra_core.environment import get_env
from netra_optimizer.generate import demo_scenario, generate_workload, scaled, write_workload

ROUNDS = 5


def seconds(*arguments: str) -> float:
    """Wall time of one run of the command in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "netra_apex", *arguments]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def measure(name: str, *arguments: str) -> None:
    """Print median and worst of a few runs."""
    found = [seconds(*arguments) for _ in range(ROUNDS)]
    print(f"{name:44}{statistics.median(found):9.2f}{max(found):9.2f}")


def main() -> None:
    """Measure the baseline, then the command on one file."""
    print(f"{'':44}{'median s':>9}{'worst s':>9}")
    measure("apex --version (baseline)", "--version")
    data = get_env().get("APEX_REAL_DATA")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(data or "/nonexistent") / "mooncake" / "conversation_trace.jsonl"
        options = ["--model", "claude-sonnet-4-5"]
        if not path.is_file():
            path, options = Path(folder) / "calls.jsonl", []
            scenario = scaled(demo_scenario(), scale=0.5)
            write_workload(generate_workload(seed=7, scenario=scenario), path, "litellm")
        measure(f"apex analyze {path.name}", "analyze", str(path), *options)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
