"""Optimization: has the optimizer compute what the question needs."""

from typing import Any

import msgspec

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext
from netra_backend.agents.findings import Computed, DataFinding, OptimizationRequest
from netra_backend.errors import ToolFailedError
from netra_backend.reasoner import Intent, Topic
from netra_backend.usage.facts import Failures, LoadProfile, Repriced
from netra_backend.usage.service import UsageService
from netra_optimizer.findings import Anomalies, Forecast, Limit, TimeSpent
from netra_optimizer.options import AnalysisOptions, FeatureRule
from netra_optimizer.results import Analysis

_ALTERNATIVES = 6


class OptimizationAgent(BaseAgent[OptimizationRequest, Computed]):
    """Chooses computations by the topic; every number comes from the optimizer's replay."""

    name = "optimization"
    timeout_s = 600.0

    def __init__(self, usage: UsageService) -> None:
        super().__init__()
        self._usage = usage

    def announce(self, request: OptimizationRequest) -> str:
        """What `agent_started` says."""
        return "Replaying your traffic"

    def show(self, result: Computed) -> object:
        """What was found, in a line each."""
        analysis = result.analysis
        return {
            "opportunities": [
                {"title": o.title, "status": o.status, "savings_usd": o.savings_usd.expected}
                for o in (analysis.opportunities if analysis else [])[:20]
            ],
            "notes": list(result.notes),
        }

    async def run(self, ctx: AgentContext, request: OptimizationRequest) -> Computed:
        """Compute."""
        intent, data = request.intent, request.data
        assert data.profile is not None  # the supervisor asks only where there is usage
        match intent.topic:
            case Topic.CACHE_AUDIT:
                return await self._caching(ctx, intent, data)
            case Topic.CHANGE_REVIEW:
                return await self._change(ctx, intent, data)
            case Topic.FORECAST:
                return Computed(
                    load=await self._load(ctx, data),
                    forecast=await self._forecast(ctx, intent, data),
                    analysis=await self._savings(ctx, intent, data),
                )
            case Topic.BUDGET:
                return Computed(
                    load=await self._load(ctx, data),
                    analysis=await self._savings(ctx, intent, data),
                )
            case Topic.MODEL_FIT:
                rows = await self._models(ctx, intent, data)
                return Computed(
                    repriced=tuple(row for row in rows if row.feature is None),
                    by_feature=tuple(row for row in rows if row.feature is not None),
                    analysis=await self._savings(ctx, intent, data, "model_switch", "routing"),
                )
            case Topic.ERRORS:
                return Computed(
                    failures=await self._failures(ctx),
                    anomalies=await self._anomalies(ctx, data),
                    analysis=await self._savings(ctx, intent, data),
                )
            case Topic.USAGE:
                return Computed(
                    load=await self._load(ctx, data), anomalies=await self._anomalies(ctx, data)
                )
            case Topic.CHARGEBACK | Topic.COMPLIANCE:
                return Computed(load=await self._load(ctx, data))
            case Topic.SAVINGS | Topic.SPEED:
                fast = intent.topic is Topic.SPEED or intent.goals.speed_factor is not None
                return Computed(
                    time=await self._time(ctx, data) if fast else None,
                    analysis=await self._savings(ctx, intent, data),
                )

    async def _savings(
        self, ctx: AgentContext, intent: Intent, data: DataFinding, *levers: str
    ) -> Analysis:
        options = analysis_options(intent, data, levers)
        features = focus(intent, data)
        await ctx.think(_plan(options, features))
        stop = ctx.token

        async def replay_levers(features: list[str], constraints: dict[str, Any]) -> Analysis:
            return await self._usage.analyze(ctx.user, options, features, lambda: stop.cancelled)

        return await ctx.tool(
            "replay_levers",
            replay_levers,
            returns=Analysis,
            show=_brief,
            features=features,
            constraints={k: msgspec.to_builtins(rule) for k, rule in options.features.items()},
        )

    async def _caching(self, ctx: AgentContext, intent: Intent, data: DataFinding) -> Computed:
        analysis = await self._savings(ctx, intent, data, "prompt_cache", "response_cache")
        await ctx.think("Checking every use of caching, feature by feature.")

        async def audit_caching() -> dict[str, Any]:
            return await self._usage.audit_caching(ctx.user)

        audit = await _optional(ctx, "audit_caching", audit_caching)
        return Computed(analysis=analysis, cache_audit=audit)

    async def _change(self, ctx: AgentContext, intent: Intent, data: DataFinding) -> Computed:
        at, notes = _when(intent, data)
        await ctx.think(
            f"Comparing before and after {at}, with the same mix of traffic."
            if at
            else "Looking for changes of model or prompt, feature by feature."
        )

        async def review_change(change_at: str | None) -> dict[str, Any]:
            return await self._usage.review_change(ctx.user, change_at)

        review = await _optional(ctx, "review_change", review_change, change_at=at)
        if review is None:
            notes = (*notes, "The change could not be reviewed on this data.")
        anomalies = await self._anomalies(ctx, data)
        return Computed(change=review, anomalies=anomalies, notes=notes)

    async def _anomalies(self, ctx: AgentContext, data: DataFinding) -> Anomalies:
        await ctx.think("Looking for days that left their pattern, and what explains them.")

        async def find_anomalies(features: list[str]) -> Anomalies:
            return await self._usage.anomalies(ctx.user, features)

        return await ctx.tool(
            "find_anomalies", find_anomalies, returns=Anomalies, features=list(data.known)
        )

    async def _time(self, ctx: AgentContext, data: DataFinding) -> TimeSpent:
        await ctx.think("Looking where the time goes: by model, and calls that wait in a row.")

        async def time_spent(features: list[str]) -> TimeSpent:
            return await self._usage.time_spent(ctx.user, features)

        return await ctx.tool(
            "time_spent", time_spent, returns=TimeSpent, features=list(data.known)
        )

    async def _forecast(self, ctx: AgentContext, intent: Intent, data: DataFinding) -> Forecast:
        growth = max(0.01, 1 + (intent.goals.traffic_change or 0.0))
        limits = {limit.model or "": Limit(limit.requests, limit.tokens) for limit in intent.limits}

        async def forecast(features: list[str], growth: float, limits: dict[str, Any]) -> Forecast:
            given = msgspec.convert(limits, dict[str, Limit])
            return await self._usage.forecast(ctx.user, features, growth, given)

        return await ctx.tool(
            "forecast",
            forecast,
            returns=Forecast,
            features=list(data.known),
            growth=growth,
            limits=msgspec.to_builtins(limits),
        )

    async def _load(self, ctx: AgentContext, data: DataFinding) -> LoadProfile:
        async def traffic_load(features: list[str]) -> LoadProfile:
            return await self._usage.load_profile(ctx.user, features)

        return await ctx.tool(
            "traffic_load", traffic_load, returns=LoadProfile, features=list(data.known)
        )

    async def _failures(self, ctx: AgentContext) -> Failures:
        async def failure_costs() -> Failures:
            return await self._usage.failures(ctx.user)

        return await ctx.tool("failure_costs", failure_costs, returns=Failures)

    async def _models(
        self, ctx: AgentContext, intent: Intent, data: DataFinding
    ) -> tuple[Repriced, ...]:
        await ctx.think("Pricing your own tokens at the models in question.")

        async def reprice_models(
            models: list[str], features: list[str], away: bool
        ) -> list[Repriced]:
            return await self._usage.reprice(ctx.user, models, features, _ALTERNATIVES, away=away)

        rows = await ctx.tool(
            "reprice_models",
            reprice_models,
            returns=list[Repriced],
            models=list(intent.models),
            features=list(data.known),
            away=intent.away_from,
        )
        return tuple(rows)


