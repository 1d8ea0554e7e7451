"""What broke prefixes, as an analysis tells it: in notes, in evidence, and as a change to try."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from netra_optimizer.levers.base import LeverContext
from netra_optimizer.levers.prefix_text import PrefixReport, find_prefix_breaks, usual_model
from netra_optimizer.levers.prompt_cache import reuse_by_lifetime
from netra_optimizer.levers.prompt_log import PromptText
from netra_optimizer.period import DAY_US, DAYS_A_MONTH, Split
from netra_optimizer.results import Interval, Opportunity, Quality
from netra_optimizer.usage.schema import USAGE_TABLE

NOT_MENDED: Final = frozenset(("expired", "other_prompt"))
"""Causes that another prompt would not change."""
_QUERY: Final = (
    f"SELECT * FROM {USAGE_TABLE} WHERE tenant = {{tenant:String}} AND prompt_hash != '' "
    "ORDER BY start, id"
)


def with_prefix_breaks(
    context: LeverContext,
    opportunities: Sequence[Opportunity],
    prompts: Sequence[PromptText],
    split: Split,
) -> tuple[list[Opportunity], list[str]]:
    """Add what broke prefixes to the dearest prompt-cache entry, a change to try, and notes."""
    found = list(opportunities)
    if not len(context.frame):
        return found, []
    model, provider = usual_model(context.frame)
    report = find_prefix_breaks(prompts, prices=context.prices, model=model, provider=provider)
    if not report.calls:
        return found, []
    rows = report.evidence()
    at = next((at for at, o in enumerate(found) if o.lever == "prompt_cache"), None)
    if at is not None:
        evidence = found[at].evidence | {"prefix_breaks": rows}
        found[at] = msgspec.structs.replace(found[at], evidence=evidence)
    lost = report.cost_since(split.cut_us / 1e6, without=NOT_MENDED)
    lost = min(lost, context.claimed_cost)  # lengths that no source counts are estimates
    worth = context.options.min_share * context.claimed_cost
    if lost > 0 and lost >= worth and context.options.allows("prompt_cache", ""):
        found.append(_mended(context, rows, lost, split))
    return found, _notes(context, report, rows)


def _mended(
    context: LeverContext,
    rows: list[dict[str, Any]],  # Any: rows of PrefixReport.evidence
    lost: float,
    split: Split,
) -> Opportunity:
    """The prompts written so that no prefix breaks; to be evaluated, since they are others then."""
    first = next(row for row in rows if row["cause"] not in NOT_MENDED and row["cost_usd"] > 0)
    shares, changes = reuse_by_lifetime(context.traffic)
    base = context.claimed_cost
    days = max(1, split.last_us - split.cut_us) / DAY_US
    return Opportunity(
        id="prompt_cache:prefix_breaks",
        lever="prompt_cache",
        title=f"Keep prompt starts as they were ({first['cause'].replace('_', ' ')})",
        scope={},
        status="needs_evaluation",
        savings_usd=Interval(0.0, lost, lost),
        savings_pct=100 * lost / base if base > 0 else 0.0,
        monthly_savings_usd=None if split.single else lost * DAYS_A_MONTH / days,
        latency=context.latency(context.traffic.rows),
        quality=Quality(None, None, False),
        evidence={
            "prefix_breaks": rows,
            "reuse_by_lifetime_s": shares,
            "input_cost_change_by_lifetime_s": changes,
            "query": _QUERY,
        },
        assumptions=[
            "Everything after a difference that was sent before would have been read from the "
            "provider's cache (its lengths, steps and lifetime are kept to).",
            "The prompts change, so answers are to be looked at before this counts.",
        ],
        patch={
            "prompt": [
                {"block": row["block"], "change": row["advice"]}
                for row in rows
                if row["cost_usd"] > 0 and row["cause"] not in NOT_MENDED
            ],
            "missing": ["the code that builds your prompts"],
        },
        effort="medium",
        risk="low: the same words in another order",
        rollback="Build the prompts as before.",
    )


def _notes(
    context: LeverContext,
    report: PrefixReport,
    rows: list[dict[str, Any]],  # Any: rows of PrefixReport.evidence
) -> list[str]:
    notes = [
        f"{report.continued} of {report.calls} calls carry an earlier prompt of their conversation "
        "on unbroken."
    ]
    if report.unbroken:
        notes.append("No prefix was broken: every prompt goes on where an earlier one ended.")
    notes += [
        f"Prefix {'' if row['cause'] == 'expired' else 'broken, '}{row['cause'].replace('_', ' ')}"
        f" ({row['block']}, about token {row['first_difference_at_token']:,}): {row['calls']} calls"
        f", about {row['tokens_lost']:,} tokens, ${row['cost_usd']:.2f}. {row['advice']}"
        for row in rows
        if row["tokens_lost"]
    ]
    asked = ~context.frame.prompt_hash.equals("") & (context.frame.calls.input_tokens > 0)
    known = int(asked.sum())
    if known > report.read:
        notes.append(f"Texts of the first {report.read:,} of {known:,} calls were looked at.")
    if report.unpriced:
        notes.append(
            f"{report.unpriced} breaks are not priced: no price or no rule of caching is known "
            "for their model."
        )
    return notes
