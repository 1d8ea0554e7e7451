"""Goals set by people: cost down by so much, faster by so much, while traffic grows.

Which changes reach them with the least effort is a small integer programme over the opportunities
(scipy.optimize.milp). Savings enter with their shares of the joint replay, so they add up; what
is not proven enters only where proven changes do not do, and is said.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
import numpy as np

from netra_optimizer.results import Analysis, Opportunity

EFFORT: Final = {"low": 1.0, "medium": 2.0, "high": 3.0}
_ROUNDS: Final = 16
UNPROVEN_EFFORT: Final = 20.0
"""So dear that no unproven change is taken while proven ones do."""
Binding = Literal["cost", "latency"]
_UNTIMED: Final = "The records hold no latency: whether the goal of speed is met is not known."


class Goals(msgspec.Struct, frozen=True, kw_only=True):
    """`cost_change_pct` of the bill (-20: a fifth less), `latency_factor` of the mean latency of
    all calls (0.5: twice as fast), `growth` of the traffic (1.3: 30 % more; 0: none is left).
    """

    cost_change_pct: float | None = None
    latency_factor: float | None = None
    growth: float = 1.0


class PlannedChange(msgspec.Struct, frozen=True):
    """One change of the plan; `savings_usd` is its share on the period of the claim."""

    id: str
    title: str
    savings_usd: float
    proven: bool


class GoalPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The least changes that reach the goals; where none do, the nearest and what binds.

    `met`: by proven changes alone. `met_if_proven`: once those to be evaluated are proven. Costs on
    the period of the claim, growth included; latencies are means over all timed calls, and what a
    change does to them counts where the records themselves show it. Changes of the same calls save
    of what the others leave. Where no call is timed a goal of latency is neither met nor missed:
    `said` says so, and the plan is that for the cost.
    """

    met: bool
    met_if_proven: bool
    changes: list[PlannedChange]
    cost_before_usd: float
    cost_target_usd: float | None
    cost_after_usd: float
    cost_change_pct: float
    latency_before_ms: float | None
    latency_after_ms: float | None
    binding: list[Binding]
    said: str


def plan_for_goals(analysis: Analysis, goals: Goals) -> GoalPlan:
    """Solve for the goals over the opportunities of an analysis; those that lose are left out."""
    useful = [o for o in analysis.opportunities if _saving(analysis, o) > 0]
    untimed = goals.latency_factor is not None and analysis.usage.mean_latency_ms is None
    if untimed:
        goals = msgspec.structs.replace(goals, latency_factor=None)
    chosen = _solve(analysis, useful, goals)
    reached = chosen is not None
    if chosen is None:
        chosen = _nearest(useful)
    before = analysis.combined.cost_before_usd
    after = (before - sum(_saving(analysis, o) for o in chosen)) * goals.growth
    proven = all(o.status == "verified" for o in chosen)
    target = None if goals.cost_change_pct is None else before * (1 + goals.cost_change_pct / 100)
    binding = [] if reached else _binding(analysis, useful, goals)
    said_of_cost = not untimed or goals.cost_change_pct is not None
    change_pct = 100 * (after - before) / before if before else 0.0
    said = _said(reached, proven, change_pct, binding) if said_of_cost else ""
    if untimed:
        said = f"{_UNTIMED} By cost alone: {said}" if said else _UNTIMED
    return GoalPlan(
        met=reached and proven and not untimed,
        met_if_proven=reached and not untimed,
        changes=[
            PlannedChange(o.id, o.title, _saving(analysis, o), o.status == "verified")
            for o in chosen
        ],
        cost_before_usd=before,
        cost_target_usd=target,
        cost_after_usd=after,
        cost_change_pct=change_pct,
        latency_before_ms=analysis.usage.mean_latency_ms,
        latency_after_ms=mean_latency(analysis, chosen),
        binding=binding,
        said=said,
    )


def _saving(analysis: Analysis, opportunity: Opportunity) -> float:
    """Its share of the joint figure when counted; of an unproven one its figure alone."""
    if opportunity.status == "verified":
        return analysis.combined.attribution.get(opportunity.id, 0.0)
    return opportunity.savings_usd.expected if opportunity.status == "needs_evaluation" else 0.0


def mean_latency(analysis: Analysis, changes: Iterable[Opportunity]) -> float | None:
    """Mean latency in milliseconds with these changes; None where the records hold none."""
    before, calls = analysis.usage.mean_latency_ms, analysis.usage.timed_requests
    if before is None or not calls:
        return None
    by_scope: dict[tuple[tuple[str, str], ...], list[Opportunity]] = {}
    for change in changes:
        by_scope.setdefault(tuple(sorted(change.scope.items())), []).append(change)
    return max(0.0, before - sum(map(_saved_together, by_scope.values())) / calls)


def _saved_together(changes: list[Opportunity]) -> float:
    """Of changes of the same calls, each shortens what the others leave of the wait."""
    whole = max((_waited(change) for change in changes), default=0.0)
    left = whole
    for change in changes:
        if _waited(change) > 0:
            left *= 1 - _saved_ms(change) / max(whole, _waited(change))
    return whole - left


