"""The usage page: who spends, by every name that calls have, step by step, and taken along."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.xdist_group("web")]


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
