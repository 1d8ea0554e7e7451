"""What the reasoner that needs no model understands."""

from datetime import UTC, datetime
from typing import Any

import pytest

from netra_backend.agents.findings import DataFinding
from netra_backend.reasoner import (
    DeterministicReasoner,
    Goals,
    LatencyWish,
    RateLimit,
    Topic,
    goals,
)
from netra_backend.reasoner.amounts import MOST_AMOUNTS, amounts
from netra_backend.reasoner.intent import MOST
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


OTHER_WORDS = {
    "Which feature costs most?": Topic.USAGE,
    "Which features are the most expensive?": Topic.USAGE,
    "Which model costs us the most?": Topic.USAGE,
    "Top 5 users by cost": Topic.USAGE,
    "Show me cost per feature": Topic.USAGE,
    "How many calls did we make?": Topic.USAGE,
    "What drives our cost?": Topic.USAGE,
    "What did yesterday cost?": Topic.USAGE,
    "How can the feature that costs most be made cheaper?": Topic.SAVINGS,
    "Which feature is slowest?": Topic.SPEED,
}


@pytest.mark.parametrize(("question", "topic"), OTHER_WORDS.items())
async def test_who_asks_what_is_dearest_or_slowest_asks_about_spend_or_speed(
    reasoner: DeterministicReasoner, question: str, topic: Topic
) -> None:
    assert (await reasoner.understand(question)).topic is topic


NAMELESS = (
    "Which feature costs most?",
    "Which features are the most expensive?",
    "Which feature fails most?",
    "Is our service in Europe too slow?",
    "Compare features by cost",
    "What does each feature cost us?",
)


@pytest.mark.parametrize("question", NAMELESS)
async def test_a_sentence_that_goes_on_after_feature_names_none(
    reasoner: DeterministicReasoner, question: str
) -> None:
    assert (await reasoner.understand(question)).features == ()


async def test_a_feature_with_an_ordinary_words_name_is_named_in_quotes(
    reasoner: DeterministicReasoner,
) -> None:
    assert (await reasoner.understand("What does feature 'calls' cost?")).features == ("calls",)


async def test_goals_are_read_with_their_signs(reasoner: DeterministicReasoner) -> None:
    intent = await reasoner.understand("Cost −20 % and twice as fast while traffic grows 30 %")
    assert intent.goals == Goals(cost_change=-0.2, speed_factor=2.0, traffic_change=0.3)