def _waited(opportunity: Opportunity) -> float:
    return (opportunity.latency.mean_before or 0.0) * opportunity.latency.requests


def _saved_ms(opportunity: Opportunity) -> float:
    """By how much less its calls are waited for, all together; 0 where it is not known."""
    latency = opportunity.latency
    if latency.mean_before is None or latency.mean_after is None:
        return 0.0
    return (latency.mean_before - latency.mean_after) * latency.requests


def _needed(analysis: Analysis, goals: Goals) -> float | None:
    """USD to be saved before growth so that the grown bill meets the goal."""
    if goals.cost_change_pct is None or goals.growth <= 0:
        return None
    before = analysis.combined.cost_before_usd
    return before - before * (1 + goals.cost_change_pct / 100) / goals.growth


def _solve(analysis: Analysis, useful: list[Opportunity], goals: Goals) -> list[Opportunity] | None:
    """The chosen opportunities, None when no set reaches the goals.

    The programme adds up what changes save of the wait; where some share their calls that is too
    much, and more is asked of it until what is left together is little enough.
    """
    mean = analysis.usage.mean_latency_ms
    most = None if goals.latency_factor is None else (mean or 0.0) * goals.latency_factor
    beyond = 0.0
    for _ in range(_ROUNDS):
        chosen = _least_effort(analysis, useful, goals, beyond)
        if chosen is None or most is None:
            return chosen
        over = (mean_latency(analysis, chosen) or 0.0) - most
        if over <= 1e-6:
            return chosen
        beyond += over
    return None


def _least_effort(
    analysis: Analysis, useful: list[Opportunity], goals: Goals, beyond_ms: float
) -> list[Opportunity] | None:
    from scipy import optimize  # 20 MB that other questions do without

    needed = _needed(analysis, goals)
    mean = analysis.usage.mean_latency_ms
    if not useful:
        reached = (needed or 0) <= 0 and (goals.latency_factor or 1.0) >= 1
        return [] if reached else None
    effort = [
        EFFORT.get(o.effort, 2.0) + (0.0 if o.status == "verified" else UNPROVEN_EFFORT)
        for o in useful
    ]
    limits: list[optimize.LinearConstraint] = []
    if needed is not None and needed > 0:
        savings = [_saving(analysis, o) for o in useful]
        limits.append(optimize.LinearConstraint(np.array([savings]), needed - 1e-9, np.inf))
    if goals.latency_factor is not None and mean is not None:
        gains = [_saved_ms(o) / analysis.usage.timed_requests for o in useful]
        least = mean * (1 - goals.latency_factor) + beyond_ms
        limits.append(optimize.LinearConstraint(np.array([gains]), least - 1e-9, np.inf))
    for rivals in _rivals(useful):
        row = np.zeros((1, len(useful)))
        row[0, rivals] = 1
        limits.append(optimize.LinearConstraint(row, -np.inf, 1))
    if not limits:
        return []
    solved = optimize.milp(
        np.array(effort),
        constraints=limits,
        integrality=np.ones(len(useful)),
        bounds=optimize.Bounds(0, 1),
    )
    if not solved.success:
        return None
    return [o for o, taken in zip(useful, np.rint(solved.x), strict=True) if taken]


def _rivals(useful: list[Opportunity]) -> list[list[int]]:
    """Pairs on one scope of which one is unproven: its figure counts the other's calls too."""
    return [
        [at, other]
        for at, one in enumerate(useful)
        for other, two in enumerate(useful[:at])
        if one.scope == two.scope and "needs_evaluation" in (one.status, two.status)
    ]


def _nearest(useful: list[Opportunity]) -> list[Opportunity]:
    """All that is proven: the nearest that can be promised."""
    return [o for o in useful if o.status == "verified"]


def _binding(analysis: Analysis, useful: list[Opportunity], goals: Goals) -> list[Binding]:
    """The goals that cannot be reached each by itself; both when only together."""
    alone: list[Binding] = []
    if goals.cost_change_pct is not None:
        by_cost = msgspec.structs.replace(goals, latency_factor=None)
        if _solve(analysis, useful, by_cost) is None:
            alone.append("cost")
    if goals.latency_factor is not None:
        by_latency = msgspec.structs.replace(goals, cost_change_pct=None)
        if _solve(analysis, useful, by_latency) is None:
            alone.append("latency")
    return alone or ["cost", "latency"]


def _said(reached: bool, proven: bool, change_pct: float, binding: list[Binding]) -> str:
    change = f"The bill changes by {change_pct:+.1f} %."
    if reached and proven:
        return f"The goals are met by proven changes. {change}"
    if reached:
        return f"The goals are met if the changes to be evaluated prove good. {change}"
    return f"The goals cannot be met; {' and '.join(binding)} binds. The nearest: {change.lower()}"
