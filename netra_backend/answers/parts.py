"""What several answers share: sufficiency, figures of the usage, tables and plots of it."""

from collections.abc import Sequence

import msgspec

from netra_backend.agents.findings import DataFinding
from netra_backend.report import (
    Column,
    Figure,
    OpportunityOut,
    Plot,
    ReportTable,
    Series,
    Sufficiency,
)
from netra_backend.usage.facts import Profile, UsageRow
from netra_optimizer.results import Analysis, Opportunity

HOW_TO_BRING = (
    "upload the log of your LLM calls: a LiteLLM or Langfuse export, OpenAI or Anthropic "
    "request/response logs as JSON lines, or any CSV with a time stamp, a model and token counts"
)


def money(value: float) -> str:
    """USD as people write it; small amounts keep digits that matter."""
    sign = "-" if value < 0 else ""
    size = abs(value)
    return f"{sign}${size:,.2f}" if size >= 0.1 or size == 0 else f"{sign}${size:.4f}"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{share * 100:.1f} %"


def changed(share: float) -> str:
    """By how much something changes, as it was said: +50%, -12.5%."""
    return f"{round(100 * share, 1):+g}%"


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun: `1 change is`, `3 changes are`."""
    return f"{number:,} {one if number == 1 else many}"


def evidence(profile: Profile) -> str:
    """Which rows a figure stands on."""
    calls = counted(profile.requests, "call", "calls")
    return f"{calls}, {profile.first} to {profile.last}, at list prices"


def sufficiency(profile: Profile) -> Sufficiency:
    """How far this usage carries, and the one thing that would help most."""
    score = (
        0.25 * min(1.0, profile.requests / 1000)
        + 0.25 * min(1.0, profile.days / 2)
        + 0.3 * profile.priced_share
        + 0.1 * profile.latency_share
        + 0.1 * max(profile.prefix_share, profile.feature_share)
    )
    return Sufficiency.of(score, _ask(profile))


def _ask(profile: Profile) -> str | None:
    if profile.priced_share < 0.95:
        return "Name the models that have no price, so that every call counts."
    if profile.requests < 1000 or profile.days < 2:
        return (
            "Bring two days of traffic or more: changes are chosen on a part, proven on the rest."
        )
    if profile.prefix_share < 0.5:
        return (
            "Log prompts, or hashes of their blocks: then prompt caching can be replayed exactly."
        )
    if profile.quality_share == 0:
        return (
            "Bring paired outcomes of two models on the same prompts: then a switch can be proven."
        )
    if profile.latency_share < 0.5:
        return "Log the latency of each call: then limits can be checked."
    if profile.feature_share < 0.5:
        return "Tag calls with the feature they serve: then each feature gets its own answer."
    return None


def usage_figures(profile: Profile) -> list[Figure]:
    """What was used."""
    source = evidence(profile)
    return [
        Figure(label="Cost of the period", value=profile.cost_usd, unit="usd", evidence=source),
        Figure(label="Requests", value=profile.requests, unit="count", evidence=source),
        Figure(label="Input tokens", value=profile.input_tokens, unit="tokens", evidence=source),
        Figure(label="Output tokens", value=profile.output_tokens, unit="tokens", evidence=source),
    ]


def usage_table(title: str, rows: Sequence[UsageRow], limit: int = 20) -> ReportTable:
    """Usage by group."""
    return ReportTable(
        title=title,
        columns=[
            Column(key="key", label="Name"),
            Column(key="requests", label="Requests", unit="count"),
            Column(key="cost_usd", label="Cost", unit="usd"),
            Column(key="input_tokens", label="Input", unit="tokens"),
            Column(key="output_tokens", label="Output", unit="tokens"),
            Column(key="p50_ms", label="Median latency", unit="ms"),
        ],
        rows=[
            {
                "key": row.key,
                "requests": row.requests,
                "cost_usd": row.cost_usd,
                "input_tokens": row.input_tokens,
                "output_tokens": row.output_tokens,
                "p50_ms": row.p50_ms,
            }
            for row in rows[:limit]
        ],
    )


def cost_over_time(profile: Profile) -> list[Plot]:
    """Cost by hour or day; nothing for a single point."""
    rows = profile.by_time
    if len(rows) < 2:
        return []
    return [
        Plot(
            title=f"Cost by {profile.time_unit}",
            kind="line",
            unit="usd",
            x=[row.key for row in rows],
            series=[Series(label="Cost", values=[row.cost_usd for row in rows])],
        )
    ]


def opportunity_out(opportunity: Opportunity) -> OpportunityOut:
    """As the report carries it."""
    return OpportunityOut.model_validate(msgspec.to_builtins(opportunity))


NO_PRICE = "No call has a known price: name the models, or give them one."


def priceless(analysis: Analysis) -> bool:
    """Whether there is no call of which it is known what it cost."""
    return not analysis.combined.cost_before_usd and bool(analysis.unpriced_models)


def unpriced(profile: Profile) -> list[str]:
    """A sentence for calls that are in no figure of money."""
    count = profile.requests - round(profile.priced_share * profile.requests)
    if not count:
        return []
    names = ", ".join([row.key for row in profile.models if row.unpriced_requests][:8])
    of = f" ({names})" if names else ""
    return [f"{count:,} of {profile.requests:,} calls{of} have no known price and are in no cost."]


def unknown_names(data: DataFinding) -> list[str]:
    """A sentence for features that the data does not have."""
    if not data.unknown or data.profile is None:
        return []
    names = [row.key for row in data.profile.features if row.key != "(none)"]
    has = f"it has {', '.join(names[:8])}" if names else "no call in it is tagged with a feature"
    wanted = ", ".join(repr(name) for name in data.unknown)
    return [f"Nothing in the data is named {wanted}: {has}."]
