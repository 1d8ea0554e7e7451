"""Whether what the question asked for is honoured, each wish with its reason."""

from netra_backend.agents.findings import DataFinding, Evidence
from netra_backend.answers.parts import NO_PRICE, changed, money, percent, priceless
from netra_backend.reasoner import Goals, LatencyWish
from netra_backend.report import Constraint
from netra_backend.usage.facts import UsageRow
from netra_optimizer.results import Analysis, Opportunity


def constraints_of(evidence: Evidence) -> list[Constraint]:
    """Every wish of the question, in the order of its words: latency, cost, speed, quality."""
    analysis = evidence.computed.analysis
    out = [_latency(wish, evidence.data, analysis) for wish in evidence.intent.latency]
    if analysis is not None:
        out += _cost(evidence.intent.goals, analysis)
        out += _speed(evidence.intent.goals, evidence.data, analysis)
    if evidence.intent.goals.keep_quality:
        out.append(
            Constraint(
                text="Quality stays as it is",
                honoured=True,
                detail="Only changes count that leave answers as they are, or that passed a "
                "non-inferiority test on paired outcomes; the others wait for an evaluation.",
            )
        )
    return out


def _latency(wish: LatencyWish, data: DataFinding, analysis: Analysis | None) -> Constraint:
    profile = data.profile
    assert profile is not None
    rows = {row.key: row for row in profile.features}
    names = data.bounds(wish)
    if names is None:
        meant = f"No call is tagged {wish.feature!r}." if wish.feature else "Whose bound is this?"
        return Constraint(
            text=wish.text,
            honoured=None,
            detail=f"{meant} The data has: {', '.join(list(rows)[:8])}. Nothing was bound by it.",
        )
    if not names:
        known = [row for row in profile.features if row.p50_ms is not None]
        worst = max(known, key=lambda row: row.p50_ms or 0.0, default=None)
        return _bound(wish, worst, analysis)
    slowest = max(names, key=lambda name: rows[name].p50_ms or 0.0)
    return _bound(wish, rows[slowest], analysis)


def _bound(wish: LatencyWish, row: UsageRow | None, analysis: Analysis | None) -> Constraint:
    if row is None or row.p50_ms is None:
        return Constraint(
            text=wish.text,
            honoured=None,
            detail="The records hold no latency. Nothing that could slow these calls was counted.",
        )
    if row.p50_ms > wish.max_ms:
        return Constraint(
            text=wish.text,
            honoured=False,
            detail=f"{row.key} takes {row.p50_ms:,.0f} ms at the median before any change.",
        )
    counted = analysis.combined.attribution if analysis else {}
    return Constraint(
        text=wish.text,
        honoured=True,
        detail=f"{row.key} takes {row.p50_ms:,.0f} ms at the median now; "
        + (
            f"no counted change takes it over {wish.max_ms:,.0f} ms."
            if counted
            else "no change is counted that could slow it."
        ),
    )


def _cost(goals: Goals, analysis: Analysis) -> list[Constraint]:
    combined = analysis.combined
    before, after = combined.cost_before_usd, combined.cost_after_usd
    saved = (before - after) / before if before else 0.0
    growth = goals.traffic_change or 0.0
    out: list[Constraint] = []
    if priceless(analysis):
        texts = [] if goals.cost_change is None else [f"Cost {changed(goals.cost_change)}"]
        texts += ["No more money than now"] if goals.cost_cap else []
        return [Constraint(text=text, honoured=None, detail=NO_PRICE) for text in texts]
    if goals.cost_change is not None:
        grown = after * (1 + growth)
        reached = grown <= before * (1 + goals.cost_change) + 1e-9
        text = f"Cost {changed(goals.cost_change)}"
        detail = f"All proven changes together save {percent(saved)}"
        if growth:
            size = changed(abs(growth)).removeprefix("+")
            more = f"{size} {'more' if growth > 0 else 'less'}"
            text += f" while traffic {'grows' if growth > 0 else 'falls'} {size}"
            detail += (
                f"; with {more} traffic of the same kind the cost is {money(grown)} "
                f"against {money(before)} now (assumption: cost grows with traffic)"
            )
        if not reached:
            detail += (
                f". The nearest that is proven is {grown / before - 1 if before else 0.0:+.1%}"
            )
        out.append(Constraint(text=text, honoured=reached, detail=detail + "."))
    if goals.cost_cap:
        grown = after * (1 + growth)
        detail = f"{money(before)} before, {money(after)} after the counted changes"
        if growth:
            detail += (
                f", {money(grown)} with {changed(growth)} traffic of the same kind "
                "(assumption: cost grows with traffic)"
            )
        out.append(
            Constraint(
                text="No more money than now",
                honoured=grown <= before + 1e-9,
                detail=f"{detail}.",
            )
        )
    return out


def _speed(goals: Goals, data: DataFinding, analysis: Analysis) -> list[Constraint]:
    if goals.speed_factor is None:
        return []
    # Imported where it is used: it loads numpy and scipy, and an idle server needs neither.
    from netra_optimizer import mean_latency

    text = f"{goals.speed_factor:g} times as fast"
    assert data.profile is not None
    before = analysis.usage.mean_latency_ms
    if data.profile.latency_share == 0 or not before:
        return [
            Constraint(
                text=text,
                honoured=None,
                detail="The records hold no latency: log the duration of each call to know.",
            )
        ]
    counted = [o for o in analysis.opportunities if o.id in analysis.combined.attribution]
    waiting = [o for o in analysis.opportunities if o.status == "needs_evaluation"]
    after = mean_latency(analysis, counted) or 0.0
    detail = f"A call takes {before:,.0f} ms on average; with all proven changes {after:,.0f} ms"
    if after > 0:
        detail += f", {before / after:.2f} times as fast"
    best = max(waiting, key=_gain_ms, default=None)
    if best is not None and _gain_ms(best) > 0:
        detail += (
            f". Of those to be evaluated {best.title} gains most: its {best.latency.requests:,} "
            f"calls take {best.latency.mean_before:,.0f} ms now and {best.latency.mean_after:,.0f} "
            "ms then, as your own calls of that model tell"
        )
    return [
        Constraint(
            text=text,
            honoured=before >= goals.speed_factor * after - 1e-6,
            detail=f"{detail}.",
        )
    ]


def _gain_ms(opportunity: Opportunity) -> float:
    before, after = opportunity.latency.mean_before, opportunity.latency.mean_after
    return (
        0.0 if before is None or after is None else (before - after) * opportunity.latency.requests
    )
