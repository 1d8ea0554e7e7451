"""Every use of caching: what is read, what is written, what it saves or loses."""

from typing import Any

from netra_backend.agents.findings import Evidence
from netra_backend.answers import parts
from netra_backend.answers.savings import attribution_plot, combined_out, headline, savings_figures
from netra_backend.report import Column, Figure, Report, ReportTable
from netra_backend.usage.facts import Profile, UsageRow
from netra_optimizer.results import Analysis


def caching_report(evidence: Evidence, analysis: Analysis, profile: Profile) -> Report:
    """What is cached now, by model and by feature, and what more caching would do."""
    share = profile.cached_input_tokens / profile.input_tokens if profile.input_tokens else 0.0
    lines = [_now(profile, share), headline(analysis), *parts.unknown_names(evidence.data)]
    audit = evidence.computed.cache_audit
    if audit:
        lines.append(
            f"Caching as it is used saved {parts.money(audit['money_usd'])} in the period and lost "
            f"{parts.money(audit['lost_usd'])}."
        )
        lines += [str(note) for note in audit["notes"]]
    lines += [o.title for o in analysis.opportunities if o.status == "loses_money"]
    if profile.prefix_share == 0:
        lines.append(
            "The records hold neither prompts nor hashes of their blocks, so reuse can only be "
            "seen where the provider reports it."
        )
    return Report(
        kind="cache_audit",
        question=evidence.intent.question,
        headline=f"{parts.percent(share)} of your input tokens are read from a prompt cache today.",
        summary=lines,
        figures=[
            Figure(
                label="Input read from cache",
                value=round(share * 100, 2),
                unit="percent",
                evidence=parts.evidence(profile),
            ),
            *savings_figures(analysis),
        ],
        opportunities=[parts.opportunity_out(o) for o in analysis.opportunities],
        combined=combined_out(analysis),
        tables=[
            _cache_table("By feature", profile.features),
            _cache_table("By model", profile.models),
            *_uses(evidence.computed.cache_audit),
        ],
        plots=attribution_plot(analysis),
        sufficiency=parts.sufficiency(profile),
        next_steps=list(evidence.next_steps) or [_next(profile)],
    )


def _uses(audit: dict[str, Any] | None) -> list[ReportTable]:
    """The optimizer's judgement of each use: what it found, what to do."""
    if not audit:
        return []
    keys = (
        "feature", "model", "state", "read_share", "written_never_read_tokens", "money_usd",
        "finding", "advice",
    )  # fmt: skip
    return [
        ReportTable(
            title="Every use of caching",
            columns=[
                Column(key="feature", label="Feature"),
                Column(key="model", label="Model"),
                Column(key="state", label="State"),
                Column(key="read_share", label="Read share", unit="percent"),
                Column(key="written_never_read_tokens", label="Written, never read", unit="tokens"),
                Column(key="money_usd", label="Saved so far", unit="usd"),
                Column(key="finding", label="Finding"),
                Column(key="advice", label="Advice"),
            ],
            rows=[
                {key: use[key] for key in keys}
                | {
                    "state": use["state"].replace("_", " "),
                    "read_share": round(100 * use["read_share"], 2),
                }
                for use in audit["uses"][:40]
            ],
        )
    ]


def _now(profile: Profile, share: float) -> str:
    if share == 0:
        return "No call reads from a prompt cache."
    best = max(profile.features, key=lambda row: row.cached_input_tokens)
    return f"{best.key} reads most: {best.cached_input_tokens:,} of {best.input_tokens:,} tokens."


def _cache_table(title: str, rows: list[UsageRow]) -> ReportTable:
    return ReportTable(
        title=title,
        columns=[
            Column(key="key", label="Name"),
            Column(key="requests", label="Requests", unit="count"),
            Column(key="input_tokens", label="Input", unit="tokens"),
            Column(key="cached_input_tokens", label="Read from cache", unit="tokens"),
            Column(key="share", label="Share", unit="percent"),
            Column(key="cost_usd", label="Cost", unit="usd"),
        ],
        rows=[
            {
                "key": row.key,
                "requests": row.requests,
                "input_tokens": row.input_tokens,
                "cached_input_tokens": row.cached_input_tokens,
                "share": round(100 * row.cached_input_tokens / max(1, row.input_tokens), 2),
                "cost_usd": row.cost_usd,
            }
            for row in rows[:20]
        ],
    )


def _next(profile: Profile) -> str:
    return parts.sufficiency(profile).ask or "Keep caching as it is; more of it would not pay."
