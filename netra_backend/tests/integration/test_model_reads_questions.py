"""A language model reads questions where one is configured, and never stands in the way."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from purgatory import AsyncCircuitBreakerFactory

from netra_backend.reasoner import DeterministicReasoner, Intent, ModelCall, Topic
from netra_backend.reasoner.choice import FAILURES, Reasoners
from netra_backend.reasoner.model import ModelAccess, ModelReasoner, provider_and_name
from netra_backend.tests.integration.test_config_api import configured, people
from netra_backend.tests.model_provider import Provider, model_provider
from netra_core.context import UserExecutionContext
from netra_core.testing import BaseIntegrationTest

QUESTION = "Could support_bot run on something smaller than gpt-4o, ideally under half a second?"
READ: dict[str, Any] = {
    "topic": "model_fit",
    "features": ["support_bot", "invented_by_the_model"],
    "models": ["gpt-4o", "gpt-9"],
    "replace_named_models": True,
    "latency_bounds": [{"feature": "support_bot", "max_ms": 500, "words": "under half a second"}],
}
KEY = "sk-live-0123456789abcdef"


class Reading:
    """A reasoner at a provider, and the calls it was charged for."""

    def __init__(self, provider: Provider, *, model: str = "gpt-4.1-mini", **more: Any) -> None:
        self.calls: list[ModelCall] = []
        self.heard: list[Intent] = []
        self.reasoner = ModelReasoner(
            ModelAccess(provider="openai", model=model, api_key=KEY, base_url=provider.url, **more),
            otherwise=DeterministicReasoner(),
            breakers=AsyncCircuitBreakerFactory(2, 60),
            account=self._account,
            clock=lambda: datetime(2026, 11, 26, tzinfo=UTC),
        )

    async def _account(self, call: ModelCall) -> None:
        self.calls.append(call)

    async def _hear(self, so_far: Intent) -> None:
        self.heard.append(so_far)

    async def __call__(self, question: str = QUESTION) -> Intent:
        return await self.reasoner.understand(question, heard=self._hear)


@pytest.mark.integration
class TestModelReadsQuestions(BaseIntegrationTest):
    """Segment: teams that ask in their own words.

    Goal: a model understands what patterns miss, within a budget, and a run never hangs on it.
    Value: the question asked is the question answered; a provider's outage costs nobody an answer.
    Impact: a misread question wastes the user's hour; an unbounded model call wastes their money.
    """

    async def test_the_model_says_what_is_asked_and_invents_no_names(self) -> None:
        async with model_provider(READ) as provider:
            read = Reading(provider)
            intent = await read()
        assert intent.topic is Topic.MODEL_FIT
        assert (intent.features, intent.models) == (("support_bot",), ("gpt-4o",))
        assert [(w.feature, w.max_ms) for w in intent.latency] == [("support_bot", 500.0)]
        assert intent.away_from and intent.note == ""
        assert provider.questions == [QUESTION], "only the question is sent"
        assert provider.keys == [KEY]

    async def test_what_it_cost_is_counted_at_the_price_of_the_model(self) -> None:
        async with model_provider(READ) as provider:
            read = Reading(provider)
            intent = await read()
        (call,) = read.calls
        assert intent.call == call
        assert (call.requests, call.input_tokens, call.cache_read_tokens) == (1, 700, 512)
        assert call.output_tokens == 40
        # gpt-4.1-mini: 0.40 a million tokens of plain input, 0.10 of cached, 1.60 of output
        assert call.cost_usd == pytest.approx(188 * 0.4e-6 + 512 * 0.1e-6 + 40 * 1.6e-6, abs=1e-12)

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            ({"budget_usd": 0.0001}, "more than the budget"),
            ({"model": "some-house-model"}, "price is not known"),
        ],
    )
    async def test_a_call_that_no_budget_covers_is_not_made(
        self, more: dict[str, Any], why: str
    ) -> None:
        async with model_provider(READ) as provider:
            read = Reading(provider, **more)
            intent = await read()
        assert (provider.asked, read.calls) == ([], [])
        assert why in intent.note
        assert intent.features == ("support_bot",), "the question is read all the same"

    @pytest.mark.parametrize("status", [400, 401, 429, 500])
    async def test_a_provider_that_refuses_costs_no_answer_and_tells_no_secret(
        self, status: int
    ) -> None:
        async with model_provider(status) as provider:
            intent = await Reading(provider)()
        assert str(status) in intent.note
        assert KEY not in intent.note
        assert intent.features == ("support_bot",)

    async def test_an_answer_that_fits_no_form_is_asked_for_once_more_and_then_done_without(
        self,
    ) -> None:
        async with model_provider({"topic": "poetry"}) as provider:
            read = Reading(provider)
            intent = await read()
        assert len(provider.asked) == 2
        assert intent.note and intent.topic is not None
        (call,) = read.calls
        assert (call.status, call.requests, call.input_tokens) == ("error", 2, 1400)

    async def test_after_failures_in_a_row_an_address_is_left_alone_but_not_for_a_wrong_key(
        self,
    ) -> None:
        async with model_provider(500) as provider:
            read = Reading(provider)
            for _ in range(3):
                await read()
            reached = len(provider.asked)
            await read()
            assert len(provider.asked) == reached, "the breaker is open"
        async with model_provider(401, 401, 401, READ) as provider:
            read = Reading(provider)
            for _ in range(3):
                await read()
            assert (await read()).note == ""

    async def test_a_whole_run_is_read_by_the_model_of_its_user_and_charged_to_the_workspace(
        self,
    ) -> None:
        async with model_provider(READ) as provider, configured(self.home) as (platform, manager):
            manager.set("llm.base_url", provider.url, source="override", actor="test")
            ada, bob = await people(platform, "ada", "bob")
            for key, value in (("llm.model", "gpt-4.1-mini"), ("llm.openai_api_key", KEY)):
                path = f"/api/config/keys/{key}"
                (
                    await ada.http.put(path, json={"value": value}, params={"scope": "user"})
                ).raise_for_status()
            ends = [await self._ask(person.http) for person in (ada, bob)]
            rows = (await ada.http.get("/api/usage/breakdown", params={"by": "feature"})).json()
        assert len(provider.asked) == 1, "bob has no model"
        by_ada, by_bob = ends
        assert (by_ada["requests"], by_ada["input_tokens"], by_ada["output_tokens"]) == (1, 700, 40)
        assert by_ada["cost_usd"] > 0 and "requests" not in by_bob
        assert [(row["key"], row["requests"]) for row in rows["items"]] == [("netra-apex", 1)]

    async def test_failures_of_one_user_keep_no_other_from_the_model(self) -> None:
        async with model_provider(*[429] * 9, READ) as provider, configured(self.home) as made:
            _, manager = made
            manager.set("llm.base_url", provider.url, source="override", actor="test")
            manager.set("llm.model", "gpt-4.1-mini", source="override", actor="test")
            calls: list[ModelCall] = []

            async def account(_: UserExecutionContext, call: ModelCall) -> None:
                calls.append(call)

            made_for = Reasoners(DeterministicReasoner(), lambda _: manager, account).of
            ada, bob = [
                made_for(UserExecutionContext(user_id=name, workspace_id="w", request_id="r"))
                for name in ("ada", "bob")
            ]
            for _ in range(FAILURES):
                await ada.understand(QUESTION)
            reached = len(provider.asked)
            left_alone = await ada.understand(QUESTION)
            assert (len(provider.asked), left_alone.call) == (reached, None)
            await bob.understand(QUESTION)
        assert len(provider.asked) > reached

    async def _ask(self, http: Any) -> dict[str, Any]:
        """The usage that the run's last event reports."""
        thread = (await http.post("/api/threads", json={})).raise_for_status().json()["id"]
        body = {"content": QUESTION, "client_message_id": "m1"}
        asked = await http.post(f"/api/threads/{thread}/messages", json=body)
        accepted = asked.raise_for_status().json()
        async with http.stream("GET", f"/api/runs/{accepted['run_id']}/events") as stream:
            lines = [line async for line in stream.aiter_lines() if line.startswith("data:")]
        return json.loads(lines[-1][5:])["payload"]["usage"]


@pytest.mark.parametrize(
    ("named", "provider", "model"),
    [
        ("openai:gpt-5-mini", "openai", "gpt-5-mini"),
        ("claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
        ("gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("ollama/llama3:8b", "openai", "ollama/llama3:8b"),
    ],
)
def test_a_model_is_named_with_its_provider_or_known_by_its_name(
    named: str, provider: str, model: str
) -> None:
    assert provider_and_name(named) == (provider, model)
