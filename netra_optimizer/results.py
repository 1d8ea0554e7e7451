"""What an analysis says: plain frozen structs, the very shape of `apex analyze --json`.

Money is USD as a JSON number; shares and percentages are fractions only where named so.
"""

from typing import Any

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """A 90 % interval: low ≤ expected ≤ high."""

    low: float
    expected: float
    high: float


class UsageTotals(msgspec.Struct, frozen=True):
    """The whole period. `input_tokens` counts all input, cached included. Times RFC 3339 UTC.

    `mean_latency_ms` is over the `timed_requests`, those whose latency is known.
    """

    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float
    first: str | None
    last: str | None
    mean_latency_ms: float | None = None
    timed_requests: int = 0


class Audit(msgspec.Struct, frozen=True):
    """rows_read = rows_kept + sum of dropped, to the row."""

    rows_read: int
    rows_kept: int
    dropped: dict[str, int]


class Latency(msgspec.Struct, frozen=True):
    """Latency in milliseconds before and after, None where the records do not tell.

    Medians, and means over the `requests` whose latency is known: those add up over changes. A
    mean after is told only where somebody waits and the records themselves show it.
    """

    p50_before: float | None
    p50_after: float | None
    mean_before: float | None = None
    mean_after: float | None = None
    requests: int = 0


class Quality(msgspec.Struct, frozen=True):
    """Change of the quality score: estimate, one-sided bound, whether paired outcomes proved it."""

    delta: float | None
    bound: float | None
    verified: bool


class Opportunity(msgspec.Struct, frozen=True, kw_only=True):
    """One proposed change. `savings_usd` is the figure of this change alone.

    `status`: "verified" (counted in the combined figure), "loses_money" (the replay says no), or
    "needs_evaluation" (quality not proven; never counted).
    `latency`: p50_after counts what the change does to who waits.
    """

    id: str
    lever: str
    title: str
    scope: dict[str, str]
    status: str
    savings_usd: Interval
    savings_pct: float
    monthly_savings_usd: float | None
    latency: Latency
    quality: Quality
    evidence: dict[str, Any]  # Any: each lever documents its own evidence
    assumptions: list[str]
    patch: dict[str, Any]  # Any: a configuration of another tool, in its own shape
    effort: str
    risk: str
    rollback: str


class Period(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """From and to, RFC 3339 UTC."""

    start: str | None
    end: str | None


class Combined(msgspec.Struct, frozen=True):
    """One joint replay of all counted changes; `attribution` adds up to the expected total."""

    period: Period
    cost_before_usd: float
    cost_after_usd: float
    savings_usd: Interval
    attribution: dict[str, float]


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    usage: UsageTotals
    audit: Audit
    opportunities: list[Opportunity]
    combined: Combined
    unpriced_models: dict[str, int] = {}
    """Models without a price → requests; never priced at zero, always listed."""
    notes: list[str] = []
