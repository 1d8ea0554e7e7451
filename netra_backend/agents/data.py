"""Data: what the workspace's usage can say about the question."""

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext
from netra_backend.agents.findings import NO_SUBJECT, DataFinding, DataRequest, plain_name
from netra_backend.reasoner import Intent
from netra_backend.usage.facts import Profile
from netra_backend.usage.service import UsageService


class DataAgent(BaseAgent[DataRequest, DataFinding]):
    """Looks at the usage, and finds the features that the question names."""

    name = "data"

    def __init__(self, usage: UsageService) -> None:
        super().__init__()
        self._usage = usage

    def announce(self, request: DataRequest) -> str:
        """What `agent_started` says."""
        return "Looking at your usage"

    def show(self, result: DataFinding) -> object:
        """Counts and names; the rows stay in the run's record."""
        found = result.profile
        return {
            "requests": found.requests if found else 0,
            "cost_usd": found.cost_usd if found else 0.0,
            "known": list(result.known),
            "unknown": list(result.unknown),
        }

    async def run(self, ctx: AgentContext, request: DataRequest) -> DataFinding:
        """Profile the usage and match names."""
        await ctx.think("Reading the usage of this workspace.")

        async def usage_profile() -> Profile:
            return await self._usage.profile(ctx.user)

        profile = await ctx.tool("usage_profile", usage_profile, returns=Profile, show=_brief)
        if profile.requests == 0:
            await ctx.think("There is no usage in this workspace yet.")
            return DataFinding(profile=None, unknown=request.intent.features)
        known, unknown = _match(request.intent, profile)
        await ctx.think(_found(profile, unknown))
        return DataFinding(profile=profile, known=known, unknown=unknown)


def _brief(profile: Profile) -> dict[str, object]:
    return {
        "requests": profile.requests,
        "cost_usd": round(profile.cost_usd, 4),
        "first": profile.first,
        "last": profile.last,
        "features": len(profile.features),
        "models": [row.key for row in profile.models[:10]],
    }


def _found(profile: Profile, unknown: tuple[str, ...]) -> str:
    text = (
        f"{profile.requests:,} {'call' if profile.requests == 1 else 'calls'} for "
        f"${profile.cost_usd:,.2f} from {profile.first} to {profile.last}, "
        f"{len(profile.models)} {'model' if len(profile.models) == 1 else 'models'}."
    )
    if unknown:
        text += f" Nothing in the data is named {', '.join(unknown)}."
    return text


def _match(intent: Intent, profile: Profile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Named features as the data spells them, and those that it does not have."""
    spelled = {plain_name(row.key): row.key for row in profile.features if row.key != "(none)"}
    known: dict[str, None] = {}
    unknown: list[str] = []
    for name in intent.features:
        if (found := spelled.get(plain_name(name))) is not None:
            known[found] = None
        else:
            unknown.append(name)
    words = f" {plain_name(intent.question)} "
    for plain, key in spelled.items():
        if len(plain) > 1 and plain not in NO_SUBJECT and f" {plain} " in words:
            known[key] = None
    return tuple(known), tuple(unknown)
