"""The price table inside the store, so that SQL joins calls with the rate of their day and size."""

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from netra_optimizer.pricing.schedule import BEGINNING, DAY_US
from netra_optimizer.pricing.units import RATE_COLUMNS
from netra_optimizer.usage.arrow_types import ArrowTable
from netra_optimizer.usage.columns import count_array, text_array
from netra_optimizer.usage.record import INPUT_BUCKETS, TOKEN_BUCKETS
from netra_optimizer.usage.schema import RATES_TABLE

if TYPE_CHECKING:
    from netra_optimizer.pricing.schedule import Schedule
    from netra_optimizer.pricing.table import PriceTable
    from netra_optimizer.usage.database import Database

END: Final = 2**62

SIZE_SQL: Final = (
    "intDiv(" + " + ".join(f"u.{bucket}" for bucket in INPUT_BUCKETS) + ", greatest(u.requests, 1))"
)
"""Input tokens of one of the requests that a call `u` stands for."""
COST_SQL: Final = (
    "("
    + " + ".join(f"u.{bucket} * p.{bucket}" for bucket in TOKEN_BUCKETS)
    + " + u.requests * p.request)"
)
"""USD of a call `u` at its rate `p`, nan where there is no price."""

Combination = tuple[str, str, str]
"""Provider, model and tier as recorded."""


class RateRows:
    """Keeps the rates of every recorded combination in the store, each written once by a process.

    Rates are named by the price table's fingerprint, so rows never go stale: other prices are
    other rows.
    """

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._lock = threading.Lock()
        self._written: dict[str, set[Combination]] = {}

    def ensure(self, prices: "PriceTable", combinations: Iterable[Combination]) -> str:
        """Write what is missing; returns the fingerprint to join on."""
        name = prices.fingerprint
        with self._lock:
            known = self._written.get(name)
            if known is None:
                known = self._written[name] = self._stored(name)
            missing = [combination for combination in combinations if combination not in known]
            if missing:
                self._database.insert(RATES_TABLE, _rows(prices, missing))
                known.update(missing)
        return name

    def _stored(self, name: str) -> set[Combination]:
        sql = (
            f"SELECT DISTINCT provider, model, tier FROM {RATES_TABLE} "
            "WHERE prices = {prices:String}"
        )
        return {(p, m, t) for p, m, t in self._database.rows(sql, {"prices": name})}


class Call(NamedTuple):
    """The expressions by which a call, or calls that cost alike, are joined with their rate."""

    provider: str = "u.provider"
    model: str = "u.model"
    tier: str = "u.service_tier"
    start_us: str = "toUnixTimestamp64Micro(u.start)"
    size: str = SIZE_SQL


_CALL: Final = Call()


def join_sql(prices: "PriceTable", call: Call = _CALL) -> str:
    """The join of calls with rates `p`: exactly one rate row for every call.

    Two processes on one server may both have written a rate that neither found.
    """
    at = call.start_us if prices.as_of is None else f"{prices.as_of_us}"
    clock = f"modulo({call.start_us}, {DAY_US})"
    return (
        f"INNER JOIN (SELECT * FROM {RATES_TABLE} WHERE prices = {{prices:String}} "
        "LIMIT 1 BY provider, model, tier, from_us, clock_from_us, over) AS p "
        f"ON p.provider = {call.provider} AND p.model = {call.model} AND p.tier = {call.tier} "
        f"AND {at} >= p.from_us AND {at} < p.until_us "
        f"AND {clock} >= p.clock_from_us AND {clock} < p.clock_until_us "
        f"AND {call.size} > p.over AND {call.size} <= p.upto"
    )


def cell_sql(prices: "PriceTable", combinations: Iterable[Combination]) -> list[str]:
    """Expressions that are equal for calls of one combination only where their rate is.

    They count how many of the dates, times of day and sizes at which any of the combinations
    changes its price lie behind the call.
    """
    call = _CALL
    dates: set[int] = set()
    times: set[int] = set()
    sizes: set[int] = set()
    for provider, model, tier in combinations:
        schedule = prices.schedule(model, provider, tier)
        if schedule is not None:
            dates.update(schedule.dates_us.tolist()[1:])
            times.update(schedule.times_us.tolist()[1:])
            sizes.update(schedule.over.tolist()[1:])
    if prices.as_of is not None:
        dates = set()
    clock = f"modulo({call.start_us}, {DAY_US})"
    steps = (
        [f"({call.start_us} >= {date})" for date in sorted(dates)],
        [f"({clock} >= {time})" for time in sorted(times)],
        [f"({call.size} > {size})" for size in sorted(sizes)],
    )
    return [" + ".join(step) for step in steps if step]


def _rows(prices: "PriceTable", combinations: Iterable[Combination]) -> ArrowTable:
    import pyarrow as pa

    texts: list[list[str]] = [[], [], [], []]
    bounds: list[list[int]] = []
    rates: list[Any] = []
    name = prices.fingerprint
    for provider, model, tier in combinations:
        for limits, row in _cells(prices.schedule(model, provider, tier)):
            for column, value in zip(texts, (name, provider, model, tier), strict=True):
                column.append(value)
            bounds.append(limits)
            rates.append(row)
    numbers = np.array(bounds, np.int64)
    values = np.array(rates, np.float64)
    names = ["prices", "provider", "model", "tier", *_BOUNDS, *RATE_COLUMNS]
    arrays = [text_array(column) for column in texts]
    arrays += [count_array(numbers[:, i], pa.int64()) for i in range(len(_BOUNDS))]
    arrays += [count_array(values[:, i], pa.float64()) for i in range(len(RATE_COLUMNS))]
    return pa.Table.from_arrays(arrays, names=names)


_BOUNDS: Final = ("from_us", "until_us", "clock_from_us", "clock_until_us", "over", "upto")


def _cells(schedule: "Schedule | None") -> Iterator[tuple[list[int], Any]]:
    if schedule is None:
        yield [BEGINNING, END, 0, DAY_US, -1, END], [np.nan] * len(RATE_COLUMNS)
        return
    for date in _segments(schedule.dates_us.tolist(), END):
        for clock in _segments(schedule.times_us.tolist(), DAY_US):
            for band in _segments(schedule.over.tolist(), END):
                place = date[0], clock[0], band[0]
                yield [*date[1:], *clock[1:], *band[1:]], schedule.rates[place]


def _segments(begins: list[int], end: int) -> Iterator[tuple[int, int, int]]:
    for place, begin in enumerate(begins):
        yield place, begin, begins[place + 1] if place + 1 < len(begins) else end
