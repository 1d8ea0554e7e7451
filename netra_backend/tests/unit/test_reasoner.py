"""What the reasoner that needs no model understands."""

from datetime import UTC, datetime

import pytest

from netra_backend.reasoner import DeterministicReasoner, Goals, Topic
from netra_backend.tests.unit.questions import QUESTIONS

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)


@pytest.fixture
def reasoner() -> DeterministicReasoner:
    return DeterministicReasoner(lambda: NOW)


@pytest.mark.parametrize(("question", "topic"), QUESTIONS.items())
async def test_each_question_users_bring_has_its_topic(
    reasoner: DeterministicReasoner, question: str, topic: Topic
) -> None:
    assert (await reasoner.understand(question)).topic is topic


async def test_bounds_on_latency_belong_to_the_feature_of_their_clause(
    reasoner: DeterministicReasoner,
) -> None:
    intent = await reasoner.understand(
        "Cheaper at equal quality, feature search may take 0.5 s, feature chat must stay at 200 ms"
    )
    assert [(wish.feature, wish.max_ms) for wish in intent.latency] == [
        ("search", 500.0),
        ("chat", 200.0),
    ]
    assert intent.features == ("search", "chat")
    assert intent.goals == Goals(keep_quality=True)


async def test_goals_are_read_with_their_signs(reasoner: DeterministicReasoner) -> None:
    intent = await reasoner.understand("Cost −20 % and twice as fast while traffic grows 30 %")
    assert intent.goals == Goals(cost_change=-0.2, speed_factor=2.0, traffic_change=0.3)


async def test_no_more_money_is_a_cap_and_an_amount_is_a_budget(
    reasoner: DeterministicReasoner,
) -> None:
    capped = await reasoner.understand("Tools three times faster, no more money")
    budget = await reasoner.understand("Stay within $12.5k a month, whatever the budget says")
    assert capped.goals == Goals(cost_cap=True, speed_factor=3.0)
    assert budget.goals.budget_usd == 12_500.0


async def test_yesterday_and_dates_say_when_a_change_was(reasoner: DeterministicReasoner) -> None:
    relative = await reasoner.understand("Was yesterday's upgrade worth it?")
    named = await reasoner.understand("Was the rollout of 2026-11-03 14:30 worth it?")
    none = await reasoner.understand("Was the upgrade worth it?")
    assert relative.change_at == "2026-11-21T00:00:00+00:00"
    assert named.change_at == "2026-11-03T14:30:00+00:00"
    assert none.change_at is None


async def test_models_to_get_away_from_are_told_from_models_to_move_to(
    reasoner: DeterministicReasoner,
) -> None:
    away = await reasoner.understand("GPT-5 is too dear for realtime chat: another model?")
    towards = await reasoner.understand("Would gpt-4o or claude-3-sonnet work in our setup?")
    assert (away.models, away.away_from) == (("gpt-5",), True)
    assert (towards.models, towards.away_from) == (("gpt-4o", "claude-3-sonnet"), False)


async def test_an_unclear_question_is_a_question_about_savings(
    reasoner: DeterministicReasoner,
) -> None:
    intent = await reasoner.understand("   hm?  ")
    assert (intent.topic, intent.question) == (Topic.SAVINGS, "hm?")
