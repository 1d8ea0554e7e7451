"""What tools answer about usage: plain structs that a durable step can record."""

from typing import Final

import msgspec


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of one group. Latency in milliseconds, None where no record tells; money in USD.

    `cost_usd` is of the calls whose model has a price; `unpriced_requests` counts the others.
    """

    key: str
    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float
    p50_ms: float | None = None
    p95_ms: float | None = None
    error_share: float = 0.0
    quality: float | None = None
    unpriced_requests: int = 0
    waited_s: float | None = None
    """Seconds that all its calls took together, as far as records tell."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace's usage at a glance. Shares are of requests; `days` is last minus first."""

    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float
    first: str | None
    last: str | None
    days: float
    priced_share: float
    latency_share: float
    prefix_share: float
    feature_share: float
    quality_share: float
    error_share: float
    features: list[UsageRow]
    models: list[UsageRow]
    teams: list[UsageRow]
    by_time: list[UsageRow]
    time_unit: str


NO_USAGE: Final = Profile(
    requests=0,
    input_tokens=0,
    cached_input_tokens=0,
    output_tokens=0,
    cost_usd=0.0,
    first=None,
    last=None,
    days=0.0,
    priced_share=0.0,
    latency_share=0.0,
    prefix_share=0.0,
    feature_share=0.0,
    quality_share=0.0,
    error_share=0.0,
    features=[],
    models=[],
    teams=[],
    by_time=[],
    time_unit="hour",
)
"""The profile of a workspace that has none."""


class LoadProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic over time: the busiest minute and the run rate. A month is 30.44 days."""

    peak_requests_per_minute: int
    peak_tokens_per_minute: int
    mean_requests_per_minute: float
    cost_per_day_usd: float | None
    cost_per_month_usd: float | None


class Repriced(msgspec.Struct, frozen=True, kw_only=True):
    """The same tokens at another model's price, over the `requests` that have both prices.

    `cost_then_usd` is None where there are none; `known` tells whether the model has a price.
    `output_then_usd` is the part of it that output costs; `feature` None: all features.
    """

    model: str
    known: bool
    requests: int
    cost_now_usd: float
    cost_then_usd: float | None
    own_p50_ms: float | None
    own_quality: float | None
    output_then_usd: float | None = None
    feature: str | None = None


class ErrorRow(msgspec.Struct, frozen=True, kw_only=True):
    """Failures of one kind and what they were billed."""

    kind: str
    requests: int
    cost_usd: float


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """Failed calls and calls that were repeats of others."""

    requests: int
    failed: int
    failed_cost_usd: float
    retries: int
    retries_cost_usd: float
    kinds: list[ErrorRow]
