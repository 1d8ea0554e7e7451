"""Reports: their size, their words, their promises."""

import msgspec
import pytest

from netra_backend.agents.findings import DataFinding, Evidence
from netra_backend.answers import write_report
from netra_backend.reasoner import DeterministicReasoner
from netra_backend.report import (
    MAX_REPORT_BYTES,
    Column,
    IntervalOut,
    LatencyOut,
    OpportunityOut,
    QualityOut,
    Report,
    ReportTable,
    Sufficiency,
)
from netra_backend.tests.unit.questions import QUESTIONS
from netra_backend.usage.facts import NO_USAGE, UsageRow
from netra_optimizer.results import Interval, Latency, Opportunity, Quality


def _opportunity(number: int) -> OpportunityOut:
    return OpportunityOut(
        id=f"o{number}",
        lever="prompt_cache",
        title="Cache prompts",
        scope={"feature": "chat"},
        status="verified",
        savings_usd=IntervalOut(low=1, expected=2, high=3),
        savings_pct=1.0,
        monthly_savings_usd=None,
        latency=LatencyOut(p50_before=None, p50_after=None),
        quality=QualityOut(delta=None, bound=None, verified=False),
        evidence={"rows": [{"text": "x" * 400} for _ in range(10)]},
        assumptions=[],
        patch={},
        effort="low",
        risk="low",
        rollback="turn it off",
    )


def test_a_report_is_cut_to_the_size_of_an_event_from_its_end() -> None:
    report = Report(
        kind="savings",
        question="q",
        headline="h",
        opportunities=[_opportunity(n) for n in range(40)],
        tables=[
            ReportTable(
                title="t",
                columns=[Column(key="a", label="A")],
                rows=[{"a": "y" * 100} for _ in range(1000)],
            )
        ],
        sufficiency=Sufficiency.of(1.0),
    )
    fitted = report.fitted()
    assert len(fitted.model_dump_json()) <= MAX_REPORT_BYTES
    assert [o.id for o in fitted.opportunities] == [
        o.id for o in report.opportunities[: len(fitted.opportunities)]
    ]
    assert fitted.opportunities
    assert fitted.fitted() == fitted


def test_a_small_report_is_left_as_it_is() -> None:
    report = Report(kind="usage", question="q", headline="h", sufficiency=Sufficiency.of(0.5))
    assert report.fitted() is report


@pytest.mark.parametrize(
    ("score", "level"),
    [(0.8, "sufficient"), (0.79, "partial"), (0.4, "partial"), (0.39, "insufficient")],
)
def test_the_level_follows_from_the_score(score: float, level: str) -> None:
    assert Sufficiency.of(score).level == level


def test_an_opportunity_of_the_report_has_the_very_fields_of_the_optimizer_s() -> None:
    ours = {field: None for field in OpportunityOut.model_fields}
    theirs = {field.name: None for field in msgspec.structs.fields(Opportunity)}
    assert ours == theirs
    for mine, other in ((IntervalOut, Interval), (LatencyOut, Latency), (QualityOut, Quality)):
        assert list(mine.model_fields) == [field.name for field in msgspec.structs.fields(other)]


async def test_a_bill_alone_is_told_what_it_can_and_cannot_say() -> None:
    intent = await DeterministicReasoner().understand("We only have one provider's invoice")
    report = write_report(Evidence(intent=intent, data=DataFinding(profile=None)))
    assert "A bill says what was paid" in report.summary[0]
    assert "organization page" in report.next_steps[0]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_without_data_every_question_is_answered_without_a_number(question: str) -> None:
    intent = await DeterministicReasoner().understand(question)
    report = write_report(Evidence(intent=intent, data=DataFinding(profile=None)))
    assert report.kind == "needs_data"
    assert report.figures == []
    assert report.sufficiency.level == "insufficient"
    assert all((report.headline, report.summary, report.next_steps, report.sufficiency.ask))


def _row(key: str, cost_usd: float) -> UsageRow:
    return UsageRow(
        key=key,
        requests=1,
        input_tokens=1,
        cached_input_tokens=0,
        output_tokens=1,
        cost_usd=cost_usd,
    )


@pytest.mark.parametrize(
    ("question", "dearest"),
    [
        ("Which feature costs most?", "chat is 60.0 %"),
        ("Which model costs most?", "gpt-4o is 90.0 %"),
    ],
)
async def test_what_is_asked_to_cost_most_is_named_in_the_headline(
    question: str, dearest: str
) -> None:
    features = [_row("(none)", 7.0), _row("chat", 6.0), _row("search", 1.0)]
    profile = msgspec.structs.replace(
        NO_USAGE,
        requests=2,
        cost_usd=10.0,
        priced_share=1.0,
        models=[_row("gpt-4o", 9.0)],
        features=features,
    )
    intent = await DeterministicReasoner().understand(question)
    report = write_report(Evidence(intent=intent, data=DataFinding(profile=profile)))
    assert dearest in report.headline
