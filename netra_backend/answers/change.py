"""Was a change worth it."""

from typing import Any

from netra_backend.agents.findings import Evidence
from netra_backend.answers import parts
from netra_backend.answers.tables import table_of
from netra_backend.report import Report
from netra_backend.usage.facts import Profile


def change_report(evidence: Evidence, profile: Profile) -> Report:
    """The optimizer's verdict with its segments; or what is missing for one."""
    review: dict[str, Any] = evidence.computed.change or {}
    sufficiency = parts.sufficiency(profile)
    return Report(
        kind="change_review",
        question=evidence.intent.question,
        headline=_headline(review, profile),
        summary=[
            *[str(line) for line in review.get("notes", [])],
            *evidence.computed.notes,
            *parts.unknown_names(evidence.data),
        ],
        figures=parts.usage_figures(profile)[:2],
        tables=table_of(review) or [parts.usage_table("By feature", profile.features)],
        plots=parts.cost_over_time(profile),
        sufficiency=sufficiency,
        next_steps=_next(review, sufficiency.ask),
    )


def _headline(review: dict[str, Any], profile: Profile) -> str:
    if "headline" in review:
        return str(review["headline"])
    if "verdict" in review:
        return f"The change: {str(review['verdict']).replace('_', ' ')}."
    return (
        "The change cannot be judged on this data: there is no comparable traffic before and after "
        f"it between {profile.first} and {profile.last}."
    )


def _next(review: dict[str, Any], ask: str | None) -> list[str]:
    steps = [str(step) for step in review.get("next_steps", [])]
    rollback = review.get("rollback", review.get("roll_back", []))
    if isinstance(rollback, list) and rollback:
        names = ", ".join(_name(segment) for segment in rollback[:8])
        steps.insert(0, f"Roll back {names}: cost rose and quality hardly moved.")
    if not steps:
        steps.append(ask or "Upload calls from before and after the change, with its date.")
    return steps


def _name(segment: Any) -> str:
    if isinstance(segment, dict):
        return str(segment.get("segment") or segment.get("feature") or segment.get("key"))
    return str(segment)
