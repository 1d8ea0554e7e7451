"""A store at rest gives memory back, and answers afterwards as it did before."""

import re
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
