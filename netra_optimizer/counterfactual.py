"""What the same calls would cost otherwise: another model, other prices, more traffic."""

import msgspec
import numpy as np

from netra_optimizer.errors import AnalysisError
from netra_optimizer.levers.batch_tier import Tier, UseTier
from netra_optimizer.levers.model_switch import SwitchModel
from netra_optimizer.period import DAY_US, DAYS_A_MONTH
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.stream import Policy, Traffic, replay
from netra_optimizer.usage.columns import Int64
from netra_optimizer.usage.frame import UsageFrame


class WhatIfSegment(msgspec.Struct, frozen=True):
    """One feature and model, before and after; USD over the period."""

    feature: str
    model: str
    requests: int
    cost_before_usd: float
    cost_after_usd: float


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """The bill as it was and as it would be. A month is as the period's days are on average."""

    requests_before: int
    requests_after: float
    cost_before_usd: float
    cost_after_usd: float
    change_usd: float
    change_pct: float
    monthly_before_usd: float | None
    monthly_after_usd: float | None
    segments: list[WhatIfSegment]
    unpriced_requests: int
    assumptions: list[str]


def what_if(
    frame: UsageFrame,
    prices: PriceTable,
    *,
    model: str | None = None,
    provider: str = "",
    feature: str | None = None,
    tier: Tier | None = None,
    growth: float = 1.0,
    output_factor: float = 1.0,
    prices_then: PriceTable | None = None,
) -> WhatIf:
    """Replay the calls with one thing changed.

    `model` (at `provider`) and `tier` apply to the calls of `feature`, or to all. `growth`
    multiplies the traffic (1.3: 30 % more of the same). `prices_then` prices the result, for
    instance `prices.on(day)`. AnalysisError when the model or tier has no price.
    """
    _refuse_nonsense(growth, output_factor)
    if np.isnan(frame.cost_usd).all():
        frame = frame.priced(prices)
    rows = _rows(frame, feature)
    policies: list[Policy] = []
    if model is not None:
        found = prices.resolve(model, provider)
        if found is None or not prices.is_priced(model, provider):
            raise AnalysisError(
                f"There is no price for the model {model!r}.", hint="Check its name and provider."
            )
        policies.append(SwitchModel(rows, model, provider or found.provider, output_factor))
    if tier is not None:
        _require_tier(frame, rows, prices, tier, (model, provider))
        policies.append(UseTier(rows, tier))
    traffic = Traffic.of(frame)
    after = replay(traffic, policies, prices)
    if prices_then is not None:
        after = _repriced(traffic, policies, prices_then)
    after = after * growth
    before = traffic.cost_usd
    days = float(frame.calls.start_us[-1] - frame.calls.start_us[0]) / DAY_US if len(frame) else 0
    total, then = float(before.sum()), float(after.sum())
    return WhatIf(
        requests_before=frame.calls.request_count,
        requests_after=frame.calls.request_count * growth,
        cost_before_usd=total,
        cost_after_usd=then,
        change_usd=then - total,
        change_pct=100 * (then - total) / total if total else 0.0,
        monthly_before_usd=total * DAYS_A_MONTH / days if days >= 2 else None,
        monthly_after_usd=then * DAYS_A_MONTH / days if days >= 2 else None,
        segments=_segments(frame, before, after),
        unpriced_requests=frame.calls.requests_of(~traffic.priced),
        assumptions=_assumptions(model, tier, growth, output_factor),
    )


def _refuse_nonsense(growth: float, output_factor: float) -> None:
    for name, value in (("growth", growth), ("output_factor", output_factor)):
        if not 0 <= value < float("inf"):
            raise AnalysisError(
                f"{name} is {value!r}.", hint="It is a factor: 1.3 stands for 30 % more."
            )


def _require_tier(
    frame: UsageFrame, rows: Int64, prices: PriceTable, tier: Tier, to: tuple[str | None, str]
) -> None:
    """AnalysisError where none of the models is sold in the tier."""
    model, provider = to
    names = {(model, provider)} if model is not None else _models(frame, rows)
    if not any(name and prices.has_tier(name, seller, tier) for name, seller in names):
        said = ", ".join(sorted(name for name, _ in names if name))
        raise AnalysisError(
            f"None of these models is sold in the tier {tier!r}: {said}.",
            hint="Its price is not in the list; give one with a custom price.",
        )


def _models(frame: UsageFrame, rows: Int64) -> set[tuple[str | None, str]]:
    models, providers = frame.calls.model, frame.calls.provider
    pairs = np.unique(np.stack([models.codes[rows], providers.codes[rows]], axis=1), axis=0)
    return {(models.values[int(model)], providers.values[int(seller)]) for model, seller in pairs}


def _rows(frame: UsageFrame, feature: str | None) -> Int64:
    if feature is None:
        return np.arange(len(frame), dtype=np.int64)
    rows = np.flatnonzero(frame.feature.equals(feature))
    if not len(rows):
        raise AnalysisError(
            f"No call is of the feature {feature!r}.",
            hint=f"There are: {', '.join(sorted(frame.feature.values)) or 'none named'}.",
        )
    return rows


def _repriced(traffic: Traffic, policies: list[Policy], prices: PriceTable) -> np.ndarray:
    """The replay at other prices; what was billed at those prices is what changes start from."""
    cost = prices.cost(traffic.calls)
    priced = ~np.isnan(cost)
    then = Traffic(
        traffic.rows,
        traffic.calls,
        np.where(priced, cost, 0.0),
        priced,
        traffic.answered,
        traffic.prefix,
        traffic.block_tokens,
    )
    return replay(then, policies, prices)


def _segments(frame: UsageFrame, before: np.ndarray, after: np.ndarray) -> list[WhatIfSegment]:
    models = frame.calls.model
    keys = frame.feature.codes.astype(np.int64) * len(models.values) + models.codes
    names, inverse = np.unique(keys, return_inverse=True)
    counts = frame.calls.requests_by(inverse)
    was, is_then = (np.bincount(inverse, weights=column) for column in (before, after))
    found = [
        WhatIfSegment(
            frame.feature.values[name // len(models.values)],
            models.values[name % len(models.values)],
            int(counts[at]),
            float(was[at]),
            float(is_then[at]),
        )
        for at, name in enumerate(map(int, names))
    ]
    return sorted(found, key=lambda s: -abs(s.cost_after_usd - s.cost_before_usd))


def _assumptions(
    model: str | None, tier: str | None, growth: float, output_factor: float
) -> list[str]:
    said: list[str] = []
    if model is not None:
        said.append(f"Answers are {output_factor:g} times as long; quality is not looked at.")
    if tier == "batch":
        said.append("Everybody can wait a day, and prompt caches are lost.")
    if growth != 1.0:
        said.append("More traffic is more of the same; caches would do a little better.")
    return said
