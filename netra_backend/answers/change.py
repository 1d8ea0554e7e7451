"""Was a change worth it."""

from typing import Any

from netra_backend.agents.findings import Evidence
from netra_backend.answers import parts
from netra_backend.answers.patterns import pattern_headline, pattern_lines, pattern_tables
from netra_backend.report import Column, Figure, Report, ReportTable
from netra_backend.usage.facts import Profile


def change_report(evidence: Evidence, profile: Profile) -> Report:
    """The optimizer's verdict for each changed feature; or what is missing for one."""
    review: dict[str, Any] = evidence.computed.change or {}
    segments: list[dict[str, Any]] = review.get("segments", [])
    missing = [str(line) for line in review.get("missing", [])]
    sufficiency = parts.sufficiency(profile)
    anomalies = evidence.computed.anomalies
    headline = _headline(review, segments, profile)
    if not segments:
        headline = pattern_headline(anomalies) or headline
    return Report(
        kind="change_review",
        question=evidence.intent.question,
        headline=headline,
        summary=[
            *evidence.computed.notes,
            *[_line(segment) for segment in segments[:8]],
            *[line for line in pattern_lines(anomalies) if line != headline],
            *missing,
            *[str(line) for line in review.get("notes", [])],
            *parts.unknown_names(evidence.data),
        ],
        figures=_figures(review, segments, profile) or parts.usage_figures(profile)[:2],
        tables=[
            *([_table(segments)] if segments else []),
            *pattern_tables(anomalies),
            *([] if segments else [parts.usage_table("By feature", profile.features)]),
        ],
        plots=parts.cost_over_time(profile),
        sufficiency=sufficiency,
        next_steps=_next(segments, missing),
    )


def _headline(review: dict[str, Any], segments: list[dict[str, Any]], profile: Profile) -> str:
    if not segments:
        return (
            "No change of model or prompt can be judged on this data: there is no comparable "
            f"traffic before and after one between {profile.first} and {profile.last}."
        )
    back = [segment for segment in segments if segment["verdict"] == "roll_back"]
    if back:
        names = ", ".join(str(segment["feature"]) for segment in back)
        saved = float(review["roll_back_saves_usd_a_month"])
        reasons = dict.fromkeys(str(segment["reason"]).rstrip(".") for segment in back)
        why = "; ".join(reason[:1].lower() + reason[1:] for reason in reasons)
        saves = f"; that saves {parts.money(saved)} a month" if saved > 0 else ""
        return f"Roll back {names}: {why}{saves}."
    extra = float(review["extra_usd_a_month"])
    word = "more" if extra >= 0 else "less"
    verdicts = {str(segment["verdict"]) for segment in segments}
    if verdicts == {"keep"}:
        return f"Worth it: keep it, at {parts.money(abs(extra))} a month {word}."
    return (
        f"It costs {parts.money(abs(extra))} a month {word}; whether it was worth that is not "
        "proven yet."
    )


def _line(segment: dict[str, Any]) -> str:
    change = float(segment["cost_change_pct"])
    return (
        f"{segment['feature']}: {segment['before']} → {segment['after']} at {segment['at']}, "
        f"{change:+.1f} % a call: {str(segment['verdict']).replace('_', ' ')}. {segment['reason']}"
    )


def _figures(
    review: dict[str, Any], segments: list[dict[str, Any]], profile: Profile
) -> list[Figure]:
    if not segments:
        return []
    calls = sum(int(s["requests_before"]) + int(s["requests_after"]) for s in segments)
    source = f"{calls:,} calls before and after, at equal prompt sizes; {parts.evidence(profile)}"
    return [
        Figure(
            label="More a month than before",
            value=float(review["extra_usd_a_month"]),
            unit="usd",
            evidence=source,
        ),
        Figure(
            label="Rolling back saves a month",
            value=float(review["roll_back_saves_usd_a_month"]),
            unit="usd",
            evidence=source,
        ),
    ]


def _table(segments: list[dict[str, Any]]) -> ReportTable:
    return ReportTable(
        title="Before and after",
        columns=[
            Column(key="feature", label="Feature"),
            Column(key="at", label="Changed"),
            Column(key="before", label="Before"),
            Column(key="after", label="After"),
            Column(key="cost_before_usd", label="A call before", unit="usd"),
            Column(key="cost_after_usd", label="A call after", unit="usd"),
            Column(key="cost_change_pct", label="Change", unit="percent"),
            Column(key="quality_before", label="Quality before", unit="count"),
            Column(key="quality_after", label="Quality after", unit="count"),
            Column(key="verdict", label="Verdict"),
        ],
        rows=[
            {key: segment[key] for key in _KEYS} | {"verdict": segment["verdict"].replace("_", " ")}
            for segment in segments[:25]
        ],
    )


_KEYS = (
    "feature",
    "at",
    "before",
    "after",
    "cost_before_usd",
    "cost_after_usd",
    "cost_change_pct",
    "quality_before",
    "quality_after",
)


def _next(segments: list[dict[str, Any]], missing: list[str]) -> list[str]:
    steps = [
        f"Roll back {segment['feature']} to {segment['before']}."
        for segment in segments
        if segment["verdict"] == "roll_back"
    ]
    steps += missing[:2]
    if not steps and not segments:
        steps.append("Upload calls from before and after the change, with its date.")
    return steps or ["Keep it, and look again in a week."]
