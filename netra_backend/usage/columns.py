"""Grouping a frame's columns. Imports numpy: only reached once analytics are used."""

import re
from dataclasses import replace

import msgspec
import numpy as np

from netra_backend.usage.facts import (
    ErrorRow,
    Failures,
    LoadProfile,
    Profile,
    Repriced,
    UsageRow,
)
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.columns import Bool, Float64, Text
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import OUTPUT_BUCKETS

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
DAYS_A_MONTH = 365.25 / 12
_MAX_ROWS = 200
_OF_ANOTHER_KIND = re.compile(
    r"audio|image|search|transcribe|tts|realtime|embed|moderation|computer|instruct|live|vision"
    r"|deep-research|veo|imagen|dall|whisper|guard|ocr|codex|ft[-:]|preview|latest|:"
)
"""Models that answer no chat, by their names."""


def rows_by(frame: UsageFrame, column: Text) -> list[UsageRow]:
    """One row a value, the dearest first."""
    rows = [
        usage_row(frame, column.codes == code, column.values[code] or "(none)")
        for code in np.unique(column.codes).tolist()
    ]
    rows.sort(key=lambda row: (-row.cost_usd, -row.requests, row.key))
    return rows[:_MAX_ROWS]


def rows_over_time(frame: UsageFrame) -> tuple[list[UsageRow], str]:
    """One row an hour below three days of data, one a day above; ascending, and the unit."""
    start = frame.calls.start_us
    if len(start) == 0:
        return [], "hour"
    span = int(start[-1] - start[0])
    unit, width = ("hour", HOUR_US) if span < 3 * DAY_US else ("day", DAY_US)
    buckets = start // width
    rows = [
        usage_row(frame, buckets == bucket, _iso(bucket * width))
        for bucket in np.unique(buckets).tolist()
    ]
    return rows[-_MAX_ROWS:], unit


def usage_row(frame: UsageFrame, mask: Bool, key: str) -> UsageRow:
    """Totals and medians of the chosen calls."""
    calls = frame.calls
    latency = frame.latency_ms[mask]
    quality = frame.quality[mask]
    requests = calls.requests_of(mask)
    return UsageRow(
        key=key,
        requests=requests,
        input_tokens=int(calls.input_tokens[mask].sum()),
        cached_input_tokens=int(calls.cache_read[mask].sum()),
        output_tokens=int(calls.output_tokens[mask].sum()),
        cost_usd=float(np.nansum(frame.cost_usd[mask])),
        p50_ms=_quantile(latency, 0.5),
        p95_ms=_quantile(latency, 0.95),
        waited_s=None if np.isnan(latency).all() else float(np.nansum(latency)) / 1000,
        error_share=calls.requests_of(frame.status.equals("error") & mask) / max(1, requests),
        quality=None if np.isnan(quality).all() else float(np.nanmean(quality)),
        unpriced_requests=calls.requests_of(np.isnan(frame.cost_usd) & mask),
    )


def profile(frame: UsageFrame) -> Profile:
    """A workspace's usage at a glance."""
    total = usage_row(frame, np.ones(len(frame), np.bool_), "all")
    start = frame.calls.start_us
    empty = len(frame) == 0
    by_time, unit = rows_over_time(frame)
    return Profile(
        requests=total.requests,
        input_tokens=total.input_tokens,
        cached_input_tokens=total.cached_input_tokens,
        output_tokens=total.output_tokens,
        cost_usd=total.cost_usd,
        first=None if empty else _iso(int(start[0])),
        last=None if empty else _iso(int(start[-1])),
        days=0.0 if empty else float(start[-1] - start[0]) / DAY_US,
        priced_share=_share(~np.isnan(frame.cost_usd)),
        latency_share=_share(~np.isnan(frame.latency_ms)),
        prefix_share=_share(np.diff(frame.block_offsets) > 0),
        feature_share=_share(~frame.feature.equals("")),
        quality_share=_share(~np.isnan(frame.quality)),
        error_share=total.error_share,
        features=rows_by(frame, frame.feature),
        models=rows_by(frame, frame.calls.model),
        teams=rows_by(frame, frame.team),
        by_time=by_time,
        time_unit=unit,
    )


def load_profile(frame: UsageFrame) -> LoadProfile:
    """The busiest minute, and the run rate where there is a day or more of data."""
    start = frame.calls.start_us
    minutes = (start - start[0]) // MINUTE_US
    _, at = np.unique(minutes, return_inverse=True)
    requests = frame.calls.requests_by(at)
    tokens = np.bincount(
        at, weights=(frame.calls.input_tokens + frame.calls.output_tokens).astype(np.float64)
    )
    days = float(start[-1] - start[0]) / DAY_US
    per_day = float(np.nansum(frame.cost_usd)) / days if days >= 1 else None
    return LoadProfile(
        peak_requests_per_minute=int(requests.max()),
        peak_tokens_per_minute=int(tokens.max()),
        mean_requests_per_minute=frame.calls.request_count / (int(minutes[-1]) + 1),
        cost_per_day_usd=per_day,
        cost_per_month_usd=None if per_day is None else per_day * DAYS_A_MONTH,
    )


