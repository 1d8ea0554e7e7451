"""What a person does in a browser, against a real server: from sign-up to a report they trust."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import PASSWORD, overflow, violations

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.xdist_group("web")]

QUESTION = "What can we save without losing quality?"
PAGES = ("/", "/usage", "/data", "/chat", "/opportunities", "/settings")


def ask(page: Page, question: str = QUESTION) -> Locator:
    """Type a question and send it; the run that comes of it."""
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    return page.locator("[data-run]").last


def report_text(page: Page) -> str:
    """All the text of the newest report."""
    report = page.get_by_role("article", name="Report").last
    expect(report).to_be_visible()
    return report.inner_text()


def trail(page: Page) -> str:
    """What the agents did, as shown under the newest report."""
    history = page.locator(".history").last
    if history.get_attribute("open") is None:
        history.locator("summary").press("Enter")  # a click waits for a tab behind to be painted
    expect(history.locator("[data-agent=reporting]")).to_be_visible()
    return history.locator(".trail").inner_text()


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the focus is on `target`, as somebody without a mouse does."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach {target}")


def test_the_keyboard_alone_goes_from_sign_up_to_a_report(
    new_person: Callable[..., Any], small_workload: Path
) -> None:
    page: Page = new_person("keys@example.org").open("/")
    page.on("filechooser", lambda chooser: chooser.set_files(small_workload))
    tab_to(page, page.get_by_role("link", name="Create an account"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("E-mail"))
    page.keyboard.type("keys@example.org")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Begin with your own calls")).to_be_visible()

    tab_to(page, page.get_by_role("link", name="Bring a file"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="Choose files"))
    page.keyboard.press("Enter")
    brought = page.get_by_role("article", name=small_workload.name)
    expect(brought).to_contain_text(re.compile(r"([\d,]+) of \1 rows kept"))

    tab_to(page, brought.get_by_role("link", name="Ask about it"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("[data-agent=supervisor]")).to_be_visible()
    expect(page.locator("[data-run]")).to_have_attribute("data-status", "completed")
    report = page.get_by_role("article", name="Report")
    expect(report.get_by_role("heading", level=2)).to_contain_text(re.compile(r"\$[\d.,]+"))
    expect(report.locator("svg[role=img]").first).to_be_visible()

    first = report.locator(".opp-row").first
    tab_to(page, first)
    page.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-expanded", "true")
    for part in ("Evidence", "Assumptions", "Patch", "Way back"):
        expect(report.get_by_role("heading", name=part, exact=True)).to_be_visible()
    assert page.evaluate("document.activeElement.className") == "opp-row"


def test_the_agents_are_seen_at_work(ada: Any) -> None:
    page = ada.open("/chat")
    run = ask(page, "Audit every use of prompt caching.")
    expect(run.get_by_role("button", name="Stop")).to_be_visible()
    expect(run.locator("[data-agent=data] .tool")).to_contain_text("usage profile")
    expect(run).to_have_attribute("data-status", "completed")
    assert re.search(r"\d+(\.\d+)?\s%", report_text(page))
    told = trail(page)
    for agent in ("Supervisor", "Triage", "Data", "Optimization", "Actions", "Reporting"):
        assert agent in told
    page.close()


def test_a_conversation_is_deleted_once_that_was_said_twice(
    new_person: Callable[..., Any],
) -> None:
    # Whatever still read the conversation while it went is told that it is gone.
    person = new_person("tidy@example.org", expects="404 \\(Not Found\\)")
    person.sign_up()
    page: Page = person.open("/chat")
    expect(ask(page, "How much did we spend?")).to_have_attribute("data-status", "completed")
    address, listed = page.url, page.get_by_role("link", name="How much did we spend?")
    page.get_by_role("button", name="Delete conversation").click()
    page.get_by_role("button", name="Keep").click()
    expect(listed).to_have_count(1)
    page.get_by_role("button", name="Delete conversation").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="What should your AI cost?")).to_be_visible()
    expect(listed).to_have_count(0)
    assert page.url != address


def test_a_run_is_stopped_and_keeps_what_it_did(ada: Any) -> None:
    page = ada.open("/chat")
    run = ask(page)
    run.get_by_role("button", name="Stop").click()
    expect(run).to_have_attribute("data-status", "cancelled")
    expect(run.locator("[data-agent=supervisor]")).to_be_visible()
    expect(run.locator(".agent.running")).to_have_count(0)
    page.reload()
    expect(page.locator("[data-run]")).to_have_attribute("data-status", "cancelled")
    page.close()


def test_a_question_waits_behind_a_run_and_a_stopped_run_is_taken_up_again_below_it(
    ada: Any,
) -> None:
    page = ada.open("/chat")
    with ada.server.held(at="triage"):
        ask(page)
        run = page.locator("[data-run]").nth(0)
        expect(run.locator("[data-agent=triage]")).to_be_visible()
        page.get_by_label("Your question").fill("Which feature costs most?")
        page.keyboard.press("Enter")
        second = page.locator("[data-run]").nth(1)
        expect(second).to_contain_text("Waiting for its turn")
        run.get_by_role("button", name="Stop").click()
    expect(run).to_have_attribute("data-status", "cancelled")
    expect(second).to_have_attribute("data-status", "completed")
    run.get_by_role("button", name="Go on from here").click()
    again = page.locator(".run-after [data-run]")
    expect(again).to_have_attribute("data-status", "completed")
    page.reload()
    expect(page.locator(".run-after [data-run]")).to_have_attribute("data-status", "completed")
    expect(page.locator("[data-run]")).to_have_count(3)
    page.close()


def test_a_second_tab_opened_in_the_middle_ends_in_the_same_report(ada: Any) -> None:
    first = ada.open("/chat")
    with ada.server.held(at="data"):
        run = ask(first)
        expect(run.locator("[data-agent=data]")).to_be_visible()
        second = ada.open(first.url.removeprefix(ada.server.url))
        joined = second.locator("[data-run]")
        expect(joined.locator("[data-agent=data]")).to_be_visible()
        expect(joined).to_have_attribute("data-status", "running")
        expect(run).to_have_attribute("data-status", "running")
        assert joined.get_by_role("article", name="Report").count() == 0
    assert report_text(second) == report_text(first)
    assert trail(second) == trail(first)
    first.close()
    second.close()


def test_a_server_killed_in_the_middle_of_a_run_ends_in_the_same_report_in_every_tab(
    ada: Any,
) -> None:
    question = "What can we save, killed in the middle?"
    first, second = ada.open("/chat"), ada.open("/chat")
    expect(second.get_by_role("list", name="Suggested questions")).to_be_visible()
    with ada.server.held(at="data"):
        run = ask(first, question)
        second.get_by_role("link", name=question).click()
        expect(second.locator("[data-run] [data-agent=data]")).to_be_visible()
        ada.server.kill()
    expect(first.get_by_text("The server is away")).to_be_visible()
    assert run.get_attribute("data-status") == "running"
    ask(second, "And what do we spend most on?")
    unsent = second.get_by_role("alert").filter(has_text="cannot be reached")
    expect(unsent).to_be_visible()
    ada.server.start()
    for tab in (first, second):
        tab.evaluate("dispatchEvent(new Event('online'))")  # the next retry, now
    assert report_text(second) == report_text(first)
    told = trail(first)
    assert trail(second) == told
    assert told.count("Reads your usage") == told.count("Replays your traffic") == 1
    expect(first.get_by_text("The server is away")).to_have_count(0)
    unsent.get_by_role("button", name="Try again").click()
    for tab in (second, first):
        expect(tab.locator("[data-run]")).to_have_count(2)
    first.close()
    second.close()


def test_every_page_is_accessible_in_light_and_dark_and_fits_360_pixels(ada: Any) -> None:
    page = ada.open("/chat")
    ask(page)
    report_text(page)
    thread = page.url.removeprefix(ada.server.url)
    page.goto(ada.server.url + "/")
    report = page.locator(".newest a").get_attribute("href")
    for path in (*PAGES, thread, report):
        page.goto(ada.server.url + path)
        expect(page.get_by_role("heading", level=1)).to_be_attached()
        expect(page.locator(".skeleton")).to_have_count(0)
        if path == thread:
            page.locator(".opp-row").first.click()
            trail(page)
        for scheme, width in (("light", 1280), ("dark", 360)):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 740})
            assert (path, violations(page)) == (path, [])
            assert (path, overflow(page)) == (path, 0)
    page.close()


def test_the_way_in_is_accessible_and_says_what_went_wrong(
    new_person: Callable[..., Any],
) -> None:
    page: Page = new_person("nobody@example.org", expects="401").open("/sign-in")
    page.get_by_label("E-mail").fill("nobody@example.org")
    page.get_by_label("Password").fill("not my password at all")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile("password", re.IGNORECASE))
    expect(page.get_by_label("E-mail")).to_have_value("nobody@example.org")
    assert violations(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("link", name="Create an account").click()
    expect(page.get_by_text("At least")).to_be_visible()
    assert (violations(page), overflow(page)) == ([], 0)


def test_a_file_that_is_half_bad_says_what_was_left_out_and_a_useless_one_why(
    ada: Any, tmp_path: Path
) -> None:
    good = "2026-11-01T10:00:00Z,gpt-4o,100,20\n"
    bad = "2026-11-01T10:00:00Z,gpt-4o,-5,20\n"
    half = tmp_path / "half.csv"
    half.write_text("timestamp,model,input_tokens,output_tokens\n" + good + bad)
    useless = tmp_path / "useless.csv"
    useless.write_text("colour,shape\nred,round\n")
    page = ada.open("/data")
    page.get_by_label("Files to import").set_input_files([half, useless])
    one = page.get_by_role("article", name="half.csv")
    expect(one).to_contain_text("1 of 2 rows kept")
    expect(one.get_by_role("list", name="Rows left out")).to_contain_text("1 left out")
    other = page.get_by_role("article", name="useless.csv")
    expect(other).to_have_attribute("data-state", "failed")
    expect(other.get_by_role("alert")).not_to_be_empty()
    page.close()


def test_a_trace_without_a_model_asks_for_it_and_is_sent_again(ada: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    line = '{"timestamp": 0, "input_length": 1000, "output_length": 5, "hash_ids": [1, 2]}'
    trace.write_text(line + "\n")
    page = ada.open("/data")
    page.get_by_label("Files to import").set_input_files(trace)
    brought = page.get_by_role("article", name="trace.jsonl")
    expect(brought.get_by_role("alert")).to_contain_text("which model answered")
    brought.get_by_label("Model of all its calls").fill("claude-sonnet-4-5")
    brought.get_by_role("button", name="Send it again").click()
    expect(brought).to_have_attribute("data-state", "done")
    expect(brought).to_contain_text("1 of 1 rows kept")
    page.close()


def test_another_person_sees_none_of_it(ada: Any, new_person: Callable[..., Any]) -> None:
    page = ada.open("/chat")
    ask(page, "What do we spend most on?")
    report_text(page)
    thread = page.url.removeprefix(ada.server.url)
    page.close()
    eve = new_person("eve@example.org", expects="404")
    eve.sign_up()
    stranger: Page = eve.open(thread)
    expect(stranger.get_by_role("alert")).to_be_visible()
    expect(stranger.locator(".said")).to_have_count(0)
    expect(stranger.get_by_text("Your questions will be listed here.")).to_be_visible()
    stranger.goto(ada.server.url + "/")
    expect(stranger.get_by_role("heading", name="Begin with your own calls")).to_be_visible()


def test_nothing_stays_on_screen_for_who_signs_in_next(
    new_person: Callable[..., Any], tmp_path: Path
) -> None:
    private = tmp_path / "private-plans.csv"
    private.write_text("colour\nred\n")
    first = new_person("first@example.org", expects="401|422")
    first.sign_up()
    page: Page = first.open("/data")
    page.get_by_label("Files to import").set_input_files(private)
    expect(page.get_by_role("article", name=private.name)).to_be_visible()
    put_by = first.open("/usage")
    expect(put_by.get_by_role("heading", level=1)).to_be_visible()
    put_by.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    expect(put_by.get_by_role("heading", level=1)).to_have_count(0)
    page.get_by_role("button", name="Sign out").first.click()
    put_by.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(put_by.get_by_role("button", name="Sign in")).to_be_visible()
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("E-mail").fill("next@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.get_by_role("link", name="Data", exact=True).click()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    expect(page.get_by_text(private.name)).to_have_count(0)
