"""Actions: what to do next, in which order."""

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext
from netra_backend.agents.findings import ActionPlan, Evidence
from netra_optimizer.results import Opportunity

_MAX_STEPS = 5


class ActionsAgent(BaseAgent[Evidence, ActionPlan]):
    """Orders the proven changes by what they save for their effort."""

    name = "actions"
    timeout_s = 60.0

    def announce(self, request: Evidence) -> str:
        """What `agent_started` says."""
        return "Deciding what to do first"

    async def run(self, ctx: AgentContext, request: Evidence) -> ActionPlan:
        """Rank and phrase."""
        analysis = request.computed.analysis
        ranked = rank(analysis.opportunities if analysis else [])

        async def rank_changes() -> list[str]:
            return [phrase(opportunity) for opportunity in ranked[:_MAX_STEPS]]

        steps = await ctx.tool("rank_changes", rank_changes, returns=list[str])
        await ctx.think(
            f"First: {steps[0]}" if steps else "No change is proven to pay on this data."
        )
        return ActionPlan(tuple(steps))


def rank(opportunities: list[Opportunity]) -> list[Opportunity]:
    """Proven savings first, the largest for the least effort before others; losers are left out."""
    effort = {"low": 1.0, "medium": 0.6, "high": 0.3}
    worth = [o for o in opportunities if o.status in ("verified", "needs_evaluation")]
    return sorted(
        worth,
        key=lambda o: (
            o.status != "verified",
            -o.savings_usd.expected * effort.get(o.effort, 0.6),
            o.id,
        ),
    )


def phrase(opportunity: Opportunity) -> str:
    """One change as one sentence."""
    saved = f"${opportunity.savings_usd.expected:,.2f}"
    if opportunity.status == "verified":
        return f"{opportunity.title}: saves {saved} alone, effort {opportunity.effort}."
    return f"Evaluate first: {opportunity.title} (up to {saved}, quality not proven)."
