"""The usage page: who spends, by every name that calls have, step by step, and taken along.

The settings: keys of scripts, what is kept of usage and what goes, and the way out.
"""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import PASSWORD, Person, overflow, violations

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.xdist_group("web")]

USERS = ("ann", "bob", "cy")


@pytest.fixture
def owner(new_person: Callable[..., Any], tmp_path: Path) -> Callable[[str], Person]:
    """Makes people with six calls of 2020, two of each user."""

    def make(email: str) -> Person:
        person: Person = new_person(email, expects="401")
        person.sign_up()
        days = ("2020-01-05", "2020-02-05")
        rows = [f"{day}T10:00:00Z,gpt-4o,10,2,{user}" for day in days for user in USERS]
        calls = tmp_path / "calls.csv"
        calls.write_text("\n".join(["timestamp,model,input_tokens,output_tokens,user", *rows]))
        page = person.open("/data")
        page.get_by_label("Files to import").set_input_files(calls)
        expect(page.locator("[data-state=done]")).to_be_visible()
        page.close()
        return person

    return make


def calls(page: Page) -> int:
    """How many calls the page says it is about."""
    said = page.get_by_text(re.compile(r"^[\d,]+ calls, "))
    expect(said).to_be_visible()
    return int(said.inner_text().split()[0].replace(",", ""))


def column(page: Page, place: int) -> list[str]:
    """The cells of one column of the table, without its last line; 0 is the name."""
    cells = page.locator(f".breakdown tbody tr > :nth-child({place + 1})")
    return [text.split("\n")[0] for text in cells.all_inner_texts()]


def chosen(page: Page, by: str) -> None:
    """Split by `by`, and wait until that is shown."""
    page.get_by_role("group", name="Split by").get_by_role("button", name=by, exact=True).click()
    expect(page.get_by_role("heading", name=f"Every {by.lower()}")).to_be_visible()


def test_a_step_into_a_name_narrows_every_figure_and_the_address_keeps_it(ada: Any) -> None:
    page = ada.open("/usage")
    whole = calls(page)
    chosen(page, "Feature")
    names = column(page, 0)
    assert len(names) > 3
    assert sum(int(text.replace(",", "")) for text in column(page, 2)) == whole
    page.get_by_role("rowheader", name=names[0]).get_by_role("link").click()
    chip = page.get_by_role("list", name="Narrowed to").get_by_role("button", name=names[0])
    expect(chip).to_be_visible()
    expect(page.get_by_role("heading", name="Every model")).to_be_visible()
    part = calls(page)
    assert 0 < part < whole
    page.reload()
    assert calls(page) == part
    chip.click()
    expect(chip).to_have_count(0)
    expect(page.get_by_text(re.compile(f"^{whole:,} calls, "))).to_be_visible()
    page.close()


def test_heads_sort_the_table_and_days_are_drawn_in_their_order(ada: Any) -> None:
    page = ada.open("/usage?by=user")
    calls(page)
    head = page.get_by_role("columnheader", name="Calls")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    falling = [int(text.replace(",", "")) for text in column(page, 2)]
    assert falling == sorted(falling, reverse=True) and len(set(falling)) > 3
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    chosen(page, "Day")
    expect(page.get_by_role("img", name=re.compile("Spend by day"))).to_be_visible()
    page.get_by_label("Shown in the plot").select_option("Input tokens")
    expect(page.get_by_role("img", name=re.compile("Input tokens by day"))).to_be_visible()
    page.close()


def test_calls_are_taken_along_as_a_file_and_a_choice_that_fits_none_says_so(
    ada: Any, tmp_path: Path
) -> None:
    page = ada.open("/usage?by=model&feature=faq_answers")
    shown = calls(page)
    with page.expect_download() as saving:
        page.get_by_role("button", name="CSV").click()
    assert saving.value.suggested_filename == "usage.csv"
    saving.value.save_as(tmp_path / "usage.csv")
    with (tmp_path / "usage.csv").open() as file:
        features = [row["feature"] for row in csv.DictReader(file)]
    assert features == ["faq_answers"] * shown
    page.get_by_role("textbox", name="From").fill("1999-01-01")
    page.get_by_role("textbox", name="until").fill("1999-12-31")
    expect(page.get_by_role("heading", name="No call fits")).to_be_visible()
    page.locator(".empty").get_by_role("button", name="Show everything").click()
    assert calls(page) > shown
    page.close()


def section(page: Page, title: str) -> Locator:
    """One subject of the page."""
    return page.get_by_role("region", name=title)


