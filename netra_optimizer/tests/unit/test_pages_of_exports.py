"""Exports that come page by page: a last page that says others follow is no end."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from netra_optimizer import InputError, read_bill, read_files
from netra_optimizer.results import Audit

DAY = 86_400
BEGIN = 1_795_132_800
"""Midnight of 20 November 2026, UTC."""
USED = {"model": "gpt-4o", "input_tokens": 100, "output_tokens": 5, "num_model_requests": 1}


def page(day: int, *, more: bool, kind: str = "completions", empty: bool = False) -> dict[str, Any]:
    """One page of OpenAI's with the usage of one day."""
    result = {"object": f"organization.usage.{kind}.result", **USED}
    begin = BEGIN + DAY * day
    bucket = {
        "object": "bucket", "start_time": begin, "end_time": begin + DAY,
        "results": [] if empty else [result],
    }  # fmt: skip
    return {
        "object": "page", "data": [bucket], "has_more": more, "next_page": "p" if more else None,
    }  # fmt: skip


def anthropic_page(day: int, *, more: bool) -> dict[str, Any]:
    """One page of Anthropic's with the usage of one day."""
    result = {"uncached_input_tokens": 9, "output_tokens": 4, "model": "claude-sonnet-4-5"}
    bucket = {
        "starting_at": f"2026-11-{20 + day}T00:00:00Z",
        "ending_at": f"2026-11-{21 + day}T00:00:00Z",
        "results": [result],
    }  # fmt: skip
    return {"data": [bucket], "has_more": more, "next_page": "p" if more else None}


def audit_of(*paths: Path) -> Audit:
    imported = read_files(list(paths))
    for _ in imported.batches():
        pass
    return imported.audit


def lines(path: Path, *pages: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in pages))
    return path


CUT = Audit(3, 2, {"export_cut_off": 1})
WHOLE = Audit(2, 2, {})


def test_an_export_whose_last_page_says_that_others_follow_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    pages = [page(0, more=True), page(1, more=True)]
    path.write_text(json.dumps(pages[1], indent=2))
    assert audit_of(path) == Audit(2, 1, {"export_cut_off": 1})
    assert audit_of(lines(path, *pages)) == CUT
    path.write_text("\n".join(json.dumps(one, indent=1) for one in pages))
    assert audit_of(path) == CUT
    path.write_text(json.dumps(pages))
    assert audit_of(path) == CUT
    assert audit_of(lines(path, page(0, more=True), page(1, more=False))) == WHOLE


def test_anthropic_s_report_is_looked_at_for_its_end_too(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    path.write_text(json.dumps(anthropic_page(0, more=True), indent=2))
    assert audit_of(path) == Audit(2, 1, {"export_cut_off": 1})
    pages = [anthropic_page(0, more=True), anthropic_page(1, more=False)]
    assert audit_of(lines(path, *pages)) == WHOLE


def test_pages_may_lie_in_several_files_and_in_any_order(tmp_path: Path) -> None:
    first = lines(tmp_path / "1.jsonl", page(0, more=True))
    second = lines(tmp_path / "2.jsonl", page(1, more=False))
    assert audit_of(first) == Audit(2, 1, {"export_cut_off": 1})
    assert audit_of(first, second) == audit_of(second, first) == WHOLE
    pages = [page(day, more=day < 5) for day in range(6)]
    random.Random(1).shuffle(pages)
    assert audit_of(lines(tmp_path / "all.jsonl", *pages)) == Audit(6, 6, {})


def test_each_report_has_an_end_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    other = [page(0, more=True, kind="embeddings"), page(1, more=False, kind="embeddings")]
    assert audit_of(lines(path, page(0, more=True), *other)) == Audit(4, 3, {"export_cut_off": 1})
    ended = page(2, more=False, empty=True)
    assert audit_of(lines(path, page(0, more=True), *other, ended)) == Audit(3, 3, {})


def test_a_bill_that_is_cut_off_is_refused_until_its_last_page_is_there(tmp_path: Path) -> None:
    def costs(day: int, *, more: bool) -> dict[str, Any]:
        result = {
            "object": "organization.costs.result", "line_item": "gpt-4o, input",
            "amount": {"value": 1.5, "currency": "usd"},
        }  # fmt: skip
        begin = BEGIN + DAY * day
        bucket = {"start_time": begin, "end_time": begin + DAY, "results": [result]}
        return {"object": "page", "data": [bucket], "has_more": more}

    first = tmp_path / "1.json"
    first.write_text(json.dumps(costs(0, more=True), indent=2))
    last = lines(tmp_path / "2.json", costs(1, more=False))
    with pytest.raises(InputError, match="says that others follow") as refused:
        read_bill(first)
    assert refused.value.code == "OPT-110"
    assert [line.amount_usd for line in read_bill([last, first])] == [1.5, 1.5]
