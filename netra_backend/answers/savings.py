"""How the same results cost less."""

from datetime import datetime

from netra_backend.agents.findings import Evidence
from netra_backend.answers import parts
from netra_backend.answers.constraints import constraints_of
from netra_backend.reasoner import Goals as Wishes
from netra_backend.reasoner import Topic
from netra_backend.report import (
    Column,
    CombinedOut,
    Figure,
    IntervalOut,
    Plot,
    Report,
    ReportTable,
    Series,
)
from netra_backend.usage.facts import Profile, UsageRow
from netra_optimizer.findings import TimeSpent
from netra_optimizer.results import Analysis


def savings_report(evidence: Evidence, analysis: Analysis, profile: Profile) -> Report:
    """Ranked changes, their joint figure, and what was asked for beside it."""
    return Report(
        kind="savings",
        question=evidence.intent.question,
        headline=_of_what_is_there(evidence) + _goals_first(evidence) + headline(analysis),
        summary=_summary(evidence, analysis, profile),
        figures=[*savings_figures(analysis), _requests(analysis)],
        opportunities=[parts.opportunity_out(o) for o in analysis.opportunities],
        combined=combined_out(analysis),
        constraints=constraints_of(evidence),
        tables=_tables(evidence, profile),
        plots=attribution_plot(analysis) + parts.cost_over_time(profile),
        sufficiency=parts.sufficiency(profile),
        next_steps=list(evidence.next_steps) or _otherwise(profile),
    )


def _of_what_is_there(evidence: Evidence) -> str:
    """Said first when what the question names is not in the data."""
    if evidence.data.known or not evidence.data.unknown:
        return ""
    return f"Nothing in the data is named {', '.join(evidence.data.unknown)}; over all calls: "


def _goals_first(evidence: Evidence) -> str:
    """Said before the saving: which of the goals that the question names are reached."""
    goals = evidence.intent.goals
    if goals.cost_change is None and goals.speed_factor is None:
        return ""
    words = {True: "reached", False: "not reached", None: "not known"}
    said = [
        f"{wish.text}: {words[wish.honoured]}"
        for wish in constraints_of(evidence)
        if wish.text.startswith("Cost ") or wish.text.endswith("as fast")
    ]
    return f"{'; '.join(said)}. " if said else ""


def _plan(evidence: Evidence, analysis: Analysis) -> list[str]:
    """The least changes that reach the goals together, or what binds and the nearest."""
    goals = evidence.intent.goals
    if (goals.cost_change is None and goals.speed_factor is None) or parts.priceless(analysis):
        return []
    # Imported where it is used: it loads numpy and scipy, and an idle server needs neither.
    from netra_optimizer import Goals, plan_for_goals

    plan = plan_for_goals(
        analysis,
        Goals(
            cost_change_pct=_cost_goal(goals),
            latency_factor=None if goals.speed_factor is None else 1 / goals.speed_factor,
            growth=1 + (goals.traffic_change or 0.0),
        ),
    )
    names = "; ".join(change.title for change in plan.changes[:6])
    return [f"{plan.said} Taken: {names}." if names else plan.said]


def _cost_goal(goals: Wishes) -> float | None:
    """Per cent of the bill; no more money than now is a goal as well."""
    if goals.cost_change is None:
        return 0.0 if goals.cost_cap else None
    return 100 * goals.cost_change


def headline(analysis: Analysis) -> str:
    """The joint figure in a sentence."""
    if parts.priceless(analysis):
        return parts.NO_PRICE
    combined = analysis.combined
    saved = combined.savings_usd
    if not combined.attribution or saved.expected <= 0:
        waiting = [o for o in analysis.opportunities if o.status == "needs_evaluation"]
        if waiting:
            return (
                "Nothing is proven to save yet; "
                f"{parts.counted(len(waiting), 'change waits', 'changes wait')} for an evaluation."
            )
        return "No change pays on this traffic: every lever was replayed, none saves money."
    share = saved.expected / combined.cost_before_usd if combined.cost_before_usd else 0.0
    return (
        f"You can save {parts.money(saved.expected)} of "
        f"{parts.money(combined.cost_before_usd)} ({parts.percent(share)}), "
        f"between {parts.money(saved.low)} and {parts.money(saved.high)}."
    )