def test_a_key_is_shown_once_works_and_is_revoked(new_person: Callable[..., Any]) -> None:
    person = new_person("keys@example.org")
    person.sign_up()
    page = person.open("/settings")
    keys = section(page, "API keys")
    expect(keys.get_by_text("There is no key yet.")).to_be_visible()
    keys.get_by_label("Name of the key").fill("nightly import")
    keys.get_by_label("Ends after").select_option("7 days")
    keys.get_by_label("Name of the key").press("Enter")
    made = keys.get_by_role("group", name="The new key nightly import")
    expect(made).to_be_focused()
    secret = made.locator(".secret").inner_text()
    bearer = {"Authorization": f"Bearer {secret}"}
    path = f"{person.server.url}/api/usage/imports/none"
    assert person.context.request.get(path, headers=bearer).status == 404
    made.get_by_role("button", name="I have it").press("Enter")
    expect(keys.get_by_label("Name of the key")).to_be_focused()
    expect(page.get_by_text(secret)).to_have_count(0)
    page.reload()
    line = keys.get_by_role("listitem").filter(has_text="nightly import")
    expect(line).to_contain_text(re.compile(r"brings calls, (never used|used just now), ends "))
    expect(page.get_by_text(secret)).to_have_count(0)
    line.get_by_role("button", name="Revoke").press("Enter")
    line.get_by_role("button", name="Keep it").press("Enter")
    expect(line.get_by_role("button", name="Revoke")).to_be_focused()
    line.get_by_role("button", name="Revoke").press("Enter")
    line.get_by_role("button", name="Revoke it").press("Enter")
    expect(keys.get_by_text("There is no key yet.")).to_be_visible()


def test_calls_go_by_choice_and_by_age_once_it_was_said_how_many(
    owner: Callable[[str], Person],
) -> None:
    page = owner("remover@example.org").open("/settings")
    remove, kept = section(page, "Remove calls"), section(page, "How long calls are kept")
    remove.get_by_label("Last day").fill("2020-01-31")
    remove.get_by_label("Only of").select_option("user")
    remove.get_by_label("Which user").fill("bob")
    remove.get_by_role("button", name="Count them").press("Enter")
    expect(remove.get_by_role("group", name="Remove these calls")).to_contain_text(
        "Calls of user bob, until 31 Jan 2020: 1 call, 5 Jan"
    )
    kept.get_by_label("Days that calls are kept").fill("90")
    kept.get_by_label("Days that calls are kept").press("Enter")
    expect(kept.get_by_role("group", name="Remove what is older")).to_contain_text("6 calls")
    page.set_viewport_size({"width": 360, "height": 740})
    assert (violations(page), overflow(page)) == ([], 0)
    remove.get_by_role("button", name="Remove 1 call").press("Enter")
    gone = remove.get_by_role("list", name="Removals").get_by_role("listitem")
    expect(gone).to_contain_text("Calls of user bob, until 31 Jan 2020")
    expect(gone).to_contain_text("1 call of 6 removed, 5 left")
    kept.get_by_role("button", name="Keep 90 days").press("Enter")
    expect(kept).to_contain_text("Calls are kept 90 days")
    expect(kept).to_contain_text("5 calls of before then still have to go.")
    kept.get_by_role("button", name="Keep them for ever").press("Enter")
    expect(kept).to_contain_text("Calls of this workspace are kept for ever.")


def test_a_workspace_and_then_its_owner_are_deleted_once_it_was_said_what_goes(
    owner: Callable[[str], Person],
) -> None:
    person = owner("leaver@example.org")
    page = person.open("/settings")
    leave = section(page, "Delete for good")
    expect(leave.get_by_text("It is your only workspace")).to_be_visible()
    person.call("POST", "/auth/workspaces", name="Second place")
    page.reload()
    for name in ("Second place", "leaver's workspace"):
        page.get_by_role("button", name=f"Open {name}").press("Enter")
        expect(page.locator(".who")).to_contain_text(name)
    leave.get_by_role("button", name="Delete the workspace leaver's workspace").press("Enter")
    sure = leave.get_by_role("group", name="Delete the workspace leaver's workspace")
    expect(sure.get_by_role("listitem").first).to_contain_text("6 calls, 5 Jan 2020 to 5 Feb 2020")
    delete = sure.get_by_role("button", name="Delete the workspace")
    sure.get_by_label("Type leaver's workspace").fill("leaver")
    expect(delete).to_be_disabled()
    sure.get_by_label("Type leaver's workspace").fill("leaver's workspace")
    delete.press("Enter")
    expect(page.locator(".who")).to_contain_text("Second place")
    expect(page.get_by_role("heading", name="Begin with your own calls")).to_be_visible()

    page.get_by_role("link", name="Settings").first.press("Enter")
    leave.get_by_role("button", name="Delete your account").press("Enter")
    sure = leave.get_by_role("group", name="Delete your account")
    expect(sure).to_contain_text("the workspace Second place, where you are alone")
    for password in ("not my password", PASSWORD):
        sure.get_by_label("Your password").fill(password)
        sure.get_by_role("button", name="Delete the account").press("Enter")
        if password != PASSWORD:
            expect(sure.get_by_role("alert")).to_contain_text("The password is not right.")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("E-mail or password is not right.")
