"""What more or less traffic costs, and how near it comes to the providers' limits."""

from netra_backend.agents.findings import Evidence
from netra_backend.answers import parts
from netra_backend.answers.constraints import constraints_of
from netra_backend.answers.savings import headline as savings_headline
from netra_backend.report import Column, Constraint, Figure, Report, ReportTable
from netra_backend.usage.facts import LoadProfile, Profile
from netra_optimizer.findings import Forecast, ModelRate


def forecast_report(
    evidence: Evidence, profile: Profile, load: LoadProfile, told: Forecast
) -> Report:
    """The month to come, the busiest minute of each model, and each limit that was named."""
    change = evidence.intent.goals.traffic_change
    growth = f"{parts.changed(change)} traffic" if change is not None else "unchanged traffic"
    figures, headline = _cost(evidence, profile, load, told, growth)
    analysis = evidence.computed.analysis
    limited = [rate for rate in told.rates if rate.limit is not None]
    lines = [_limit_line(rate) for rate in limited]
    known = {rate.model.lower() for rate in limited}
    absent = [
        limit.model
        for limit in evidence.intent.limits
        if limit.model is not None and limit.model.lower() not in known
    ]
    if absent:
        names = ", ".join(absent)
        has = ", ".join(rate.model for rate in told.rates[:8])
        lines.append(f"No call is of {names}: that limit was held against none of {has}.")
    elif not limited:
        lines.append(
            "Your providers' limits are not in the records: hold the busiest minute against them, "
            "or name them in the question (500 requests and 100k tokens a minute)."
        )
    lines += told.notes
    if analysis is not None:
        lines.append(savings_headline(analysis))
    sufficiency = parts.sufficiency(profile)
    return Report(
        kind="usage",
        question=evidence.intent.question,
        headline=headline,
        summary=lines + parts.unknown_names(evidence.data),
        figures=figures + _busiest(load, told, growth, parts.evidence(profile)),
        opportunities=[parts.opportunity_out(o) for o in analysis.opportunities]
        if analysis
        else [],
        constraints=[_limit_kept(rate, growth) for rate in limited] or constraints_of(evidence),
        tables=[_rates(told, growth), parts.usage_table("By feature", profile.features)],
        plots=parts.cost_over_time(profile),
        sufficiency=sufficiency,
        next_steps=[
            *(_raise(rate) for rate in limited if rate.minutes_over),
            *(
                []
                if limited
                else [
                    "Compare the busiest minute with your provider's limits on requests and tokens "
                    "a minute, model by model."
                ]
            ),
            *evidence.next_steps,
        ][:6]
        or [sufficiency.ask or "Come back when your traffic or prices have changed."],
    )


def _cost(
    evidence: Evidence, profile: Profile, load: LoadProfile, told: Forecast, growth: str
) -> tuple[list[Figure], str]:
    source = parts.evidence(profile)
    if profile.priced_share == 0:
        return [], f"What the next month costs is not known. {parts.NO_PRICE}"
    month, now = told.month_usd, load.cost_per_month_usd
    if month is not None:
        shape = "weekdays apart" if told.by_week_shape else "all days alike"
        basis = f"{told.from_days} whole days, {shape}; {source}"
        today = month.expected / told.growth
        figures = [
            Figure(label="Cost a month now", value=today, unit="usd", evidence=basis),
            Figure(
                label=f"Cost of the next month, {growth}",
                value=month.expected,
                unit="usd",
                low=month.low,
                high=month.high,
                evidence=f"{basis}; 90 % interval of days that scatter as these; cost grows with "
                "traffic",
                assumption=True,
            ),
        ]
        return figures, (
            f"{parts.money(today)} a month as traffic is, {parts.money(month.expected)} with "
            f"{growth} (between {parts.money(month.low)} and {parts.money(month.high)})."
        )
    if now is not None:
        figures = [
            Figure(label="Cost a month now", value=now, unit="usd", evidence=source),
            Figure(
                label=f"Cost a month, {growth}",
                value=now * told.growth,
                unit="usd",
                evidence=f"{source}; cost grows with traffic",
                assumption=True,
            ),
        ]
        return figures, (
            f"{parts.money(now)} a month at today's rate, {parts.money(now * told.growth)} with "
            f"{growth}."
        )
    then = profile.cost_usd * told.growth
    figures = [
        Figure(
            label=f"Cost of the period, {growth}",
            value=then,
            unit="usd",
            evidence=f"{source}; cost grows with traffic",
            assumption=True,
        )
    ]
    return figures, (
        "A month cannot be projected from less than one day of traffic; the period's "
        f"{parts.money(profile.cost_usd)} would become {parts.money(then)} with {growth}."
    )


def _busiest(load: LoadProfile, told: Forecast, growth: str, source: str) -> list[Figure]:
    return [
        Figure(
            label=f"Busiest minute, {name}, {growth}",
            value=round(value * told.growth),
            unit="tokens" if name == "tokens" else "count",
            evidence=f"{value:,} now, all models together; {source}",
            assumption=True,
        )
        for name, value in (
            ("requests", load.peak_requests_per_minute),
            ("tokens", load.peak_tokens_per_minute),
        )
    ]


def _rates(told: Forecast, growth: str) -> ReportTable:
    """Providers set their limits model by model."""
    limited = any(rate.limit is not None for rate in told.rates)
    return ReportTable(
        title=f"Busiest minute by model, now and with {growth}",
        columns=[
            Column(key="model", label="Model"),
            Column(key="requests", label="Requests a minute", unit="count"),
            Column(key="tokens", label="Tokens a minute", unit="tokens"),
            Column(key="requests_then", label="Requests then", unit="count"),
            Column(key="tokens_then", label="Tokens then", unit="tokens"),
            *([Column(key="grows_until", label="Room to grow")] if limited else []),
        ],
        rows=[
            {
                "model": rate.model,
                "requests": rate.requests_a_minute,
                "tokens": rate.tokens_a_minute,
                "requests_then": round(rate.requests_then),
                "tokens_then": round(rate.tokens_then),
                **({"grows_until": _room(rate)} if limited else {}),
            }
            for rate in told.rates[:20]
        ],
    )


def _room(rate: ModelRate) -> str:
    if rate.grows_until is None:
        return "no limit named"
    return f"{rate.grows_until - 1:+.0%}"


def _limit_line(rate: ModelRate) -> str:
    until = rate.grows_until
    if until is None:
        return f"{rate.model} has no call in the records that could meet its limit."
    if until < 1:
        return f"{rate.model} is over its limit in its busiest minute already ({1 / until:.1f} ×)."
    return f"{rate.model} meets its limit once its traffic grows by {until - 1:.0%}."


def _limit_kept(rate: ModelRate, growth: str) -> Constraint:
    limit = rate.limit
    assert limit is not None
    named = [
        f"{value:,.0f} {what}"
        for value, what in (
            (limit.requests_a_minute, "requests"),
            (limit.tokens_a_minute, "tokens"),
        )
        if value is not None
    ]
    return Constraint(
        text=f"{rate.model} within {' and '.join(named)} a minute",
        honoured=rate.minutes_over == 0,
        detail=f"With {growth} its busiest minute has {rate.requests_then:,.0f} requests and "
        f"{rate.tokens_then:,.0f} tokens; "
        f"{parts.counted(rate.minutes_over, 'minute', 'minutes')} of these records would be over.",
    )


def _raise(rate: ModelRate) -> str:
    return (
        f"Ask for a higher limit of {rate.model}, spread its busiest minutes, or send what can "
        "wait in batches: batches have limits of their own."
    )