GOALS = {
    "Reduce costs by 20% and improve latency by 2x while traffic grows 30%": Goals(
        cost_change=-0.2, speed_factor=2.0, traffic_change=0.3
    ),
    "With 30% more traffic the bill must fall 10%": Goals(cost_change=-0.1, traffic_change=0.3),
    "Reduce latency by half without increasing the cost": Goals(cost_cap=True, speed_factor=2.0),
    "My tools are too slow. Reduce the latency by 3x, but I can't spend more money": Goals(
        cost_cap=True, speed_factor=3.0
    ),
    "Make responses 50% faster": Goals(speed_factor=1.5),
    "Cut p95 latency in half at the same cost": Goals(cost_cap=True, speed_factor=2.0),
    "Answers in half the time": Goals(speed_factor=2.0),
    "Half as slow, please": Goals(speed_factor=2.0),
    "Latency -50%": Goals(speed_factor=2.0),
    "Lower our spend by a quarter": Goals(cost_change=-0.25),
    "Cut our bill in half": Goals(cost_change=-0.5),
    "Halve the LLM bill": Goals(cost_change=-0.5),
    "Make it twice as cheap": Goals(cost_change=-0.5),
    "Cost may rise at most 10% if we get 2x faster": Goals(cost_change=0.1, speed_factor=2.0),
    "Our costs went up 30% since May": Goals(),
    "We have 3x more users coming": Goals(traffic_change=2.0),
    "Requests drop by 20% in summer": Goals(traffic_change=-0.2),
    "Half a second is fine for chat_ui": Goals(),
    "We pay $40k a month and have to get to $25k": Goals(budget_usd=25_000.0),
    "Our budget is $60,000 a year": Goals(budget_usd=5_000.0),
    "Next quarter traffic doubles": Goals(traffic_change=1.0),
    "In a quarter we want to be 20% cheaper": Goals(cost_change=-0.2),
    "95% quality at half the price": Goals(cost_change=-0.5),
    "Cost may go up at most 10% with 30% more traffic": Goals(cost_change=0.1, traffic_change=0.3),
    "Traffic +30%, cost flat": Goals(cost_cap=True, traffic_change=0.3),
    "We pay $20k a month and want to be at $12k": Goals(budget_usd=12_000.0),
    "We must not spend more than $500 a month": Goals(budget_usd=500.0),
    "Make it a third cheaper": Goals(cost_change=-1 / 3),
    "Save a quarter of our bill": Goals(cost_change=-0.25),
    "Take a quarter off the bill": Goals(cost_change=-0.25),
    "Bring our spend down to a quarter of what it is": Goals(cost_change=-0.75),
    "Bring the bill down to 80%": Goals(cost_change=0.8 - 1),
    "Save up to 30%": Goals(cost_change=-0.3),
    "A quarter faster": Goals(speed_factor=1.25),
    "A third more traffic next month": Goals(traffic_change=1 / 3),
    "Half again as many requests next month": Goals(traffic_change=0.5),
    "Traffic will grow 20-30%": Goals(traffic_change=0.3),
    "5 times fewer calls next month": Goals(traffic_change=1 / 5 - 1),
    "Twice as fast at half the cost": Goals(cost_change=-0.5, speed_factor=2.0),
    "The cost per request should be 20% lower": Goals(cost_change=-0.2),
    "Save 20% of our spend": Goals(cost_change=-0.2),
}
NO_GOALS = (
    "80% of our bill comes from chat. How do we cut it?",
    "Only 5% of users cause 80% of the cost",
    "20% of calls fail, what does it cost?",
    "Cut cost, no more than 20% slower",
    "Save money; latency must not rise by more than 10%",
    "Our latency has doubled",
    "Why is our bill twice as high as last month?",
    "Costs have grown 3x this year",
    "What does it cost per quarter?",
    "third-party calls cost too much",
    "half of our calls are retries",
    "Two thirds of the cost is input",
    "Send a third of calls to another model",
    "We have cut costs by 30% since May",
    "Since October traffic is up 40%",
    "Let us double down on savings",
    "Cut the bill by $500 a month",
    "$0.05 per call is too much",
    "reduce p95 by 300 ms",
    "Faster without increasing the cost by more than 10%",
    "Save $2000 a month",
    "We spend 500 dollars a day on chat",
    "Usage grew 30% last month",
    "Traffic doubled since January",
    "We don't need it 2x faster",
    "Not looking to cut cost by 50%",
    "Would gpt-4.1 be 20% cheaper than gpt-4o?",
)


@pytest.mark.parametrize(("question", "goals"), GOALS.items())
async def test_each_amount_belongs_to_what_it_is_said_of(
    reasoner: DeterministicReasoner, question: str, goals: Goals
) -> None:
    assert (await reasoner.understand(question)).goals == goals


@pytest.mark.parametrize("question", NO_GOALS)
async def test_what_is_told_allowed_or_refused_is_no_goal(
    reasoner: DeterministicReasoner, question: str
) -> None:
    intent = await reasoner.understand(question)
    assert (intent.goals, intent.latency) == (Goals(), ())


async def test_a_bound_from_what_is_to_what_shall_be_is_what_shall_be(
    reasoner: DeterministicReasoner,
) -> None:
    for question in ("Get latency from 5 s to 2 s", "Bring latency from 5 down to 2 seconds"):
        assert [w.max_ms for w in (await reasoner.understand(question)).latency] == [2000.0]


async def test_a_factor_behind_a_model_is_not_its_version(reasoner: DeterministicReasoner) -> None:
    compared = await reasoner.understand("Is claude-3.5-sonnet 2x faster than gpt 4o?")
    assert compared.models == ("claude-3.5-sonnet", "gpt-4o")


