"""Totals in SQL: calls are summed first, and what was summed is priced.

Calls of one model and tier between the same dates, times of day and sizes have one rate, so their
sum costs what they cost one by one. A join of every call with its rate takes 20 times as long.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from netra_optimizer.usage.rates import SIZE_SQL, Call, cell_sql, join_sql
from netra_optimizer.usage.record import INPUT_BUCKETS, OUTPUT_BUCKETS, TOKEN_BUCKETS
from netra_optimizer.usage.schema import USAGE_TABLE

if TYPE_CHECKING:
    from netra_optimizer.pricing.table import PriceTable
    from netra_optimizer.usage.rates import Combination

TOTALS: Final = (
    "sum(requests) AS t_requests, sum(errors), sum(inputs), sum(cached), sum(outputs), "
    "sumIf(cost, NOT isNaN(cost)) AS t_cost, sumIf(requests, isNaN(cost)), "
    "if(sum(recordings) = 0, NULL, sum(recorded))"
)
"""Over the rows of `summed_sql`: requests, errors, tokens in, from a cache, out, USD, requests
without a price, USD recorded."""
LATENCY: Final = (
    "if(sum(timed) = 0, [nan, nan], quantilesExactMerge(0.5, 0.95)(latency)) AS t_latency"
)
"""Both quantiles; nan where no call has a latency (the engine makes 0 of none)."""

_START_US: Final = "toUnixTimestamp64Micro(u.start)"
_ALIKE: Final = Call("c.provider", "c.model", "c.tier", "c.at_us", "c.size")


def summed_sql(
    keys: Sequence[str],
    conditions: str,
    prices: "PriceTable",
    used: "Sequence[Combination]",
    *,
    latency: bool = False,
) -> str:
    """One row for each group of `keys` (expressions on calls `u`), model, tier and rate.

    Columns: g0, g1, …, model, requests, errors, inputs, cached, outputs, recorded, recordings,
    first_us, last_us, cost (USD, nan where there is no price), and with `latency` how many
    calls are timed and a state of quantiles. `used` are the combinations of provider, model and
    tier among the calls.
    """
    cells = cell_sql(prices, used)
    groups = [f"{key} AS g{place}" for place, key in enumerate(keys)]
    groups += [f"{cell} AS k{place}" for place, cell in enumerate(cells)]
    names = [group.rpartition(" ")[2] for group in groups]
    chosen = [
        *groups,
        "u.provider AS provider, u.model AS model, u.service_tier AS tier",
        "sum(u.requests) AS requests, sumIf(u.requests, u.status = 'error') AS errors",
        *(f"sum(u.{bucket}) AS s_{bucket}" for bucket in TOKEN_BUCKETS),
        "sum(u.cost_recorded) AS recorded, count(u.cost_recorded) AS recordings",
        f"min({_START_US}) AS first_us, max({_START_US}) AS last_us",
        f"any({_START_US}) AS at_us, any({SIZE_SQL}) AS size",
        *(_TIMED if latency else []),
    ]
    inner = (
        f"SELECT {', '.join(chosen)} FROM {USAGE_TABLE} AS u "
        f"WHERE u.tenant = {{tenant:String}}{conditions} "
        f"GROUP BY {', '.join([*names, 'provider', 'model', 'tier'])}"
    )
    cost = " + ".join(f"c.s_{bucket} * p.{bucket}" for bucket in TOKEN_BUCKETS)
    kept = [
        *(f"c.g{place} AS g{place}" for place in range(len(keys))),
        *(f"c.{name} AS {name}" for name in _KEPT),
        f"{_sum(INPUT_BUCKETS)} AS inputs, {_sum(OUTPUT_BUCKETS)} AS outputs",
        f"c.s_cache_read AS cached, {cost} + c.requests * p.request AS cost",
        *(["c.timed AS timed", "c.latency AS latency"] if latency else []),
    ]
    return f"SELECT {', '.join(kept)} FROM ({inner}) AS c {join_sql(prices, _ALIKE)}"


_TIMED: Final = (
    "count(u.latency_ms) AS timed",
    "quantilesExactState(0.5, 0.95)(u.latency_ms) AS latency",
)
_KEPT: Final = ("model", "requests", "errors", "recorded", "recordings", "first_us", "last_us")


def _sum(buckets: Sequence[str]) -> str:
    return " + ".join(f"c.s_{bucket}" for bucket in buckets)
