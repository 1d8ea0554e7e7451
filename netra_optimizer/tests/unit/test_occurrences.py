"""How often ids came before, whatever lies in memory and whatever in files."""

import random
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra_optimizer.usage.occurrences import Occurrences

BATCHES = st.lists(st.lists(st.integers(0, 60).map(str), max_size=30), max_size=20)


def counted(batches: list[list[str]]) -> list[list[int]]:
    """The same by a counter that keeps every id."""
    seen: Counter[str] = Counter()
    found: list[list[int]] = []
    for ids in batches:
        found.append([])
        for one in ids:
            found[-1].append(seen[one])
            seen[one] += 1
    return found


@settings(max_examples=200, deadline=None)
@given(BATCHES, st.integers(1, 80))
def test_every_id_is_counted_wherever_it_lies(batches: list[list[str]], held: int) -> None:
    seen = Occurrences(held=held)
    assert [seen.count(ids).tolist() for ids in batches] == counted(batches)


def test_ids_in_runs_of_many_pages_are_found_again() -> None:
    rng = random.Random(1)
    batches = [[f"call-{rng.randrange(60_000)}" for _ in range(4000)] for _ in range(20)]
    seen = Occurrences(held=5000)
    assert [seen.count(ids).tolist() for ids in batches] == counted(batches)


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_ids() -> None:
    program = """
import re
from netra_optimizer.usage.occurrences import HELD, Occurrences
def highest():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\\s+(\\d+)", file.read())[1]) // 1024
seen, first = Occurrences(), 0
for batch in range(12 * HELD // 8192):
    assert not seen.count([f"call-{n}" for n in range(first, first + 8192)]).any()
    first += 8192
    if batch == 3 * HELD // 8192:
        print(highest())
print(highest())
"""
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    early, late = map(int, re.findall(r"\d+", said))
    assert late - early < 10  # eight bytes for each of the ids would be 19 MB
