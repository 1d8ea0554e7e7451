"""Answers to questions about other models and about speed, from rows made for them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from netra_backend.agents.findings import Computed, DataFinding, Evidence
from netra_backend.agents.optimization import analysis_options
from netra_backend.answers import parts, write_report
from netra_backend.reasoner import DeterministicReasoner
from netra_backend.report import Report
from netra_backend.usage import columns
from netra_optimizer import (
    Limit,
    PriceTable,
    analyze,
    find_anomalies,
    forecast,
    review_change,
    where_time_goes,
)
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


@pytest.fixture(scope="module")
def frame(prices: PriceTable) -> UsageFrame:
    """A dear chat and a cheap faq of three short answers a minute."""

    def call(at: int, **fields: Any) -> UsageRecord:
        plain = {"input_uncached": 2000, "output_text": 200, "latency_ms": 2000.0}
        start = NOON + timedelta(seconds=20 * at)
        return UsageRecord(**({"id": f"c{at:05d}", "start": start} | plain | fields))

    chat = {"feature": "chat", "model": "claude-sonnet-4-5", "provider": "anthropic"}
    faq = {"feature": "faq", "model": "gpt-4o-mini", "provider": "openai", "output_text": 20}
    records = [call(at, **chat) for at in range(60)]
    records += [call(100 + at, **faq) for at in range(90)]
    return UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)


async def answer(question: str, frame: UsageFrame, prices: PriceTable) -> Report:
    intent = await DeterministicReasoner().understand(question)
    data = DataFinding(profile=columns.profile(frame))
    rows = columns.reprice(frame, prices, list(intent.models), 6, intent.away_from)
    return write_report(
        Evidence(
            intent=intent,
            data=data,
            computed=Computed(
                repriced=tuple(row for row in rows if row.feature is None),
                by_feature=tuple(row for row in rows if row.feature is not None),
                load=columns.load_profile(frame),
                anomalies=find_anomalies(frame),
                time=where_time_goes(frame),
                forecast=forecast(
                    frame,
                    growth=1 + (intent.goals.traffic_change or 0.0),
                    limits={
                        str(limit.model): Limit(limit.requests, limit.tokens)
                        for limit in intent.limits
                    },
                ),
                analysis=analyze(frame, prices=prices, options=analysis_options(intent, data, ())),
            ),
        )
    )


async def test_where_a_model_is_cheaper_and_where_dearer_is_said_feature_by_feature(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer("Which tools should move to gpt-5?", frame, prices)
    assert report.headline.startswith("gpt-5: $")
    (line,) = [line for line in report.summary if line.startswith("gpt-5 is cheaper for chat")]
    assert "dearer for faq" in line
    moves = [o.title for o in report.opportunities if o.lever == "model_switch"]
    assert moves == ["Move chat to gpt-5"]
    assert report.summary.count(report.headline) == 0
    assert report.next_steps[0].startswith("Run about ")


async def test_a_model_to_get_away_from_is_held_against_cheaper_ones_on_its_own_calls(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer("claude-sonnet-4-5 is too expensive, what else?", frame, prices)
    rows = report.tables[0].rows
    assert {row["requests"] for row in rows} == {60}
    paid = rows[0]["cost_now_usd"]
    assert isinstance(paid, float) and paid == pytest.approx(60 * (2000 * 3e-6 + 200 * 15e-6))
    assert all(row["cost_then_usd"] < paid for row in rows[1:])
    assert report.headline.startswith("Instead of claude-sonnet-4-5 ($0.54 for these calls): ")
    assert not any("+0%" in line for line in report.summary)


async def test_fine_tuned_and_preview_models_are_not_named_as_alternatives(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer("Would gpt-4o work in our setup?", frame, prices)
    names = [str(row["model"]) for row in report.tables[0].rows]
    assert len(names) > 3
    assert not [name for name in names if "ft-" in name or "preview" in name or ":" in name]


async def test_a_goal_of_speed_is_judged_over_all_calls_and_the_waiting_is_shown(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer("Make everything three times faster, no more money", frame, prices)
    speed = next(wish for wish in report.constraints if wish.text == "3 times as fast")
    assert speed.honoured is False
    assert "2,000 ms on average; with all proven changes 2,000 ms, 1.00 times" in speed.detail
    assert report.headline.startswith("3 times as fast: not reached. ")
    times = report.tables[0]
    assert times.title == "Where the time goes"
    assert [row["share"] for row in times.rows] == [pytest.approx(60), pytest.approx(40)]


async def test_growth_is_shown_for_each_model_s_busiest_minute(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer("Usage grows 50% next month: cost and rate limits?", frame, prices)
    rows = {row["model"]: row for row in report.tables[0].rows}
    assert rows["gpt-4o-mini"]["requests"] == 3
    assert rows["gpt-4o-mini"]["tokens_then"] == round(3 * 2020 * 1.5)
    assert list(rows) == ["claude-sonnet-4-5", "gpt-4o-mini"]
    assert any("name them in the question" in line for line in report.summary)


async def test_a_limit_that_the_question_names_is_held_against_the_busiest_minute(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer(
        "Traffic doubles next month and gpt-4o-mini is limited to 4 requests per minute and "
        "100k tokens per minute, claude-sonnet-4-5 to 9k tpm",
        frame,
        prices,
    )
    kept = {wish.text: wish.honoured for wish in report.constraints}
    assert kept == {
        "claude-sonnet-4-5 within 9,000 tokens a minute": False,
        "gpt-4o-mini within 4 requests and 100,000 tokens a minute": False,
    }
    assert "gpt-4o-mini meets its limit once its traffic grows by 33%." in report.summary
    assert report.next_steps[0].startswith("Ask for a higher limit of claude-sonnet-4-5")


async def test_why_the_bill_rose_is_answered_by_what_left_its_pattern(prices: PriceTable) -> None:
    def call(day: int, at: int, user: str) -> UsageRecord:
        return UsageRecord(
            id=f"{user}-{day:02d}-{at:04d}",
            start=NOON + timedelta(days=day, seconds=100 * at),
            model="gpt-4o",
            provider="openai",
            feature="chat",
            user=user,
            input_uncached=1000,
        )

    records = [call(day, at, f"u{at % 5}") for day in range(10) for at in range(100)]
    records += [call(9, at, "loop") for at in range(400)]
    rows = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    report = await answer("Why did our costs suddenly jump?", rows, prices)
    assert report.kind == "change_review"
    assert report.headline.startswith(
        "Spend has been out of its pattern since 2026-11-27: $1.25 a "
    )
    assert "user loop (100 %)" in report.headline
    assert report.tables[0].title == "What left its pattern"


async def test_no_more_money_counts_the_traffic_that_grows(
    frame: UsageFrame, prices: PriceTable
) -> None:
    grown = await answer("Traffic grows 400% next month, no more money, save", frame, prices)
    (cap,) = [wish for wish in grown.constraints if wish.text == "No more money than now"]
    assert cap.honoured is False
    assert "with +400% traffic" in cap.detail
    falls = await answer("Save 10% of our cost while traffic falls 20%", frame, prices)
    (cost,) = [wish for wish in falls.constraints if wish.text.startswith("Cost ")]
    assert cost.text == "Cost -10% while traffic falls 20%"
    assert (cost.honoured, "with 20% less traffic" in cost.detail) == (True, True)


async def test_what_unpriced_calls_would_cost_elsewhere_is_not_said_to_be_nothing(
    prices: PriceTable,
) -> None:
    records = [
        UsageRecord(id=f"c{at}", start=NOON + timedelta(hours=at), model="no-such", output_text=9)
        for at in range(30)
    ]
    rows = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    report = await answer("Would gpt-4o work in our setup?", rows, prices)
    assert report.headline == (
        "None of your calls has a known price that gpt-4o could be held against."
    )
    assert not [figure for figure in report.figures if figure.value == 0]
    saved = await answer("Cost -20%, no more money", rows, prices)
    assert [wish.honoured for wish in saved.constraints] == [None, None]
    assert parts.NO_PRICE in saved.headline
    assert not any("The goals are met" in line for line in saved.summary)
    budget = await answer("Our budget is $500 a month", rows, prices)
    assert budget.headline == f"Whether $500.00 holds is not known. {parts.NO_PRICE}"
    assert [wish.honoured for wish in budget.constraints] == [None]
    spent = await answer("How much do we spend?", rows, prices)
    assert spent.headline == f"What 30 calls cost is not known. {parts.NO_PRICE}"
    month = await answer("Usage +50% next month: cost?", rows, prices)
    assert month.headline == f"What the next month costs is not known. {parts.NO_PRICE}"


async def test_each_model_asked_about_has_variants_of_its_own(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer("Would gpt-5 or gpt-4o work in our setup?", frame, prices)
    said = [line for line in report.summary if line.startswith("Variants of ")]
    assert [line.split(" at ")[0] for line in said] == ["Variants of gpt-5", "Variants of gpt-4o"]
    for line, name in zip(said, ("gpt-5-", "gpt-4o-"), strict=True):
        assert all(part.startswith(name) for part in line.split(": ")[1].split(", "))


async def test_where_nothing_is_cheaper_than_a_model_to_get_away_from_it_is_said(
    frame: UsageFrame, prices: PriceTable
) -> None:
    unknown = await answer("gpt-99 is too expensive, what else?", frame, prices)
    assert unknown.headline.startswith("What gpt-99 costs is not known here. ")
    cheap = await answer("gpt-5-nano is too expensive, what else?", frame, prices)
    assert "None of the models asked about" not in cheap.headline


async def test_a_limit_of_a_model_that_is_not_in_the_records_is_said_to_be_held_against_none(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer(
        "Traffic grows 50%, gpt-4.1 is limited to 500 rpm: rate limits?", frame, prices
    )
    assert (
        "No call is of gpt-4.1: that limit was held against none of claude-sonnet-4-5, gpt-4o-mini."
        in report.summary
    )
    assert not any("name them in the question" in line for line in report.summary)


async def test_output_is_a_share_of_the_cost_of_the_very_same_calls(prices: PriceTable) -> None:
    records = [
        UsageRecord(id=f"c{at}", start=NOON, model=model, input_uncached=100, output_text=900)
        for at, model in enumerate(["gpt-4o-mini", *["no-such"] * 50])
    ]
    rows = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    (row, *_) = columns.reprice(rows, prices, ["gpt-4o"], 0)
    assert (row.requests, row.cost_then_usd) == (1, pytest.approx(100 * 2.5e-6 + 900 * 10e-6))
    assert row.output_then_usd == pytest.approx(900 * 10e-6)


async def test_requests_beside_a_saving_are_those_that_were_looked_at(
    frame: UsageFrame, prices: PriceTable
) -> None:
    """The profile is of all calls; the analysis may be of some features alone."""
    intent = await DeterministicReasoner().understand("How can feature chat be cheaper?")
    data = DataFinding(profile=columns.profile(frame), known=("chat",))
    chat = frame.take(frame.feature.equals("chat"))
    report = write_report(
        Evidence(intent=intent, data=data, computed=Computed(analysis=analyze(chat, prices=prices)))
    )
    figures = {figure.label: figure for figure in report.figures}
    assert figures["Requests"].value == 60
    assert all("60 calls" in figure.evidence for figure in figures.values())


async def test_an_overview_says_which_calls_and_teams_its_money_is_of(prices: PriceTable) -> None:
    def call(at: int, **fields: Any) -> UsageRecord:
        return UsageRecord(id=f"c{at}", start=NOON, input_uncached=100_000, **fields)

    records = [call(at, model="gpt-4o", team="web") for at in range(3)]
    records += [call(9, model="gpt-4o"), call(10, model="no-such")]
    rows = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    report = await answer("What does each team cost?", rows, prices)
    assert report.headline == "1 team pays $0.75 of $1.00; web pays most, $0.75."
    said = "1 of 5 calls (no-such) have no known price and are in no cost."
    assert said in report.summary


async def test_a_growth_is_said_as_exactly_as_it_is_counted(
    frame: UsageFrame, prices: PriceTable
) -> None:
    report = await answer("Traffic grows 12.5% next month: rate limits?", frame, prices)
    assert any(figure.label.endswith("+12.5% traffic") for figure in report.figures)
    saved = await answer("Save 7.5% of our cost", frame, prices)
    assert [wish.text for wish in saved.constraints] == ["Cost -7.5%"]


async def test_a_roll_back_is_for_the_reason_that_the_review_gives(prices: PriceTable) -> None:
    """Cheaper answers that are worse save nothing by going back."""
    start = NOON - timedelta(days=2)
    records = [
        UsageRecord(
            id=f"c{at:03d}",
            start=start + timedelta(minutes=30 * at),
            model="gpt-4o" if at < 60 else "gpt-4o-mini",
            provider="openai",
            feature="chat",
            input_uncached=1000,
            output_text=100,
            quality=(0.9 if at < 60 else 0.2) + at % 3 / 100,
        )
        for at in range(120)
    ]
    rows = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    intent = await DeterministicReasoner().understand("Was yesterday's upgrade worth it?")
    review = msgspec.to_builtins(review_change(rows, prices, at=start + timedelta(hours=30)))
    data = DataFinding(profile=columns.profile(rows))
    report = write_report(Evidence(intent=intent, data=data, computed=Computed(change=review)))
    assert report.headline == "Roll back chat: quality fell beyond the margin."


async def test_no_more_money_is_a_goal_of_the_plan_too(prices: PriceTable) -> None:
    """Repeats answered from a cache make it faster, but do not pay for four times the traffic."""
    records = [
        UsageRecord(
            id=f"c{at:03d}",
            start=NOON + timedelta(seconds=20 * at),
            model="gpt-4o",
            provider="openai",
            feature="faq",
            input_uncached=2000,
            output_text=100,
            latency_ms=1000.0,
            prompt_hash=f"p{at // 2}",
            params='{"temperature": 0}',
        )
        for at in range(60)
    ]
    rows = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    met = "The goals are met by proven changes."
    free = await answer("Traffic +300%, 1.5 times as fast", rows, prices)
    assert any(line.startswith(met) for line in free.summary)
    capped = await answer("Traffic +300%, 1.5 times as fast, no more money", rows, prices)
    assert not any(line.startswith(met) for line in capped.summary)


async def test_a_budget_that_unpriced_calls_may_break_is_not_said_to_hold(
    prices: PriceTable,
) -> None:
    records = [
        UsageRecord(id=f"c{at}", start=NOON + timedelta(hours=at), model=model, output_text=9)
        for at in range(30)
        for model in [("gpt-4o", "no-such")[at % 2]]
    ]
    rows = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    budget = await answer("Our budget is $500 a month", rows, prices)
    assert [wish.honoured for wish in budget.constraints] == [None]
    assert "without the calls that have no known price" in budget.headline