def _requests(analysis: Analysis) -> Figure:
    source = _calls(analysis)
    return Figure(label="Requests", value=analysis.usage.requests, unit="count", evidence=source)


def _calls(analysis: Analysis) -> str:
    """The calls that were looked at: of some features alone, where the question names them."""
    usage = analysis.usage
    calls = parts.counted(usage.requests, "call", "calls")
    return f"{calls}, {usage.first} to {usage.last}, at list prices"


def savings_figures(analysis: Analysis) -> list[Figure]:
    """Cost before, after, and saved, with the interval of the replay."""
    combined = analysis.combined
    source = f"joint replay of your own calls; {_calls(analysis)}"
    period = combined.period
    if _is_later(period.start, analysis.usage.first):
        source = (
            f"joint replay of your own calls from {period.start} to {period.end}, at list prices; "
            "the calls before chose the changes"
        )
    saved = combined.savings_usd
    return [
        Figure(label="Cost before", value=combined.cost_before_usd, unit="usd", evidence=source),
        Figure(label="Cost after", value=combined.cost_after_usd, unit="usd", evidence=source),
        Figure(
            label="Saved",
            value=saved.expected,
            unit="usd",
            low=saved.low,
            high=saved.high,
            evidence=f"{source}; 90 % interval of how conversations vary",
        ),
    ]


def _is_later(moment: str | None, than: str | None) -> bool:
    if moment is None or than is None:
        return False
    return datetime.fromisoformat(moment) > datetime.fromisoformat(than)


def combined_out(analysis: Analysis) -> CombinedOut:
    """The joint replay."""
    combined = analysis.combined
    saved = combined.savings_usd
    return CombinedOut(
        period={"from": combined.period.start, "to": combined.period.end},
        cost_before_usd=combined.cost_before_usd,
        cost_after_usd=combined.cost_after_usd,
        savings_usd=IntervalOut(low=saved.low, expected=saved.expected, high=saved.high),
        attribution=combined.attribution,
    )


def attribution_plot(analysis: Analysis) -> list[Plot]:
    """What each change contributes to the joint saving."""
    shares = sorted(analysis.combined.attribution.items(), key=lambda item: -item[1])[:12]
    if not shares:
        return []
    titles = {o.id: o.title for o in analysis.opportunities}
    return [
        Plot(
            title="What each change contributes",
            kind="bar",
            unit="usd",
            x=[titles.get(key, key) for key, _ in shares],
            series=[Series(label="Saved", values=[value for _, value in shares])],
        )
    ]


def _summary(evidence: Evidence, analysis: Analysis, profile: Profile) -> list[str]:
    lines = parts.unknown_names(evidence.data)
    if evidence.data.known and not evidence.intent.latency:
        lines.append(f"This looks at {', '.join(evidence.data.known)} alone.")
    if evidence.intent.topic is Topic.SPEED:
        lines.append(_speed_line(profile))
    lines += _time_lines(evidence.computed.time)
    lines += _plan(evidence, analysis)
    by_status: dict[str, int] = {}
    for opportunity in analysis.opportunities:
        by_status[opportunity.status] = by_status.get(opportunity.status, 0) + 1
    if by_status.get("verified"):
        changes = parts.counted(by_status["verified"], "change is", "changes are")
        lines.append(f"{changes} proven by replay and counted together.")
    if by_status.get("needs_evaluation"):
        lines.append(
            f"{by_status['needs_evaluation']} more could save and "
            f"{'is' if by_status['needs_evaluation'] == 1 else 'are'} not counted: "
            "quality is not proven."
        )
    if by_status.get("loses_money"):
        lines.append(f"{by_status['loses_money']} would lose money on this traffic.")
    if analysis.unpriced_models:
        lines.append(f"No price is known for {', '.join(sorted(analysis.unpriced_models)[:8])}.")
    return lines + list(analysis.notes)


def _tables(evidence: Evidence, profile: Profile) -> list[ReportTable]:
    """Usage by feature; before it where the time goes, when the question is about speed."""
    tables = [parts.usage_table("By feature", profile.features)]
    time = evidence.computed.time
    asks = evidence.intent.topic is Topic.SPEED or evidence.intent.goals.speed_factor is not None
    if not asks or not profile.latency_share:
        return tables
    times = [("Where the time goes", profile.features), ("Time by model", profile.models)]
    waits = [_time_table(title, rows) for title, rows in times]
    return waits + _speed_tables(time) + tables


