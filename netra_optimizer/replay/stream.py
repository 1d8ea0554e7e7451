"""One replay: the policies applied to the stream of calls in the order a request meets them.

Response cache, model switch, tier, trimming, prompt cache, and then the price of what is left. A
policy edits columns of calls; none knows a price. A replay without policies costs what was billed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.prefix import PrefixIndex
from netra_optimizer.replay.prompt_cache import CachePlan, settle
from netra_optimizer.usage.columns import Bool, Float64, Int32, Int64, Text, is_constant, taken
from netra_optimizer.usage.frame import Calls, UsageFrame

LATEST_PRICES: Final = date(9999, 1, 1)
"""A day on which every price of the list has begun."""


class Stage(IntEnum):
    """The order in which a request meets the policies."""

    RESPONSE_CACHE = 1
    MODEL = 2
    TIER = 3
    TOKENS = 4
    PROMPT_CACHE = 5


@dataclass(frozen=True, eq=False)
class Traffic:
    """The calls of some rows of a frame, with what a replay needs of them, in canonical order."""

    rows: Int64
    """Rows of the frame, rising."""
    calls: Calls
    cost_usd: Float64
    """What was billed; 0 where the model has no price, which counts nowhere."""
    priced: Bool
    answered: Bool
    """False for calls that failed; they neither fill nor use a cache."""
    prefix: PrefixIndex
    block_tokens: Int32

    @classmethod
    def of(cls, frame: UsageFrame) -> "Traffic":
        """All rows of a frame."""
        prefix = PrefixIndex.build(frame.block_hashes, frame.block_offsets, frame.calls.start_us)
        priced, cost = ~np.isnan(frame.cost_usd), frame.cost_usd
        if priced.all():
            priced = np.broadcast_to(np.True_, len(frame))
        else:
            cost = np.where(priced, cost, 0.0)
        answered = frame.status.equals("ok")
        return cls(frame.every_row, frame.calls, cost, priced, answered, prefix, frame.block_tokens)

    def take(self, rows: Int64) -> "Traffic":
        """The given rows of the frame (rising), which must be among these."""
        if len(rows) == len(self.rows):
            return self
        at = self.positions(rows)
        return Traffic(
            rows,
            self.calls.take(at),
            self.cost_usd[at],
            taken(self.priced, at),
            taken(self.answered, at),
            self.prefix.take(at),
            taken(self.block_tokens, at),
        )

    def positions(self, rows: Int64) -> Int64:
        """Where the given rows of the frame stand here."""
        if len(rows) == len(self.rows):
            whole = len(rows) == 0 or self.rows[-1] == len(rows) - 1
            return self.rows if whole else np.arange(len(rows), dtype=np.int64)
        return np.searchsorted(self.rows, rows)

    def __len__(self) -> int:
        return len(self.rows)


class Stream:
    """The working columns of one replay; edited by policies, copied at the first edit."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.sent: Bool = np.ones(len(traffic), np.bool_)
        """False where no model is asked."""
        self._calls = traffic.calls
        self._columns: dict[str, Int64] = {}
        self._labels: dict[str, tuple[Int32, list[str]]] = {}
        self.cache: CachePlan | None = None
        """What the prompt cache is asked to do; None leaves it as billed."""

    def cache_plan(self) -> CachePlan:
        """The plan of the prompt cache, to be added to."""
        if self.cache is None:
            self.cache = CachePlan.empty(len(self.traffic))
        return self.cache

    def tokens(self, bucket: str) -> Int64:
        """A token bucket, to be edited in place."""
        if bucket not in self._columns:
            self._columns[bucket] = np.array(getattr(self._calls, bucket), np.int64)
        return self._columns[bucket]

    def has_tokens(self, bucket: str) -> bool:
        """Whether any record may have tokens of a bucket; asking edits nothing."""
        column: Int64 = getattr(self._calls, bucket)
        return bucket in self._columns or not is_constant(column) or bool(column[0])

    def label(self, column: str) -> Text:
        """provider, model or tier as it stands now."""
        if column in self._labels:
            codes, values = self._labels[column]
            return Text(codes, tuple(values))
        text: Text = getattr(self._calls, column)
        return text

    def relabel(self, column: str, at: Int64 | Bool, value: str) -> None:
        """Set provider, model or tier of the records at these positions."""
        text: Text = getattr(self._calls, column)
        codes, values = self._labels.get(column, (text.codes, list(text.values)))
        if value not in values:
            values.append(value)
        code = np.int32(values.index(value))
        if len(at) == len(codes) and at.dtype != np.bool_:
            codes = np.broadcast_to(code, len(codes))
        else:
            if codes is text.codes or is_constant(codes):
                codes = codes.copy()
            codes[at] = code
        self._labels[column] = codes, values

    def calls(self) -> Calls:
        """The calls as edited so far."""
        labels = {name: Text(c, tuple(v)) for name, (c, v) in self._labels.items()}
        return replace(self._calls, **self._columns, **labels)

    def cost(self, prices: PriceTable) -> Float64:
        """USD of each call; 0 where none is made or the model had no price to begin with.

        A call moved to where no price is known costs what it did: no saving without a price.
        """
        before = self.traffic.cost_usd
        if self.sent.all() and not self._columns and not self._labels:
            return before.copy()
        calls = self.calls()
        after = prices.cost(calls)
        if "tier" in self._labels:
            after = self._tier_of_today(calls, after, prices)
        unknown = np.isnan(after)
        unknown |= ~self.traffic.priced
        after[unknown] = before[unknown]
        after[~self.sent] = 0.0
        return after

    def _tier_of_today(self, calls: Calls, after: Float64, prices: PriceTable) -> Float64:
        """Calls moved to a tier whose price was not yet listed on their day get today's discount.

        Price lists know tiers from some day on; a change is made from now on.
        """
        moved = np.flatnonzero(calls.tier.codes != self._calls.tier.codes)
        if not len(moved):
            return after
        there = calls.take(moved)
        here = replace(there, tier=self._calls.tier.take(moved))
        stayed = prices.cost(here)
        undiscounted = after[moved] == stayed
        if not undiscounted.any():
            return after
        latest = prices.on(LATEST_PRICES)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = latest.cost(there) / latest.cost(here)
        factor = np.where(np.isfinite(factor), factor, 1.0)
        after = after.copy()
        after[moved] = np.where(undiscounted, stayed * factor, after[moved])
        return after


class Policy(Protocol):
    """A pure change of calls within its rows."""

    @property
    def stage(self) -> Stage:
        """When a request meets it."""
        ...

    @property
    def rows(self) -> Int64:
        """The rows of the frame it may touch, rising."""
        ...

    def apply(self, stream: Stream, at: NDArray[np.int64]) -> None:
        """Edit the records at these positions of the stream, which are `rows`."""
        ...


def replay(traffic: Traffic, policies: Iterable[Policy], prices: PriceTable) -> Float64:
    """USD of each record of `traffic` once the policies hold, float64[len(traffic)].

    The rows of every policy must be among the traffic's. Policies of one stage apply in the order
    of their first rows, so that the order given changes nothing.
    """
    stream = Stream(traffic)
    ordered = sorted(policies, key=lambda policy: (policy.stage, *policy.rows[:1].tolist()))
    for policy in ordered:
        policy.apply(stream, traffic.positions(policy.rows))
    if stream.cache is not None:
        settle(stream, stream.cache)
    return stream.cost(prices)
