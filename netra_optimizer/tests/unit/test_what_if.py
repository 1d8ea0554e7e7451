"""The same calls otherwise."""

from datetime import date

import pytest

from netra_optimizer import generate_workload, what_if
from netra_optimizer.errors import AnalysisError
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.frame import UsageFrame


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


@pytest.fixture(scope="module")
def frame(prices: PriceTable) -> UsageFrame:
    return generate_workload(2).frame(prices)


def test_nothing_changed_costs_what_was_billed(frame: UsageFrame, prices: PriceTable) -> None:
    same = what_if(frame, prices)
    assert same.change_usd == 0.0
    assert same.cost_before_usd == pytest.approx(frame.cost_usd.sum())


def test_another_model_costs_what_its_calls_would(frame: UsageFrame, prices: PriceTable) -> None:
    chat = frame.feature.equals("support_chat")
    moved = frame.calls.take(chat).with_model("claude-haiku-4-5", "anthropic")
    guess = what_if(frame, prices, model="claude-haiku-4-5", feature="support_chat")
    expected = frame.cost_usd[~chat].sum() + prices.cost(moved).sum()
    assert guess.cost_after_usd == pytest.approx(expected)
    changed = [s.feature for s in guess.segments if s.cost_after_usd != s.cost_before_usd]
    assert changed == ["support_chat"]


def test_growth_multiplies_the_bill(frame: UsageFrame, prices: PriceTable) -> None:
    more = what_if(frame, prices, growth=1.3)
    assert more.change_pct == pytest.approx(30.0)
    assert more.requests_after == pytest.approx(1.3 * len(frame))


def test_prices_of_another_day_reprice_all(frame: UsageFrame, prices: PriceTable) -> None:
    then = prices.on(date(2025, 1, 1))
    guess = what_if(frame, prices, prices_then=then)
    assert guess.cost_after_usd == pytest.approx(float(then.cost(frame.calls).sum()))


def test_an_unknown_model_is_refused_and_never_free(frame: UsageFrame, prices: PriceTable) -> None:
    with pytest.raises(AnalysisError, match="no price"):
        what_if(frame, prices, model="nobody-knows-1")


def test_an_unknown_feature_is_refused_with_those_there_are(
    frame: UsageFrame, prices: PriceTable
) -> None:
    with pytest.raises(AnalysisError, match="support_chat"):
        what_if(frame, prices, model="gpt-4o", feature="nothing")
