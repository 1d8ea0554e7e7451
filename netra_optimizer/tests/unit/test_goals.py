"""Goals solved over the opportunities of an analysis."""

import pytest

from netra_optimizer import Analysis, Goals, PriceTable, analyze, generate_workload, plan_for_goals


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
