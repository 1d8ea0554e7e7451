"""What the questions about pattern, speed and capacity find: plain structs, no numbers at work."""

from typing import Literal

import msgspec

from netra_optimizer.results import Interval

Measure = Literal["spend", "latency", "failures"]


class Explanation(msgspec.Struct, frozen=True):
    """One value of one column and its share of the excess (above 1 where others fell)."""

    column: str
    value: str
    share: float


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """One episode. `usual` and `actual` are a day's: USD, milliseconds (median), or a share.

    `first` and `until` are RFC 3339 UTC, `until` exclusive; `lasting`: it goes on to the end of the
    records. `excess_usd` is of the whole episode, of spend alone. `ratios` say what moved against
    the days before that are like it (spend: requests, tokens a request, price a token; latency: the
    answer's length, the time a token); their product is the whole change.
    """

    measure: Measure
    feature: str | None
    first: str
    until: str
    lasting: bool
    usual: float
    actual: float
    excess_usd: float | None
    ratios: dict[str, float]
    explained_by: list[Explanation]


class Anomalies(msgspec.Struct, frozen=True):
    """What was found, the dearest first; and what could not be judged."""

    found: list[Anomaly]
    judged_days: int
    notes: list[str]


class ModelSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one provider. Milliseconds; None where the records do not tell.

    `start_ms` and `token_ms`: the line of least squares of the latency over the answer's length.
    `share_pct`: of all the time that timed calls took.
    """

    model: str
    provider: str
    requests: int
    share_pct: float
    p50_ms: float
    p95_ms: float
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    start_ms: float
    token_ms: float


class InARow(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one parent that ran one after another, none continuing the prompt of another.

    `seconds` is what they took; `side_by_side_s` what the longest of each row took. Whether one of
    them needs the answer of another is not in the records.
    """

    feature: str
    rows: int
    calls: int
    seconds: float
    side_by_side_s: float


class TimeSpent(msgspec.Struct, frozen=True):
    """The models by the time they took, the rows by what they could spare; what is missing."""

    models: list[ModelSpeed]
    in_a_row: list[InARow]
    missing: list[str]


class Limit(msgspec.Struct, frozen=True):
    """What a provider allows a minute for one model; None: not limited, or not known."""

    requests_a_minute: float | None = None
    tokens_a_minute: float | None = None


class ModelRate(msgspec.Struct, frozen=True, kw_only=True):
    """One model's busiest minute now and with the growth.

    `grows_until`: by which factor traffic may grow before the nearer limit binds in the busiest
    minute; None without a limit. `minutes_over` of the records would be over it with the growth.
    """

    model: str
    requests_a_minute: int
    tokens_a_minute: int
    requests_then: float
    tokens_then: float
    limit: Limit | None
    grows_until: float | None
    minutes_over: int


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """`month_usd`: the cost of the 30.44 days after the records, at the growth; 90 %.

    `by_week_shape`: whether weekdays were told apart. `from_days`: whole days it stands on.
    """

    month_usd: Interval | None
    from_days: int
    by_week_shape: bool
    growth: float
    rates: list[ModelRate]
    notes: list[str]