async def test_limits_a_minute_belong_to_the_model_named_with_them(
    reasoner: DeterministicReasoner,
) -> None:
    named = await reasoner.understand(
        "Usage +50% next month; gpt-4o allows 500 RPM and 30k TPM, claude-sonnet-4-5 40,000 tokens "
        "per minute"
    )
    assert named.limits == (
        RateLimit(model="gpt-4o", requests=500.0, tokens=30_000.0),
        RateLimit(model="claude-sonnet-4-5", tokens=40_000.0),
    )
    every = await reasoner.understand("We may send 60 requests a minute, traffic grows 2x")
    assert every.limits == (RateLimit(requests=60.0),)
    both = await reasoner.understand("500 requests and 100k tokens a minute, traffic grows 2x")
    assert both.limits == (RateLimit(requests=500.0, tokens=100_000.0),)
    assert (await reasoner.understand("Do we hit rate limits?")).limits == ()


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
    never = await reasoner.understand("Was the rollout of 2026-02-30 99:99 worth it?")
    none = await reasoner.understand("Was the upgrade worth it?")
    assert relative.change_at == "2026-11-21T00:00:00+00:00"
    assert named.change_at == "2026-11-03T14:30:00+00:00"
    assert (never.change_at, none.change_at) == (None, None)


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


OTHER_WORDS = {
    "Same quality but cheaper; ticket-triage may be as slow as half a second": Topic.SAVINGS,
    "Go through our uses of prompt caching and tell me which lose money": Topic.CACHE_AUDIT,
    "Where do we write cache entries nobody reads?": Topic.CACHE_AUDIT,
    "Is our context caching worth what we pay for it?": Topic.CACHE_AUDIT,
    "We upgraded the model yesterday - did it pay off? If it only got dearer, undo it": (
        Topic.CHANGE_REVIEW
    ),
    "Did switching to the newer version make sense or should we revert?": Topic.CHANGE_REVIEW,
    "Yesterday we moved faq to gpt-5. Revert wherever scores barely changed": Topic.CHANGE_REVIEW,
    "Should we go back to the old model where the new one is no better?": Topic.CHANGE_REVIEW,
    "Our bill doubled, why?": Topic.CHANGE_REVIEW,
    "Speed up everything by a factor of three without a higher bill": Topic.SPEED,
    "We need our tools 3x faster but we can't spend more money": Topic.SPEED,
    "Reduce latency by 30%": Topic.SPEED,
    "How long is the time to first token?": Topic.SPEED,
    "Lower our spend by a third": Topic.SAVINGS,
    "Latency must not exceed 800 ms, cost should go down 25%": Topic.SAVINGS,
    "Why did costs spike last Tuesday?": Topic.CHANGE_REVIEW,
    "Why did our bill go up last week?": Topic.CHANGE_REVIEW,
    "Why did our bill double?": Topic.CHANGE_REVIEW,
    "Why is our bill twice as high as last month?": Topic.CHANGE_REVIEW,
    "Which customers cost the most?": Topic.CHARGEBACK,
    "If agent traffic rises by half next month, do we hit rate limits?": Topic.FORECAST,
    "Could we run on gemini-2.5-flash instead?": Topic.MODEL_FIT,
    "gpt-5 costs too much for live chat, what else could we use?": Topic.MODEL_FIT,
    "We must not spend more than 2000 dollars a month": Topic.BUDGET,
    "hard cap of $5,000 per month": Topic.BUDGET,
    "There is a storm of 429s since Monday": Topic.ERRORS,
    "Split the cost by department": Topic.CHARGEBACK,
}


@pytest.mark.parametrize(("question", "topic"), OTHER_WORDS.items())
async def test_other_words_for_the_same_have_the_same_topic(
    reasoner: DeterministicReasoner, question: str, topic: Topic
) -> None:
    assert (await reasoner.understand(question)).topic is topic


async def test_times_and_amounts_are_read_as_people_write_them(
    reasoner: DeterministicReasoner,
) -> None:
    spoken = await reasoner.understand("search_box: half a second is fine, chat_ui at most 0.2s")
    assert [(w.feature, w.max_ms) for w in spoken.latency] == [
        ("search_box", 500.0),
        ("chat_ui", 200.0),
    ]
    shared = await reasoner.understand("chat_ui and search_box must stay under 200 ms, cheaper")
    assert [(w.feature, w.max_ms) for w in shared.latency] == [
        ("chat_ui", 200.0),
        ("search_box", 200.0),
    ]
    capped = await reasoner.understand("hard cap of $12,500.50 per month")
    assert capped.goals.budget_usd == 12_500.5
    assert (await reasoner.understand("a storm of 429s")).latency == ()
    grown = await reasoner.understand("Traffic will double next month, what will it cost?")
    assert grown.goals.traffic_change == 1.0
    tuesday = await reasoner.understand("Was the switch on Tuesday worth it?")
    assert tuesday.change_at == "2026-11-17T00:00:00+00:00"


