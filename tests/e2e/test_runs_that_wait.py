"""Runs that wait for somebody: for the user whom they ask, for whoever has paused new work."""

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from netra_apex.build_web import build, frontend_folder
from netra_apex.web_files import default_folder
from tests.e2e.conftest import SERVER_AWAY, ApexServer, overflow, violations

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.xdist_group("web")]

ASKING = str(Path(__file__).with_name("serve_asking.py"))
FIRST, SECOND = "Read the usage of all teams?", "Keep the report for a year?"


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[ApexServer]:
    """One whose triage asks its user before it goes on."""
    build(frontend_folder(), default_folder())
    apex = ApexServer(tmp_path_factory.mktemp("asking"), (ASKING,))
    apex.start()
    yield apex
    apex.stop()


def ask(page: Page, question: str) -> Locator:
    """Type a question and send it; the run that comes of it."""
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    return page.locator("[data-run]").last


def asked(page: Page) -> Locator:
    """What runs on this page ask their user."""
    return page.get_by_role("region", name="The run asks you")


def test_requests_outlive_a_kill_on_every_tab_and_their_runs_end_as_the_user_decides(
    new_person: Callable[..., Any], server: ApexServer
) -> None:
    person = new_person("asked@example.org", expects=SERVER_AWAY)
    person.sign_up()
    first, booking = person.open("/chat"), person.open("/chat")
    ask(first, "What do we spend most on?")
    booked = ask(booking, "Book it.")
    expect(booked.locator("[data-agent=triage] .tool")).to_contain_text("book")
    expect(asked(first)).to_contain_text(f"{FIRST}team count 4")
    second = person.open(first.url.removeprefix(server.url))
    expect(asked(second)).to_contain_text(FIRST)
    server.kill()
    server.start()
    for tab in (first, booking, second):
        tab.evaluate("dispatchEvent(new Event('online'))")

    expect(asked(booking)).to_contain_text("Call book again?")
    asked(booking).get_by_role("button", name="Refuse").press("Enter")
    expect(booked).to_have_attribute("data-status", "failed")
    expect(booked.get_by_role("alert")).to_contain_text("It was not repeated.")

    for tab in (first, second):
        expect(asked(tab)).to_have_count(1)
        expect(tab.locator("[data-run]")).to_have_attribute("data-status", "running")
    asked(first).get_by_role("button", name="Approve").press("Enter")
    for tab in (second, first):
        expect(asked(tab)).to_contain_text(SECOND)
        expect(asked(tab)).to_have_count(1)
    asked(second).get_by_role("button", name="Refuse").press("Enter")
    for tab in (first, second):
        expect(tab.locator("[data-run]")).to_have_attribute("data-status", "completed")
        expect(asked(tab)).to_have_count(0)
        tab.locator(".history summary").press("Enter")
        decided = tab.locator("[data-agent=triage]")
        expect(decided).to_contain_text(f"{FIRST} Yes.")
        expect(decided).to_contain_text(f"{SECOND} No.")
        assert decided.get_by_text("request approval").count() == 2


def test_what_is_asked_while_new_work_is_paused_says_why_it_waits_and_begins_when_that_is_lifted(
    new_person: Callable[..., Any],
) -> None:
    person = new_person("paused@example.org")
    person.sign_up()
    me = person.call("GET", "/auth/me")["user"]["id"]
    person.call("PUT", "/api/config/keys/llm.model?scope=user", value="openai:gpt-4.1-mini")
    held = [("user", me), ("agent", "reporting"), ("model", "gpt-4.1-mini")]
    for scope, key in (*held, ("model", "claude-opus-4-1"), ("agent", "nobody")):
        person.call("PUT", "/api/pauses", scope=scope, key=key, reason=f"Said of {scope}.")
    page: Page = person.open("/chat")
    banner = page.locator(".held")
    expect(banner).to_have_text(
        [
            re.compile(r"^Your new runs are paused\. Said of user\..*begin when this is lifted"),
            re.compile(r"paused for the agent Reporting\. Said of agent\."),
            re.compile(r"paused for the model gpt-4\.1-mini\. Said of model\."),
        ]
    )
    ask(page, "What do we spend most on?")
    expect(page.locator("[data-run]")).to_have_attribute("data-status", "pending")
    page.reload()
    run = page.locator("[data-run]")
    expect(run).to_contain_text("Waiting for its turn")
    expect(page.get_by_role("group", name="A run works here")).to_be_visible()
    for scope, key in held:
        expect(run).to_have_attribute("data-status", "pending")
        person.call("DELETE", f"/api/pauses/{scope}/{key}")
    expect(asked(page)).to_contain_text(FIRST)
    expect(banner).to_have_count(0)
    run.get_by_role("button", name="Stop").click()
    expect(run).to_have_attribute("data-status", "cancelled")
    expect(asked(page)).to_have_count(0)


def test_a_question_asked_while_a_run_works_waits_interrupts_or_is_held_back_as_was_chosen(
    new_person: Callable[..., Any],
) -> None:
    person = new_person("busy@example.org", expects="409|503")
    person.sign_up()
    page: Page = person.open("/chat")
    page.route("**/api/approvals", lambda route: route.fulfill(status=503), times=1)
    page.set_viewport_size({"width": 360, "height": 740})
    choice = page.get_by_role("group", name="A run works here. Your question")
    expect(page.get_by_role("heading", name="What should your AI cost?")).to_be_visible()
    expect(choice).to_have_count(0)
    ask(page, "First?")
    expect(asked(page)).to_contain_text(FIRST)
    expect(choice.get_by_label("waits its turn")).to_be_checked()
    assert (violations(page), overflow(page)) == ([], 0)

    page.get_by_label("Your question").press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(choice.get_by_label("stops it")).to_be_focused()
    ask(page, "Second!")
    first, second = page.locator("[data-run]").nth(0), page.locator("[data-run]").nth(1)
    expect(first).to_have_attribute("data-status", "cancelled")
    expect(first).to_contain_text("Your next question stopped this run.")
    expect(second).to_have_attribute("data-status", "running")

    expect(choice.get_by_label("waits its turn")).to_be_checked()
    choice.get_by_label("is not sent").check(force=True)
    ask(page, "Third?")
    refused = page.get_by_role("alert").filter(has_text="A run works in this thread.")
    expect(refused).to_be_visible()
    second.get_by_role("button", name="Stop").press("Enter")
    expect(second).to_have_attribute("data-status", "cancelled")
    expect(choice).to_have_count(0)
    refused.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator("[data-run]")).to_have_count(3)
    expect(page.locator(".said")).to_contain_text(["First?", "Second!", "Third?"])


def test_a_question_that_is_too_long_says_by_how_much_and_is_kept_whole(
    new_person: Callable[..., Any],
) -> None:
    person = new_person("long@example.org")
    person.sign_up()
    page: Page = person.open("/chat")
    box, long = page.get_by_label("Your question"), "many words " * 2_919 + "and more"
    box.fill(long)
    expect(page.get_by_text("take out 117 to send it")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    box.press("Enter")
    expect(box).to_have_value(long)