def _speed_tables(time: TimeSpent | None) -> list[ReportTable]:
    """How fast each model answers; and calls in a row that could run side by side."""
    if time is None:
        return []
    models = ReportTable(
        title="How fast each model answers",
        columns=[
            Column(key="model", label="Model"),
            Column(key="provider", label="Provider"),
            Column(key="requests", label="Requests", unit="count"),
            Column(key="ttft_p50_ms", label="First token, median", unit="ms"),
            Column(key="start_ms", label="Before the first token (fitted)", unit="ms"),
            Column(key="token_ms", label="Each token (fitted)", unit="ms"),
            Column(key="p95_ms", label="Slowest twentieth", unit="ms"),
        ],
        rows=[
            {
                "model": one.model,
                "provider": one.provider,
                "requests": one.requests,
                "ttft_p50_ms": one.ttft_p50_ms,
                "start_ms": one.start_ms,
                "token_ms": one.token_ms,
                "p95_ms": one.p95_ms,
            }
            for one in time.models[:20]
        ],
    )
    rows = ReportTable(
        title="Calls in a row that could run side by side",
        columns=[
            Column(key="feature", label="Feature"),
            Column(key="rows", label="Rows", unit="count"),
            Column(key="calls", label="Calls", unit="count"),
            Column(key="now_ms", label="One after another", unit="ms"),
            Column(key="then_ms", label="Side by side", unit="ms"),
        ],
        rows=[
            {
                "feature": one.feature or "(none)",
                "rows": one.rows,
                "calls": one.calls,
                "now_ms": 1000 * one.seconds / one.rows,
                "then_ms": 1000 * one.side_by_side_s / one.rows,
            }
            for one in time.in_a_row[:20]
        ],
    )
    return [table for table in (models, rows) if table.rows]


def _time_lines(time: TimeSpent | None) -> list[str]:
    """The row that could spare most, and what is missing to see more."""
    if time is None:
        return []
    lines = list(time.missing)
    if time.in_a_row:
        best = time.in_a_row[0]
        lines.insert(
            0,
            f"{best.calls:,} calls of {best.feature or 'unnamed features'} ran one after another "
            f"in {parts.counted(best.rows, 'row', 'rows')}: side by side a row would take "
            f"{best.side_by_side_s / best.rows:.1f} s instead of {best.seconds / best.rows:.1f} s, "
            "at no cost, where none needs the answer of another.",
        )
    return lines


def _time_table(title: str, rows: list[UsageRow]) -> ReportTable:
    """The longest wait first; an answer's length is most of what a call takes."""
    waits = sorted((row for row in rows if row.waited_s), key=lambda row: -(row.waited_s or 0.0))
    total = sum(row.waited_s or 0.0 for row in waits)
    return ReportTable(
        title=title,
        columns=[
            Column(key="key", label="Name"),
            Column(key="requests", label="Requests", unit="count"),
            Column(key="share", label="Share of all waiting", unit="percent"),
            Column(key="p50_ms", label="Median latency", unit="ms"),
            Column(key="p95_ms", label="Slowest twentieth", unit="ms"),
            Column(key="output", label="Output a call", unit="tokens"),
        ],
        rows=[
            {
                "key": row.key,
                "requests": row.requests,
                "share": 100 * (row.waited_s or 0.0) / total,
                "p50_ms": row.p50_ms,
                "p95_ms": row.p95_ms,
                "output": round(row.output_tokens / row.requests),
            }
            for row in waits[:20]
        ],
    )


def _speed_line(profile: Profile) -> str:
    slow = [row for row in profile.features if row.p95_ms is not None]
    if not slow:
        return "How fast calls are is not in the records: log the latency of each call."
    slowest = max(slow, key=lambda row: row.p95_ms or 0.0)
    return (
        f"The slowest part is {slowest.key}: {slowest.p50_ms:,.0f} ms at the median, "
        f"{slowest.p95_ms:,.0f} ms for the slowest twentieth, {slowest.requests:,} calls."
    )


def _otherwise(profile: Profile) -> list[str]:
    ask = parts.sufficiency(profile).ask
    return [ask] if ask else ["Come back when your traffic or prices have changed."]
