"""Whether another model would do: what the same tokens cost there, feature by feature."""

from collections.abc import Sequence

from netra_backend.agents.findings import Evidence
from netra_backend.answers import parts
from netra_backend.answers.constraints import constraints_of
from netra_backend.report import Column, Figure, Plot, Report, ReportTable, Series
from netra_backend.usage.facts import Profile, Repriced

_SAID_FEATURES = 4
PAIRS_TO_ASK_FOR = 300
"""Prompts to run on both models where no change says how many it takes."""


def models_report(evidence: Evidence, profile: Profile) -> Report:
    """The models asked about first, then variants and cheaper ones; quality is never assumed."""
    rows, intent = evidence.computed.repriced, evidence.intent
    asked, others = rows[: len(intent.models)], rows[len(intent.models) :]
    headline = _headline(asked, others, away=intent.away_from)
    analysis = evidence.computed.analysis
    lines = [
        line
        for row in asked
        if (line := _line(row)) not in headline and row.cost_then_usd != row.cost_now_usd
    ]
    lines += [_by_feature(row, evidence.computed.by_feature) for row in asked[:2]]
    lines += _variants(asked, others)
    lines += [
        "Quality: no outcome of another model on your prompts is in the data, so no switch is "
        "counted as a saving until a paired evaluation has shown that it is no worse."
        if profile.quality_share == 0
        else "Quality stands in the table where your own calls carry an outcome; a switch "
        "counts once paired outcomes have shown that it is no worse.",
        "Another tokenizer and more or fewer words in the answers move these figures.",
    ]
    lines += _verbosity(asked)
    sufficiency = parts.sufficiency(profile)
    return Report(
        kind="usage",
        question=intent.question,
        headline=headline,
        summary=[line for line in lines if line] + parts.unknown_names(evidence.data),
        figures=_figures(rows),
        opportunities=[parts.opportunity_out(o) for o in analysis.opportunities]
        if analysis
        else [],
        constraints=constraints_of(evidence),
        tables=_tables(evidence),
        plots=_plot(rows) or parts.cost_over_time(profile),
        sufficiency=sufficiency,
        next_steps=[_evaluate(evidence), *evidence.next_steps][:6],
    )


def _line(row: Repriced) -> str:
    if row.known and row.cost_then_usd is None:
        return f"None of your calls has a known price that {row.model} could be held against."
    if row.cost_then_usd is None or not row.known:
        return f"No price is known for {row.model!r}: check the spelling, or give it a price."
    change = row.cost_then_usd / row.cost_now_usd - 1 if row.cost_now_usd else 0.0
    text = (
        f"{row.model}: {parts.money(row.cost_then_usd)} instead of "
        f"{parts.money(row.cost_now_usd)} for the same tokens ({change:+.0%})"
    )
    if row.own_p50_ms is not None:
        text += f"; {row.own_p50_ms:,.0f} ms at the median where you use it already"
    return text + "."


def _headline(asked: Sequence[Repriced], others: Sequence[Repriced], *, away: bool) -> str:
    if not away:
        return _cheapest(asked or others)
    bound = min((row.cost_then_usd for row in asked if row.cost_then_usd is not None), default=None)
    cheaper = [
        row
        for row in others
        if row.cost_then_usd is not None and (bound is None or row.cost_then_usd < bound)
    ]
    names = ", ".join(row.model for row in asked)
    if bound is None:
        return (
            f"What {names} costs is not known here. {_cheapest(others) if others else ''}".strip()
        )
    if not cheaper:
        return (
            f"No model is known that costs less than {names} ({parts.money(bound)} for these "
            "calls) and than they cost now."
        )
    best = cheaper[0]
    then = best.cost_then_usd or 0.0
    return (
        f"Instead of {names} ({parts.money(bound)} for these calls): {best.model} at "
        f"{parts.money(then)} ({then / bound - 1:+.0%}), the nearest of "
        f"{parts.counted(len(cheaper), 'cheaper one', 'cheaper ones')}."
    )


def _cheapest(rows: Sequence[Repriced]) -> str:
    priced = [row for row in rows if row.cost_then_usd is not None and row.known]
    if not priced:
        if held := next((row for row in rows if row.known), None):
            return _line(held)
        return "None of the models asked about has a known price."
    return _line(min(priced, key=lambda row: row.cost_then_usd or 0.0))