def wish(text: str, feature: str | None = None) -> LatencyWish:
    return LatencyWish(feature=feature, max_ms=200.0, text=text)


def test_a_bound_is_for_the_features_its_words_name_and_never_for_others() -> None:
    data = DataFinding(profile=None, known=("ticket-triage", "faq", "support_chat"))
    assert data.bounds(wish("support_chat must stay at 200 ms", "support_chat")) == (
        "support_chat",
    )
    assert data.bounds(wish("ticket triage may take 200 ms")) == ("ticket-triage",)
    assert data.bounds(wish("the FAQ and support chat below 200 ms")) == ("faq", "support_chat")
    assert data.bounds(wish("cheaper, but never slower than 200 ms")) == ()
    assert data.bounds(wish("every answer within 200 ms")) == ()
    assert data.bounds(wish("the voice bot must stay below 200 ms")) is None
    assert data.bounds(wish("voice_bot below 200 ms", "voice_bot")) is None


@pytest.mark.parametrize("unit", ["$9", "9 ms", "9 %", "9 times as fast"])
async def test_a_row_of_digits_that_no_number_has_is_none(
    reasoner: DeterministicReasoner, unit: str
) -> None:
    """Nor is it tried from each of its digits to its end: that would hold up the whole process."""
    intent = await reasoner.understand(f"Save cost within {unit.replace('9', '9' * 400)}")
    assert (intent.goals, intent.latency) == (Goals(), ())


@pytest.mark.parametrize("words", ["Was it {} worth", "The bill {} doubled", "Where does {} money"])
async def test_words_belong_together_within_some_sentences_only(
    reasoner: DeterministicReasoner, words: str
) -> None:
    """Each is not looked for from each of the others to the end of the question."""
    near = await reasoner.understand(words.format("so to say"))
    far = await reasoner.understand(words.format("x " * 400))
    assert near.topic is not Topic.SAVINGS
    assert far.topic is Topic.SAVINGS


async def test_of_a_clause_of_a_thousand_amounts_only_the_first_are_weighed(
    reasoner: DeterministicReasoner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is held against each word of its clause: all of them would hold up the process."""
    weighed: list[str] = []
    plain = goals._subject

    def counted(*given: Any) -> Any:
        weighed.append("")
        return plain(*given)

    monkeypatch.setattr(goals, "_subject", counted)
    intent = await reasoner.understand("cost -20% " * 1000)
    assert intent.goals == Goals(cost_change=-0.2)
    assert len(weighed) == MOST_AMOUNTS


async def test_of_a_pasted_list_the_first_names_bounds_and_limits_are_taken(
    reasoner: DeterministicReasoner,
) -> None:
    """Each costs work over the whole question: all of them would hold up the whole process."""
    many = range(500)
    features = await reasoner.understand(", ".join(f"f_{n} within {n + 1} ms" for n in many))
    assert features.features == tuple(f"f_{n}" for n in range(MOST))
    assert [wish.max_ms for wish in features.latency] == [n + 1 for n in range(MOST)]
    models = await reasoner.understand("; ".join(f"gpt-{n:03} has {n + 1} rpm" for n in many))
    assert models.models == tuple(f"gpt-{n:03}" for n in range(MOST))
    assert [limit.requests for limit in models.limits] == [n + 1 for n in range(MOST)]


async def test_of_a_row_of_amounts_the_first_are_looked_at(reasoner: DeterministicReasoner) -> None:
    assert len(amounts("2x 5 % half " * 500)) == MOST_AMOUNTS
    intent = await reasoner.understand(f"Stay within $7 {'or $8 ' * 500} below $9")
    assert intent.goals.budget_usd == 7
    pasted = await reasoner.understand(f"Save {'9x ' * MOST_AMOUNTS} of cost, 2x the traffic")
    assert pasted.goals.traffic_change == 1.0
