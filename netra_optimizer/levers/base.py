"""What a lever is: it looks at a segment's calls and proposes changes, each a pure policy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np

from netra_optimizer.options import AnalysisOptions, FeatureRule
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.stream import Policy, Traffic, replay
from netra_optimizer.results import Latency, Quality
from netra_optimizer.usage.columns import Bool, Float64, Int64
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.verify.outcomes import Outcomes

if TYPE_CHECKING:
    from netra_optimizer.levers.quality import Judged

Standing = Literal["countable", "needs_evaluation", "loses_money"]

PART_KEYS: Final = ("input_size", "conversation")
"""Keys of a scope that name a part of the calls in words."""

UNCHANGED_QUALITY = Quality(delta=0.0, bound=0.0, verified=True)
"""Of changes that cannot alter an answer."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Calls that change together: one feature on one model, or a finer part of it."""

    scope: dict[str, str]
    rows: Int64
    feature: str
    model: str
    provider: str
    condition: str = ""
    """SQL of what the scope's columns do not say."""

    @property
    def name(self) -> str:
        """For titles: the feature, else the model, and which part of its calls."""
        part = [value for key, value in self.scope.items() if key in PART_KEYS]
        return ", ".join([self.feature or self.model, *part])


@dataclass(frozen=True, eq=False, kw_only=True)
class Proposal:
    """One change, before its figures: the policy and all that is said about it.

    `low_factor`, `high_factor` widen the interval by the stated range of an assumption.
    """

    lever: str
    title: str
    segment: Segment
    policy: Policy
    standing: Standing = "countable"
    evidence: dict[str, Any] = field(default_factory=dict)  # Any: each lever its own evidence
    assumptions: list[str] = field(default_factory=list)
    patch: dict[str, Any] = field(default_factory=dict)  # Any: another tool's configuration
    effort: str = "low"
    risk: str = "low"
    rollback: str = ""
    quality: Quality = UNCHANGED_QUALITY
    latency: Latency | None = None
    low_factor: float = 1.0
    high_factor: float = 1.0
    variant: str = ""

    @property
    def id(self) -> str:
        """Stable name: lever, scope and variant."""
        scope = ",".join(f"{key}={value}" for key, value in self.segment.scope.items())
        return ":".join(part for part in (self.lever, scope, self.variant) if part)


@dataclass(frozen=True, eq=False)
class LeverContext:
    """What levers work with: the frame, the whole traffic, prices, options, outcomes, the split."""

    frame: UsageFrame
    traffic: Traffic
    prices: PriceTable
    options: AnalysisOptions
    outcomes: Outcomes | None
    choose: Bool
    """Rows on which changes are chosen."""
    claim: Bool
    """Rows on which a saving is claimed; the same as `choose` below two days of data."""
    cache: dict[tuple[int, int, int], Traffic] = field(default_factory=dict)
    judged: "dict[tuple[str, str | None], list[Judged]]" = field(default_factory=dict)
    """Tests of the paired outcomes, made when the first lever asks."""

    @cached_property
    def undivided(self) -> bool:
        """Whether changes are claimed on the very calls on which they are chosen."""
        return bool((self.choose & self.claim).any())

    @cached_property
    def claimed_cost(self) -> float:
        """What the claim's period cost."""
        return float(self.traffic.cost_usd[self.claim].sum())

    def part(self, rows: Int64) -> Traffic:
        """The traffic of these rows alone; the last few are kept."""
        key = (len(rows), int(rows[0]) if len(rows) else 0, int(rows.sum()))
        known = self.cache.get(key)
        if known is not None and (known.rows is rows or np.array_equal(known.rows, rows)):
            return known
        if known is None and len(self.cache) >= 2:
            self.cache.pop(next(iter(self.cache)))
        self.cache[key] = self.traffic.take(rows)
        return self.cache[key]

    def requests(self, rows: Int64) -> int:
        """How many requests the calls of these rows stand for."""
        return self.frame.calls.requests_of(rows)

    def savings(self, rows: Int64, policies: Iterable[Policy]) -> Float64:
        """USD saved on each of the rows when these policies hold there."""
        traffic = self.part(rows)
        after = replay(traffic, policies, self.prices)
        return np.subtract(traffic.cost_usd, after, out=after)

    def chosen_saving(self, segment: Segment, policy: Policy) -> float:
        """USD a policy saves on the part of the period that is for choosing."""
        return float(self.savings(segment.rows, [policy])[self.choose[segment.rows]].sum())

    def rule(self, segment: Segment) -> FeatureRule:
        """What may be done to the segment's feature."""
        return self.options.rule(segment.feature)

    def latency(self, rows: Int64, after: Float64 | None = None) -> Latency:
        """Latency of the rows now, and after the change: milliseconds a row, as now when unsaid.

        Before and after are those of the same calls, the timed ones, where there are any.
        """
        now = self.frame.latency_ms[rows]
        known = ~np.isnan(now)
        then = now if after is None else after
        both = then[known] if known.any() else then
        known_then = both[~np.isnan(both)]
        return Latency(
            p50_before=float(np.median(now[known])) if known.any() else None,
            p50_after=float(np.median(known_then)) if len(known_then) else None,
            mean_before=float(now[known].mean()) if known.any() else None,
            mean_after=float(then[known].mean()) if known.any() else None,
            requests=int(known.sum()),
        )


class Lever(Protocol):
    """One way to save. A plugin registers an object of this shape in `netra_optimizer.levers`."""

    id: str

    def propose(self, segment: Segment, context: LeverContext) -> Sequence[Proposal]:
        """Changes worth a look on this segment; nothing where there is nothing to say."""
        ...
