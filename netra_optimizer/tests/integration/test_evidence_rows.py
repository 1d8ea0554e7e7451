"""The query of each opportunity gives the rows that its evidence counts, from a real store."""

from pathlib import Path

import pytest

from netra_optimizer import UsageStore, analyze, generate_workload
from netra_optimizer.generate.matrix import known_answer_scenarios
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.database import Database

pytestmark = pytest.mark.integration
LEVERS = ("prompt_cache", "model_switch", "retry_waste")
"""Those whose evidence counts the whole part; the others add a condition of their own."""
NAMES = ("unnamed_sizes", "unnamed_shapes", "unnamed_job", "twins_in_chat")


def test_queries_give_the_rows_that_the_evidence_counts(tmp_path: Path) -> None:
    prices = PriceTable.load()
    database = Database.open(tmp_path / "usage")
    checked: set[str] = set()
    with UsageStore(database) as store:
        for name in NAMES:
            scenario = next(s for s in known_answer_scenarios() if s.name == name)
            workload = generate_workload(3, scenario=scenario)
            tenant = store.for_tenant(name)
            tenant.insert(workload.table.to_batches())
            found = analyze(tenant.frame(prices=prices), prices=prices).opportunities
            for opportunity in found:
                query = opportunity.evidence["query"]
                rows = database.rows(f"SELECT count() FROM ({query})", {"tenant": name})
                if opportunity.lever in LEVERS:
                    assert rows[0][0] == opportunity.evidence["requests"], opportunity.id
                checked.add(opportunity.lever)
    assert checked >= {"prompt_cache", "batch_tier", "model_switch", "retry_waste"}
