"""A store at rest gives memory back, and answers afterwards as it did before."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from netra_optimizer import PriceTable, UsageRecord, UsageStore


def resident_mb() -> float:
    """Memory of this process that is resident now."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1000


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_store_that_rested_holds_less_and_answers_the_same(tmp_path: Path) -> None:
    start = datetime(2026, 11, 20, 10, tzinfo=UTC)
    calls = [
        UsageRecord(
            id=f"call-{i}",
            start=start + timedelta(seconds=i),
            model="gpt-4o",
            provider="openai",
            input_uncached=1000 + i,
            output_text=10,
        )
        for i in range(1000)
    ]
    prices = PriceTable.load()
    with UsageStore.open(tmp_path / "usage") as store:
        tenant = store.for_tenant("one")
        tenant.insert([calls])
        before, at_work = tenant.breakdown("hour", prices=prices)[0], resident_mb()
        store.rest()
        at_rest, after = resident_mb(), tenant.breakdown("hour", prices=prices)[0]
    assert (after.requests, after.input_tokens) == (before.requests, before.input_tokens)
    assert (before.requests, after.cost_usd) == (1000, pytest.approx(before.cost_usd, abs=1e-9))
    assert at_rest < at_work - 50


PLAIN_WORK = """
import sys
from datetime import UTC, datetime, timedelta
from netra_optimizer import PriceTable, UsageRecord, UsageStore, analyze
start = datetime(2026, 11, 20, 10, tzinfo=UTC)
calls = [
    UsageRecord(id=f"c{i}", start=start + timedelta(minutes=i), model="gpt-4o", provider="openai",
                input_uncached=1500 + i, output_text=120, feature="chat" if i % 2 else "tags")
    for i in range(480)
]
with UsageStore.open(sys.argv[1]) as store:
    tenant, prices = store.for_tenant("one"), PriceTable.load()
    tenant.insert([calls])
    tenant.summary(prices=prices)
    tenant.breakdown("feature", prices=prices)
    found = analyze(tenant.frame(prices=prices), prices=prices)
print(len(found.opportunities) > 0, [m for m in ("pandas", "scipy.optimize") if m in sys.modules])
"""


def test_storing_summing_and_analysing_traffic_loads_neither_pandas_nor_a_solver(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", PLAIN_WORK, str(tmp_path / "usage")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"
