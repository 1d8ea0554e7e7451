"""Goals solved over the opportunities of an analysis."""

import msgspec
import pytest

from netra_optimizer import Analysis, Goals, PriceTable, analyze, generate_workload, plan_for_goals
from netra_optimizer.results import (
    Audit,
    Combined,
    Interval,
    Latency,
    Opportunity,
    Period,
    Quality,
    UsageTotals,
)


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    prices = PriceTable.load()
    return analyze(generate_workload(1).frame(prices), prices=prices)


def test_a_modest_goal_is_met_with_few_proven_changes(analysis: Analysis) -> None:
    plan = plan_for_goals(analysis, Goals(cost_change_pct=-20))
    assert (plan.met, plan.binding) == (True, [])
    assert plan.cost_change_pct <= -20
    assert [change.id for change in plan.changes] == [analysis.opportunities[0].id]
    assert plan.cost_target_usd is not None and plan.cost_after_usd <= plan.cost_target_usd


def test_growth_makes_the_same_goal_harder(analysis: Analysis) -> None:
    plan = plan_for_goals(analysis, Goals(cost_change_pct=-20, growth=1.3))
    assert plan.met
    assert len(plan.changes) > 1
    saved = sum(change.savings_usd for change in plan.changes)
    assert plan.cost_after_usd == pytest.approx((plan.cost_before_usd - saved) * 1.3)
    assert plan.cost_change_pct <= -20


def test_beyond_what_is_proven_the_rest_is_said_to_need_proof(analysis: Analysis) -> None:
    plan = plan_for_goals(analysis, Goals(cost_change_pct=-55))
    assert (plan.met, plan.met_if_proven) == (False, True)
    assert any(not change.proven for change in plan.changes)
    assert "prove good" in plan.said


def test_what_cannot_be_is_said_with_what_binds_and_the_nearest(analysis: Analysis) -> None:
    plan = plan_for_goals(analysis, Goals(cost_change_pct=-95))
    assert (plan.met, plan.met_if_proven, plan.binding) == (False, False, ["cost"])
    assert plan.cost_after_usd == pytest.approx(analysis.combined.cost_after_usd)


def test_a_goal_of_latency_that_nothing_reaches_binds(analysis: Analysis) -> None:
    plan = plan_for_goals(analysis, Goals(cost_change_pct=-5, latency_factor=0.01))
    assert plan.binding == ["latency"]


def test_no_goal_needs_no_change(analysis: Analysis) -> None:
    plan = plan_for_goals(analysis, Goals())
    assert (plan.met, plan.changes) == (True, [])


def two_changes(before_ms: float = 1000.0) -> Analysis:
    """A cache and a switch of the same calls, each of which halves their wait."""
    changes = [
        Opportunity(
            id=name,
            lever=name,
            title=name,
            scope={"feature": "chat"},
            status="verified",
            savings_usd=Interval(1.0, 1.0, 1.0),
            savings_pct=10.0,
            monthly_savings_usd=None,
            latency=Latency(before_ms, before_ms / 2, before_ms, before_ms / 2, 10),
            quality=Quality(None, None, True),
            evidence={},
            assumptions=[],
            patch={},
            effort="low",
            risk="",
            rollback="",
        )
        for name in ("cache", "switch")
    ]
    return Analysis(
        usage=UsageTotals(10, 0, 0, 0, 10.0, None, None, before_ms, 10),
        audit=Audit(10, 10, {}),
        opportunities=changes,
        combined=Combined(
            Period(None, None), 10.0, 8.0, Interval(2.0, 2.0, 2.0), {"cache": 1.0, "switch": 1.0}
        ),
    )


def test_changes_of_the_same_calls_each_shorten_what_the_other_leaves() -> None:
    halved = plan_for_goals(two_changes(), Goals(latency_factor=0.5))
    assert (halved.met, len(halved.changes), halved.latency_after_ms) == (True, 1, 500.0)
    fourth = plan_for_goals(two_changes(), Goals(latency_factor=0.25))
    assert (fourth.met, fourth.latency_after_ms) == (True, pytest.approx(250.0))
    beyond = plan_for_goals(two_changes(), Goals(latency_factor=0.2))
    assert (beyond.met_if_proven, beyond.binding) == (False, ["latency"])
    assert beyond.latency_after_ms == pytest.approx(250.0)


def test_where_no_call_is_timed_a_goal_of_speed_is_not_known_and_cost_is_planned() -> None:
    analysis = two_changes()
    untimed = UsageTotals(10, 0, 0, 0, 10.0, None, None)
    plan = plan_for_goals(
        msgspec.structs.replace(analysis, usage=untimed),
        Goals(cost_change_pct=-10, latency_factor=0.5),
    )
    assert (plan.met, plan.met_if_proven, plan.binding) == (False, False, [])
    assert plan.said.startswith("The records hold no latency: whether the goal of speed is met is")
    alone = plan_for_goals(
        msgspec.structs.replace(analysis, usage=untimed), Goals(latency_factor=0.5)
    )
    assert "met by proven changes" not in alone.said
    assert len(plan.changes) == 1


def test_without_any_traffic_every_goal_of_cost_is_met() -> None:
    plan = plan_for_goals(two_changes(), Goals(cost_change_pct=-20, growth=0.0))
    assert (plan.met, plan.cost_after_usd, plan.changes) == (True, 0.0, [])
