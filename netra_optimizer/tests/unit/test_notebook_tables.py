"""Results as tables, and replays of one's own: what a data scientist does with them."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from netra_optimizer import (
    Analysis,
    SwitchModel,
    Usage,
    UsageFrame,
    UseTier,
    analyze,
    calls_table,
    generate_workload,
    opportunities_table,
    read_prompts,
    replay_calls,
    rows_of,
    savings_chart,
    spend_chart,
    spend_table,
    what_if,
    what_if_table,
)
from netra_optimizer.errors import AnalysisError
from netra_optimizer.pricing import PriceTable


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


@pytest.fixture(scope="module")
def frame(prices: PriceTable) -> UsageFrame:
    return generate_workload(2).frame(prices)


@pytest.fixture(scope="module")
def analysis(frame: UsageFrame, prices: PriceTable) -> Analysis:
    return analyze(frame, prices=prices)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_of_both_libraries_hold_the_same_and_add_up(
    frame: UsageFrame, analysis: Analysis, library: Any
) -> None:
    pytest.importorskip(library)
    calls = calls_table(frame, library=library)
    assert type(calls).__module__.split(".")[0] == library
    assert len(calls) == len(frame)
    assert sum(calls["cost_usd"]) == pytest.approx(analysis.usage.cost_usd)
    spent = spend_table(frame, by="model", library=library)
    assert sum(spent["cost_usd"]) == pytest.approx(analysis.usage.cost_usd)
    assert sum(spent["calls"]) == len(frame)
    found = opportunities_table(analysis, library=library)
    assert list(found["id"]) == [o.id for o in analysis.opportunities]
    expected = analysis.combined.savings_usd.expected
    assert sum(found["combined_usd"]) == pytest.approx(expected, abs=0.005)


def test_a_replay_without_changes_costs_what_was_billed(
    frame: UsageFrame, prices: PriceTable
) -> None:
    same = replay_calls(frame, prices)
    assert same.saved_usd == 0.0
    assert same.before_usd.tolist() == np.nan_to_num(frame.cost_usd).tolist()


def test_changes_are_replayed_together_and_agree_with_what_if(
    frame: UsageFrame, prices: PriceTable
) -> None:
    rows = rows_of(frame, feature="support_chat")
    moved = replay_calls(frame, prices, [SwitchModel(rows, "claude-haiku-4-5", "anthropic")])
    guess = what_if(frame, prices, model="claude-haiku-4-5", feature="support_chat")
    assert moved.saved_usd == pytest.approx(-guess.change_usd)
    table = moved.table(by="feature").set_index("feature")
    assert table["saved_usd"].sum() == pytest.approx(moved.saved_usd)
    assert (table.drop("support_chat")["saved_usd"] == 0).all()
    both = replay_calls(
        frame,
        prices,
        [SwitchModel(rows, "claude-haiku-4-5", "anthropic"), UseTier(rows, "batch")],
    )
    assert both.saved_usd > moved.saved_usd
    segments = what_if_table(guess)
    changed = segments["cost_after_usd"].sum() - segments["cost_before_usd"].sum()
    assert changed == pytest.approx(guess.change_usd)


def test_other_prices_and_growth_compose(frame: UsageFrame, prices: PriceTable) -> None:
    then = prices.on(date(2025, 1, 1))
    grown = what_if(frame, prices, growth=1.5, prices_then=then)
    assert grown.cost_after_usd == pytest.approx(1.5 * float(then.cost(frame.calls).sum()))
    assert what_if(frame, prices, growth=0.0).cost_after_usd == 0.0


def test_what_makes_no_sense_is_refused_with_what_would(
    frame: UsageFrame, prices: PriceTable, analysis: Analysis
) -> None:
    with pytest.raises(AnalysisError, match=r"No call has feature=.nothing.*support_chat"):
        rows_of(frame, feature="nothing")
    with pytest.raises(AnalysisError, match=r"cannot be split by .colour.*feature, user"):
        spend_table(frame, by="colour")
    with pytest.raises(AnalysisError, match="It is a factor"):
        what_if(frame, prices, growth=-0.3)
    with pytest.raises(AnalysisError, match=r"sold in the tier .flex."):
        what_if(frame, prices, model="claude-haiku-4-5", tier="flex")
    with pytest.raises(AnalysisError, match="Use pandas or polars"):
        opportunities_table(analysis, library="excel")  # pyright: ignore[reportArgumentType]


def test_nothing_found_is_an_empty_table_and_chart(frame: UsageFrame, prices: PriceTable) -> None:
    pytest.importorskip("altair")
    nothing = analyze(frame.take(np.zeros(0, np.int64)), prices=prices)
    assert len(opportunities_table(nothing)) == 0
    assert savings_chart(nothing).to_dict()
    assert spend_chart(frame, by="team").to_dict()


def test_changes_of_one_title_are_bars_of_their_own(analysis: Analysis) -> None:
    pytest.importorskip("altair")
    first, second = analysis.opportunities[:2]
    same = msgspec.structs.replace(second, title=first.title)
    chart = savings_chart(msgspec.structs.replace(analysis, opportunities=[first, same])).to_dict()
    (rows,) = chart["datasets"].values()
    assert len({row["title"] for row in rows}) == 2
    assert all(row["title"].startswith(first.title) for row in rows)


def test_the_library_and_the_command_give_the_same_figures(
    tmp_path: Path, prices: PriceTable
) -> None:
    path = tmp_path / "calls.jsonl"
    rows = [
        {
            "timestamp": f"2026-11-18T{at // 60:02d}:{at % 60:02d}:00Z",
            "request": {
                "model": "gpt-4o",
                "temperature": 0,
                "metadata": {"feature": "faq"},
                "messages": [{"role": "user", "content": f"What is the price of item {at % 7}?"}],
            },
            "response": {
                "id": f"r{at}",
                "model": "gpt-4o",
                "choices": [{"message": {"content": "42"}}],
                "usage": {"prompt_tokens": 1000 + at, "completion_tokens": 200},
            },
        }
        for at in range(300)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    usage = Usage.from_files(path)
    mine = analyze(
        usage.frame(prices), prices=prices, audit=usage.audit, prompts=read_prompts([path])
    )
    apex = Path(sys.executable).with_name("apex")
    command = [str(apex), "analyze", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    theirs = json.loads(done.stdout)
    assert theirs["usage"]["cost_usd"] == pytest.approx(mine.usage.cost_usd)
    assert theirs["combined"]["attribution"] == pytest.approx(mine.combined.attribution)
    assert [o["id"] for o in theirs["opportunities"]] == [o.id for o in mine.opportunities]
    assert len(mine.combined.attribution) > 0
