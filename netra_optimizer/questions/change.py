"""Was an upgrade worth it? Before and after, with the traffic's mix held equal."""

from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import special

from netra_optimizer.options import AnalysisOptions
from netra_optimizer.period import DAY_US, iso_time
from netra_optimizer.pricing import PriceTable
from netra_optimizer.questions.changepoint import ChangePoint, find_change
from netra_optimizer.results import Interval, Latency
from netra_optimizer.usage.columns import Bool, Float64, Int64
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.verify.noninferiority import sample_size

Verdict = Literal["keep", "roll_back", "underpowered", "needs_quality", "needs_data"]
STRATA: Final = 5
MIN_CALLS: Final = 20
WORTHWHILE_GAIN: Final = 0.05
"""A rise of the score below this is 'hardly moved'."""


class ChangedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One feature before and after. Costs in USD a call, the mix of prompt sizes held as after.

    `cost_change_usd` is after minus before a call; `quality_change` the same of the mean score
    (90 % intervals). `extra_usd_a_month` is at the traffic seen after the change.
    """

    feature: str
    kind: Literal["model", "prompt", "given"]
    at: str
    before: str
    after: str
    requests_before: int
    requests_after: int
    cost_before_usd: float
    cost_after_usd: float
    cost_change_usd: Interval
    cost_change_pct: float
    extra_usd_a_month: float
    scored_before: int
    scored_after: int
    quality_before: float | None
    quality_after: float | None
    quality_change: Interval | None
    latency: Latency
    verdict: Verdict
    reason: str
    scores_needed: int | None
    patch: dict[str, Any]  # Any: a configuration of another tool, in its own shape


class ChangeReview(msgspec.Struct, frozen=True, kw_only=True):
    """All changes found, latest first, and what is missing to judge them."""

    segments: list[ChangedSegment]
    extra_usd_a_month: float
    roll_back_saves_usd_a_month: float
    missing: list[str]
    notes: list[str]


def review_change(
    frame: UsageFrame,
    prices: PriceTable,
    *,
    at: datetime | None = None,
    features: tuple[str, ...] | None = None,
    options: AnalysisOptions | None = None,
) -> ChangeReview:
    """Compare before and after a change of model or prompt, feature by feature.

    Without `at`, the change is found in each feature: its model, or the first block of its prompts,
    became another for good. With `at` (UTC) every feature is cut there.
    """
    options = options or AnalysisOptions()
    if np.isnan(frame.cost_usd).all():
        frame = frame.priced(prices)
    found: list[tuple[NDArray[np.int64], str, ChangePoint]] = []
    for code, name in enumerate(frame.feature.values):
        rows = np.flatnonzero(frame.feature.codes == code)
        if not len(rows) or (features is not None and name not in features):
            continue
        change = _given(frame, rows, at) if at is not None else find_change(frame, rows)
        if change is not None:
            found.append((rows, name, change))
    segments = [_review(frame, rows, name, change, options) for rows, name, change in found]
    segments.sort(key=lambda s: (s.at, abs(s.extra_usd_a_month)), reverse=True)
    rollback = sum(max(0.0, s.extra_usd_a_month) for s in segments if s.verdict == "roll_back")
    return ChangeReview(
        segments=segments,
        extra_usd_a_month=sum(s.extra_usd_a_month for s in segments),
        roll_back_saves_usd_a_month=rollback,
        missing=_missing(segments, at),
        notes=[
            "Costs are compared at equal prompt sizes (fifths of the period's prompts).",
            f"A rise of the score below {WORTHWHILE_GAIN:g} counts as hardly moved.",
        ]
        if segments
        else [],
    )


def _given(frame: UsageFrame, rows: Int64, at: datetime) -> ChangePoint | None:
    when = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    cut_us = int(when.timestamp() * 1e6)
    late = frame.calls.start_us[rows] >= cut_us
    if late.all() or not late.any():
        return None
    models = frame.calls.model
    before, after = (_usual(models.codes[rows[part]]) for part in (~late, late))
    kind = "model" if before != after else "given"
    return ChangePoint(kind, cut_us, models.values[before], models.values[after])


def _usual(codes: NDArray[np.int32]) -> int:
    return int(np.argmax(np.bincount(codes)))


def _review(
    frame: UsageFrame,
    rows: Int64,
    feature: str,
    change: ChangePoint,
    options: AnalysisOptions,
) -> ChangedSegment:
    late = frame.calls.start_us[rows] >= change.at_us
    calls = frame.calls.take(rows)
    each = calls.requests_each()
    cost = frame.cost_usd[rows] / each
    strata = _strata(calls.input_tokens / each)
    compared = _difference(cost, late, strata)
    cost_change = compared or Interval(0.0, 0.0, 0.0)
    score = frame.quality[rows]
    quality_change = _difference(score, late, strata)
    after_days = max((int(frame.calls.start_us[-1]) - change.at_us) / DAY_US, 1 / 24)
    monthly = cost_change.expected * calls.requests_of(late) / after_days * 365.25 / 12
    after_cost = _mean(cost[late], each[late]) or 0.0
    before_cost = after_cost - cost_change.expected
    scored_before, scored_after = (int((~np.isnan(score[part])).sum()) for part in (~late, late))
    judged = quality_change if min(scored_before, scored_after) >= MIN_CALLS else None
    verdict, reason, needed = _judge(compared, judged, score, late, options.quality_margin)
    return ChangedSegment(
        feature=feature,
        kind=change.kind,
        at=iso_time(change.at_us),
        before=change.before,
        after=change.after,
        requests_before=calls.requests_of(~late),
        requests_after=calls.requests_of(late),
        cost_before_usd=before_cost,
        cost_after_usd=after_cost,
        cost_change_usd=cost_change,
        cost_change_pct=100 * cost_change.expected / before_cost if before_cost > 0 else 0.0,
        extra_usd_a_month=monthly,
        scored_before=scored_before,
        scored_after=scored_after,
        quality_before=_mean(score[~late]),
        quality_after=_mean(score[late]),
        quality_change=judged,
        latency=Latency(
            _median(frame.latency_ms[rows[~late]]), _median(frame.latency_ms[rows[late]])
        ),
        verdict=verdict,
        reason=reason,
        scores_needed=needed,
        patch=_patch(change) if verdict == "roll_back" else {},
    )


def _strata(prompt: Float64) -> Int64:
    """Fifths of prompt size over the whole period."""
    edges = np.quantile(prompt, np.linspace(0, 1, STRATA + 1)[1:-1])
    return np.searchsorted(edges, prompt, side="right").astype(np.int64)


def _difference(values: Float64, late: Bool, strata: Int64) -> Interval | None:
    """After minus before, strata weighted as after; 90 % interval by the strata's own variances.

    Strata that are empty on one side are left out and the weights of the others rise; None where
    no stratum has both.
    """
    known = ~np.isnan(values)
    total, variance, weight = 0.0, 0.0, 0.0
    for stratum in range(STRATA):
        inside = known & (strata == stratum)
        after, before = values[inside & late], values[inside & ~late]
        if len(after) < 2 or len(before) < 2:
            continue
        share = float(len(after))
        weight += share
        total += share * float(after.mean() - before.mean())
        error = float(after.var(ddof=1) / len(after) + before.var(ddof=1) / len(before))
        variance += share**2 * error
    if weight == 0:
        return None
    reach = float(special.ndtri(0.95) * np.sqrt(variance)) / weight
    middle = total / weight
    return Interval(middle - reach, middle, middle + reach)


def _judge(
    cost: Interval | None, quality: Interval | None, score: Float64, late: Bool, margin: float
) -> tuple[Verdict, str, int | None]:
    """The verdict, why, and how many scores after the change would decide where they are few."""
    if int(late.sum()) < MIN_CALLS or int((~late).sum()) < MIN_CALLS:
        return "needs_data", f"Fewer than {MIN_CALLS} calls on one side.", None
    if cost is None:
        return "needs_data", "No priced prompts of like size on both sides.", None
    rose, fell = cost.low > 0, cost.high < 0
    variance = 2 * float(np.nanvar(score)) if not np.isnan(score).all() else 0.25
    needed = sample_size(WORTHWHILE_GAIN, variance=max(variance, 1e-4))
    if quality is None:
        return (
            "needs_quality",
            f"No scores on both sides: {needed} scored answers after the change would decide.",
            needed,
        )
    if quality.high < -margin:
        return "roll_back", "Quality fell beyond the margin.", None
    if quality.low > 0 and (quality.expected >= WORTHWHILE_GAIN or not rose):
        return "keep", "Quality rose beyond doubt.", None
    if not rose and quality.low > -margin:
        return "keep", "Quality held" + (" and cost fell." if fell else "."), None
    if rose and quality.high < WORTHWHILE_GAIN:
        return "roll_back", "Cost rose and quality hardly moved.", None
    return (
        "underpowered",
        f"The scores do not decide yet; about {needed} after the change would.",
        needed,
    )


def _patch(change: ChangePoint) -> dict[str, Any]:
    if change.kind != "model":
        return {}
    entry = {"model_name": change.after, "litellm_params": {"model": change.before}}
    return {"litellm": {"model_list": [entry]}}


def _missing(segments: list[ChangedSegment], at: datetime | None) -> list[str]:
    if not segments:
        when = "at that time" if at is not None else "in these records"
        return [
            f"No change of model or prompt is seen {when}. Say when it was, or import the days "
            "before and after it."
        ]
    missing: list[str] = []
    unscored = [s.feature or "all calls" for s in segments if s.verdict == "needs_quality"]
    if unscored:
        missing.append(
            f"Quality scores of {', '.join(unscored)}: add `quality` to the records (a thumb, a "
            "grader's score, a resolved ticket)."
        )
    few = [s for s in segments if s.verdict == "underpowered"]
    missing += [
        f"About {s.scores_needed} scored answers of {s.feature or 'all calls'} after the change "
        f"(there are {s.scored_after})."
        for s in few
    ]
    return missing


def _mean(values: Float64, weights: Float64 | None = None) -> float | None:
    known = ~np.isnan(values)
    if not known.any():
        return None
    return float(np.average(values[known], weights=None if weights is None else weights[known]))


def _median(values: Float64) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None