def _by_feature(model: Repriced, rows: Sequence[Repriced]) -> str:
    """Where a model is cheaper and where dearer; empty where one feature is all there is."""
    changes = [
        (row.cost_then_usd / row.cost_now_usd - 1, row.feature or "")
        for row in rows
        if row.model == model.model and row.cost_then_usd is not None and row.cost_now_usd > 0
    ]
    if len(changes) < 2:
        return ""
    lower = sorted((c, name) for c, name in changes if c < -0.005)
    higher = sorted(((c, name) for c, name in changes if c > 0.005), reverse=True)
    said = [
        f"{word} for " + ", ".join(f"{name} ({c:+.0%})" for c, name in found[:_SAID_FEATURES])
        for word, found in (("cheaper", lower), ("dearer", higher))
        if found
    ]
    return f"{model.model} is {'; '.join(said)}." if said else ""


def _variants(asked: Sequence[Repriced], others: Sequence[Repriced]) -> list[str]:
    """The cheaper models of the same name, for each of the models asked about."""
    lines: list[str] = []
    for one in asked:
        said = ", ".join(
            f"{row.model} {parts.money(row.cost_then_usd)}"
            for row in others
            if row.model.startswith(f"{one.model}-") and row.cost_then_usd is not None
        )
        if said:
            lines.append(f"Variants of {one.model} at the same tokens: {said}.")
    return lines


def _verbosity(asked: Sequence[Repriced]) -> list[str]:
    return [
        f"At {row.model} output is {parts.percent(row.output_then_usd / row.cost_then_usd)} of the "
        f"cost: answers a fifth shorter would save {parts.money(row.output_then_usd / 5)} more "
        "(assumption)."
        for row in asked
        if row.output_then_usd is not None and row.cost_then_usd
    ]


def _evaluate(evidence: Evidence) -> str:
    """How many pairs it takes, as the largest of the changes that wait for them says."""
    analysis = evidence.computed.analysis
    needed = [
        int(o.evidence["sample_size_needed"])
        for o in (analysis.opportunities if analysis else [])
        if o.evidence.get("sample_size_needed")
    ]
    count = f"about {max(needed):,}" if needed else f"{PAIRS_TO_ASK_FOR} or more"
    return (
        f"Run {count} of your prompts on both models, score both answers, and upload the "
        "outcomes: then the switch is proven or refused."
    )


def _figures(rows: Sequence[Repriced]) -> list[Figure]:
    return [
        Figure(
            label=f"Your calls at {row.model}",
            value=row.cost_then_usd,
            unit="usd",
            evidence=f"{row.requests:,} of your calls, same tokens at list price",
            assumption=True,
        )
        for row in rows
        if row.cost_then_usd is not None
    ][:8]


def _tables(evidence: Evidence) -> list[ReportTable]:
    tables = [_table("Your tokens at other models", evidence.computed.repriced)]
    if evidence.computed.by_feature:
        tables.append(_table("Feature by feature", evidence.computed.by_feature))
    return tables


def _table(title: str, rows: Sequence[Repriced]) -> ReportTable:
    featured = [Column(key="feature", label="Feature")] if any(r.feature for r in rows) else []
    return ReportTable(
        title=title,
        columns=[
            *featured,
            Column(key="model", label="Model"),
            Column(key="requests", label="Requests", unit="count"),
            Column(key="cost_now_usd", label="Cost now", unit="usd"),
            Column(key="cost_then_usd", label="Cost then", unit="usd"),
            Column(key="own_p50_ms", label="Median latency seen", unit="ms"),
            Column(key="own_quality", label="Quality seen", unit="count"),
        ],
        rows=[
            {
                **({"feature": row.feature} if featured else {}),
                "model": row.model,
                "requests": row.requests,
                "cost_now_usd": row.cost_now_usd,
                "cost_then_usd": row.cost_then_usd,
                "own_p50_ms": row.own_p50_ms,
                "own_quality": row.own_quality,
            }
            for row in rows
        ],
    )


def _plot(rows: Sequence[Repriced]) -> list[Plot]:
    priced = [row for row in rows if row.cost_then_usd is not None][:10]
    if not priced:
        return []
    return [
        Plot(
            title="The same calls at other models",
            kind="bar",
            unit="usd",
            x=["now", *[row.model for row in priced]],
            series=[
                Series(
                    label="Cost",
                    values=[priced[0].cost_now_usd, *[row.cost_then_usd for row in priced]],
                )
            ],
        )
    ]