def analysis_options(
    intent: Intent, data: DataFinding, levers: tuple[str, ...] = ()
) -> AnalysisOptions:
    """The question's constraints as rules of the replay.

    A bound on a feature that the data does not have binds nothing; the report says so.
    """
    rules: dict[str, FeatureRule] = {}
    everywhere = FeatureRule()
    for wish in intent.latency:
        names = data.bounds(wish)
        if names == ():
            everywhere = FeatureRule(max_latency_ms=wish.max_ms)
        for name in names or ():
            rules[name] = FeatureRule(max_latency_ms=wish.max_ms)
    return AnalysisOptions(
        features=rules,
        everywhere=everywhere,
        levers=levers or None,
        candidates=() if intent.away_from else intent.models,
    )


def focus(intent: Intent, data: DataFinding) -> list[str]:
    """Features to look at alone: those named without a bound; a bound alone narrows nothing."""
    bounded = {name for wish in intent.latency for name in data.bounds(wish) or ()}
    return [name for name in data.known if name not in bounded]


def _when(intent: Intent, data: DataFinding) -> tuple[str | None, tuple[str, ...]]:
    """When the change was, None to look for it; and what to say about that."""
    profile, at = data.profile, intent.change_at
    if at is None or profile is None or profile.first is None or profile.last is None:
        return None, ()
    if profile.first[:19] < at[:19] < profile.last[:19]:
        return at, ()
    note = (
        f"The data goes from {profile.first} to {profile.last}; {at[:10]} is not in it, so changes "
        "were looked for in the data itself."
    )
    return None, (note,)


async def _optional(
    ctx: AgentContext, name: str, fn: Any, **args: Any
) -> dict[str, Any] | None:  # Any: JSON of the optimizer's own struct
    """A computation whose failure is an answer too: the data does not allow it."""
    try:
        return await ctx.tool(name, fn, returns=dict[str, Any], **args)
    except ToolFailedError as error:
        await ctx.think(f"That cannot be computed on this data: {error.message}")
        return None


def _brief(analysis: Analysis) -> dict[str, object]:
    return {
        "opportunities": len(analysis.opportunities),
        "cost_before_usd": round(analysis.combined.cost_before_usd, 4),
        "savings_usd": msgspec.to_builtins(analysis.combined.savings_usd),
    }


def _plan(options: AnalysisOptions, features: list[str]) -> str:
    scope = f"the calls of {', '.join(features)}" if features else "all calls"
    text = f"Replaying {scope} with every lever, alone and together."
    for feature, rule in options.features.items():
        text += f" {feature} must stay within {rule.max_latency_ms:g} ms."
    return text