def reprice(
    frame: UsageFrame, prices: PriceTable, models: list[str], alternatives: int, away: bool = False
) -> list[Repriced]:
    """The same tokens at the price of other models: those named, their variants, cheaper ones.

    Tokenizers and verbosity are not changed. At most `alternatives` models beside those named, the
    dearest of the cheaper ones first: they are the nearest to what runs now. `away`: only the calls
    that run on the models named, where there are any, and only models cheaper than those.
    """
    if away:
        own = np.logical_or.reduce([_own(frame, model) for model in models])
        frame = frame.take(own) if own.any() else frame
    named = [_repriced(frame, prices, model) for model in models]
    known = {row.model for row in named}
    others: dict[str, Repriced] = {}
    for model in _candidates(frame, prices, models):
        row = _repriced(frame, prices, model)
        if row.model not in known and row.known and _cheaper(row):
            others.setdefault(row.model, row)
    if away:
        bound = min((r.cost_then_usd for r in named if r.cost_then_usd is not None), default=None)
        others = {k: r for k, r in others.items() if bound is None or _below(r, bound)}
    ranked = sorted(others.values(), key=lambda row: (-(row.cost_then_usd or 0.0), row.model))
    variants = [row for row in ranked if any(row.model.startswith(name) for name in known)]
    rest = [row for row in ranked if row not in variants]
    split = [row for model in models[:2] for row in _by_feature(frame, prices, model)]
    return named + (variants + rest)[:alternatives] + split


def _by_feature(frame: UsageFrame, prices: PriceTable, model: str) -> list[Repriced]:
    """One model's price for each of the dearest features."""
    return [
        msgspec.structs.replace(
            _repriced(frame.take(frame.feature.equals(row.key)), prices, model), feature=row.key
        )
        for row in rows_by(frame, frame.feature)[:10]
        if row.key != "(none)"
    ]


def _below(row: Repriced, bound: float) -> bool:
    return row.cost_then_usd is not None and row.cost_then_usd < bound


def _cheaper(row: Repriced) -> bool:
    return _below(row, row.cost_now_usd)


def _candidates(frame: UsageFrame, prices: PriceTable, models: list[str]) -> list[str]:
    """Models of the providers in use and of those asked about, and models in use."""
    providers = {name for name in frame.calls.provider.values if name}
    for model in (*models, *frame.calls.model.values):
        if (found := prices.resolve(model, "")) is not None:
            providers.add(found.provider)
    names = dict.fromkeys(frame.calls.model.values)
    for provider in sorted(providers):
        names.update(dict.fromkeys(prices.models(provider)))
    return [name for name in names if not _OF_ANOTHER_KIND.search(name)]


def failures(frame: UsageFrame) -> Failures:
    """Failed calls by kind, and repeats."""
    failed = frame.status.equals("error")
    retries = (frame.attempt > 1) | ~frame.retry_of.equals("")
    kinds = frame.error_kind
    return Failures(
        requests=frame.calls.request_count,
        failed=frame.calls.requests_of(failed),
        failed_cost_usd=float(np.nansum(frame.cost_usd[failed])),
        retries=int(retries.sum()),
        retries_cost_usd=float(np.nansum(frame.cost_usd[retries])),
        kinds=[
            ErrorRow(
                kind=kinds.values[code] or "(unnamed)",
                requests=frame.calls.requests_of(failed & (kinds.codes == code)),
                cost_usd=float(np.nansum(frame.cost_usd[failed & (kinds.codes == code)])),
            )
            for code in np.unique(kinds.codes[failed]).tolist()
        ],
    )


def _repriced(frame: UsageFrame, prices: PriceTable, model: str) -> Repriced:
    found = prices.resolve(model, "")
    own = _own(frame, model)
    latency, quality = frame.latency_ms[own], frame.quality[own]
    then: Float64 | None = None
    output = np.zeros(len(frame))
    if found is not None:
        calls = frame.calls.with_model(found.model, found.provider)
        then = prices.cost(calls)
        without = replace(
            calls, **{bucket: np.zeros(len(calls), np.int64) for bucket in OUTPUT_BUCKETS}
        )
        output = then - prices.cost(without)
    unknown = np.isnan(frame.cost_usd) if then is None else np.isnan(frame.cost_usd + then)
    return Repriced(
        model=model if found is None else found.model,
        known=then is not None and not bool(np.isnan(then).all()),
        requests=frame.calls.requests_of(~unknown),
        cost_now_usd=float(frame.cost_usd[~unknown].sum()),
        cost_then_usd=None if then is None or unknown.all() else float(then[~unknown].sum()),
        own_p50_ms=_quantile(latency, 0.5),
        own_quality=None if np.isnan(quality).all() else float(np.nanmean(quality)),
        output_then_usd=None if then is None else float(np.nansum(output[~unknown])),
    )


def _own(frame: UsageFrame, model: str) -> Bool:
    names = frame.calls.model.values
    codes = [code for code, name in enumerate(names) if name.lower() == model.lower()]
    return np.isin(frame.calls.model.codes, codes)


def _quantile(values: Float64, share: float) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, share)) if len(known) else None


def _share(mask: Bool) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def _iso(us: int) -> str:
    return str(np.datetime64(us, "us").astype("datetime64[ms]")) + "Z"


def at_us(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time in UTC."""
    plain = text.replace("Z", "").split("+", 1)[0]
    return int(np.datetime64(plain, "us").astype(np.int64))


def any_of(column: Text, names: list[str]) -> Bool:
    """Mask of the rows that hold one of the names."""
    wanted = set(names)
    codes = [code for code, value in enumerate(column.values) if value in wanted]
    return np.isin(column.codes, codes)
