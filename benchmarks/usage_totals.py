"""Totals of a large tenant: summed then priced, against a price for every call, against a rollup.

    python benchmarks/usage_totals.py [--rows 1000000 10000000]

Thirty days of calls are made in the engine: three models, 400 users, 12 features, 7 teams. The
rollup is a table of sums by hour and everything one may group by, as a materialized view would
keep it; its figures are its size, the time to build it, and a sum over it, without prices.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from netra_optimizer import PriceTable, TenantUsage, UsageFilter, UsageStore
from netra_optimizer.usage.rates import COST_SQL
from netra_optimizer.usage.record import TOKEN_BUCKETS
from netra_optimizer.usage.schema import USAGE_TABLE

PART = 1_000_000
BY = ("model", "day", "hour", "feature", "user")
KEYS = "tenant, hour, provider, model, service_tier, team, feature, user, status"


def fill(store: UsageStore, tenant: str, rows: int) -> None:
    """Calls made by the engine itself."""
    for first in range(0, rows, PART):
        store._database.command(
            f"INSERT INTO {USAGE_TABLE} (tenant, id, start, model, provider, operation, "
            "service_tier, latency_ms, input_uncached, cache_read, output_text, user, team, "
            "feature, status, attempt) SELECT {tenant:String}, concat('chatcmpl-', "
            "toString(number)), fromUnixTimestamp64Micro(1793836800000000 + "
            f"intDiv(number * 2592000000000, {rows}), 'UTC'), "
            "['gpt-4o', 'gpt-5-mini', 'claude-sonnet-4-5'][number % 3 + 1], "
            "['openai', 'openai', 'anthropic'][number % 3 + 1], 'chat', 'standard', "
            "100 + number % 5000, cityHash64(number) % 9000, cityHash64(number, 1) % 4000, "
            "cityHash64(number, 2) % 900, concat('u-', toString(cityHash64(number, 3) % 400)), "
            "concat('t-', toString(number % 7)), concat('f-', toString(number % 12)), "
            "if(number % 50 = 0, 'error', 'ok'), 1 "
            f"FROM numbers({first}, {min(PART, rows - first)})",
            {"tenant": tenant},
        )


def best(work: Callable[[], object], rounds: int = 3) -> float:
    """Seconds of the quickest round."""
    took: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def measure(store: UsageStore, tenant: TenantUsage, prices: PriceTable, rows: int) -> None:
    """Print a line for each question."""
    database = store._database
    cost = f"sumIf({COST_SQL}, NOT isNaN({COST_SQL}))"
    sql, parameters = tenant._priced(f"u.model, count(), {cost}", prices, UsageFilter())
    every = best(lambda: database.rows(f"{sql} GROUP BY u.model", parameters))
    print(f"{rows:,} calls; every call priced, by model {every:8.2f} s")
    summary = best(lambda: tenant.summary(prices=prices))
    print(f"  summary {summary:29.2f} s {every / summary:6.1f} x")
    for by in BY:
        took = best(lambda by=by: tenant.breakdown(by, prices=prices))
        print(f"  by {by:8} {took:25.2f} s {every / took:6.1f} x  (with two quantiles)")
    sums = ", ".join(f"sum({bucket}) AS {bucket}" for bucket in TOKEN_BUCKETS)
    built = best(
        lambda: database.command(
            f"CREATE OR REPLACE TABLE rollup ENGINE = MergeTree ORDER BY ({KEYS}) AS "
            f"SELECT tenant, toStartOfHour(start) AS hour, {KEYS.partition('hour, ')[2]}, "
            f"count() AS requests, {sums} FROM {USAGE_TABLE} GROUP BY {KEYS}"
        ),
        rounds=1,
    )
    held = database.rows("SELECT count() FROM rollup")[0][0]
    asked = best(
        lambda: database.rows(f"SELECT model, sum(requests), {sums} FROM rollup GROUP BY model")
    )
    print(f"  rollup by hour: {held:,} rows, built in {built:.1f} s, summed by model {asked:.2f} s")


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    prices = PriceTable.load()
    for rows in parser.parse_args().rows:
        with tempfile.TemporaryDirectory() as folder:
            with UsageStore.open(Path(folder) / "store") as store:
                fill(store, "large", rows)
                measure(store, store.for_tenant("large"), prices, rows)


if __name__ == "__main__":
    main()
