"""The report says the same figures on a terminal, in a pipe and on a page."""

import io
import re

import pytest
from rich.console import Console

from netra_optimizer.report import ReportSource, render_html, render_terminal, text
from netra_optimizer.results import (
    Analysis,
    Audit,
    Combined,
    Interval,
    Latency,
    Opportunity,
    Period,
    Quality,
    UsageTotals,
)

FIRST, LAST = "2026-11-01T00:00:00Z", "2026-11-15T00:00:00Z"


def opportunity(**changes: object) -> Opportunity:
    given: dict[str, object] = {
        "id": "prompt_cache-chat",
        "lever": "prompt_cache",
        "title": "Cache the shared prefix",
        "scope": {"feature": "chat <b>"},
        "status": "verified",
        "savings_usd": Interval(10.0, 12.5, 14.0),
        "savings_pct": 12.5,
        "monthly_savings_usd": 26.79,
        "latency": Latency(900.0, 700.0),
        "quality": Quality(0.01, -0.004, True),
        "evidence": {
            "reuse_by_lifetime_s": {"60": 0.1, "300": 0.3},
            "input_cost_change_by_lifetime_s": {"60": 0.129, "300": -0.087},
            "requests": 1234,
        },
        "assumptions": ["prefixes stay as they are"],
        "patch": {"cache_control": {"type": "ephemeral"}},
        "effort": "low",
        "risk": "low",
        "rollback": "Remove cache_control.",
    }
    return Opportunity(**{**given, **changes})  # type: ignore[arg-type]


def analysis(*opportunities: Opportunity, dropped: dict[str, int] | None = None) -> Analysis:
    parts = {item.id: 12.5 for item in opportunities if item.status == "verified"}
    saved = sum(parts.values())
    dropped = dropped or {}
    return Analysis(
        usage=UsageTotals(2000, 1_000_000, 250_000, 40_000, 100.0, FIRST, LAST),
        audit=Audit(2000 + sum(dropped.values()), 2000, dropped),
        opportunities=list(opportunities),
        combined=Combined(
            Period(FIRST, LAST), 100.0, 100.0 - saved, Interval(saved - 1, saved, saved + 1), parts
        ),
        unpriced_models={"mystery-1": 7},
    )


def printed(found: Analysis, *, width: int = 80, terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, highlight=False)
    render_terminal(found, console, source=ReportSource(files=("calls.jsonl",), format="litellm"))
    return stream.getvalue()


def test_the_terminal_report_says_spend_saving_interval_and_what_was_left_out() -> None:
    said = printed(analysis(opportunity(), dropped={"negative token count": 3}))
    assert "You can save $12.50 of $100.00 (12.5 %)" in said
    assert "90 % interval $11.50 to $13.50" in said
    assert "First: Cache" in said
    assert "Rows read 2,003, kept 2,000" in said
    assert "left out 3: negative token count" in said
    assert "no price for model 'mystery-1' (7 requests)" in said


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_of_the_report_is_wider_than_the_terminal(width: int) -> None:
    wide = opportunity(title="A title that goes on and on about a change " * 2)
    said = printed(analysis(wide, opportunity(id="b")), width=width)
    assert max(len(line) for line in said.splitlines()) <= width


def test_a_pipe_gets_no_escape_codes_and_a_terminal_gets_colour() -> None:
    assert "\x1b[" not in printed(analysis(opportunity()))
    assert "\x1b[" in printed(analysis(opportunity()), terminal=True)


def test_an_analysis_with_nothing_to_save_says_so() -> None:
    assert "Nothing to save was found" in printed(analysis())


def test_a_change_that_is_not_proven_is_shown_but_not_counted() -> None:
    said = printed(analysis(opportunity(status="needs_evaluation")))
    assert "to evaluate" in said
    assert "No saving is proven on these records yet: 1 change needs" in said


def test_the_page_is_one_file_without_script_or_outside_reference() -> None:
    page = render_html(analysis(opportunity()), source=ReportSource(files=("calls.jsonl",)))
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert page.count("<svg") == 5
    assert "You can save <em>$12.50</em>" in page and "First: Cache" in page


def test_the_page_escapes_what_came_from_the_records() -> None:
    page = render_html(analysis(opportunity(title="<img onerror=x>")))
    assert "<img" not in page
    assert "feature=chat &lt;b&gt;" in page


def test_a_share_says_of_what_it_is_a_share() -> None:
    found = analysis(opportunity())
    assert "12.5 % of all cost" in render_html(found)
    assert "12.5 % of all cost" in " ".join(printed(found).split())


@pytest.mark.parametrize(
    ("usd", "written"),
    [(0.0, "$0.00"), (0.004, "$0.004"), (0.05, "$0.05"), (-3.456, "-$3.46"), (12345.6, "$12,346")],
)
def test_money_shows_the_digits_that_matter(usd: float, written: str) -> None:
    assert text.money(usd) == written


def test_parts_shown_to_the_cent_still_add_up() -> None:
    parts = {"a": 48.044, "b": 11.394, "c": 5.554, "d": 2.974, "e": 2.264}
    shown = text.in_cents(parts)
    assert round(sum(shown.values()), 2) == 70.23
    assert all(abs(shown[name] - part) < 0.01 for name, part in parts.items())


def test_parts_below_a_dollar_add_up_to_what_is_shown_for_all_of_them() -> None:
    shown = text.in_cents({"a": 0.335, "b": 0.335})
    assert sum(float(text.money(part, cents=True)[1:]) for part in shown.values()) == 0.67


def test_parts_of_a_tiny_total_are_not_rounded_away() -> None:
    assert text.in_cents({"a": 0.0031, "b": 0.0009}) == {"a": 0.0031, "b": 0.0009}
