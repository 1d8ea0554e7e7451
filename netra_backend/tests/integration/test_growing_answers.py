"""What an agent writes is seen while it is written: the answer, and a model's reading."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netra_backend.tests.integration.test_config_api import configured
from netra_backend.tests.integration.test_model_reads_questions import KEY, QUESTION, READ
from netra_backend.tests.kit import GatedReasoner, Person, Stack, is_terminal, person, stack
from netra_backend.tests.model_provider import model_provider
from netra_core.testing.waiting import eventually

pytestmark = pytest.mark.integration


def joined(texts: list[dict[str, Any]]) -> str:
    """One text from its pieces, each continuing the one before."""
    text = ""
    for piece in texts:
        assert piece["offset"] == len(text)
        text += piece["text"]
    return text


async def followed(who: Person, run_id: str) -> list[dict[str, Any]]:
    """Every message of the event stream, texts included; each carries its `id`."""
    out: list[dict[str, Any]] = []
    async with who.http.stream("GET", f"/api/runs/{run_id}/events", timeout=60) as stream:
        fields: dict[str, str] = {}
        async for line in stream.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                out.append({**json.loads(fields["data"]), "id": fields.get("id")})
                fields = {}
    return out


async def until_read_by(platform: Stack, many: int) -> None:
    """Wait until so many sockets and event streams are open."""
    await eventually(lambda: platform.platform.sockets.get_stats().subscribers >= many)


async def test_the_answer_grows_on_each_tab_and_in_the_event_stream_before_it_is_logged(
    tmp_path: Path,
) -> None:
    reasoner = GatedReasoner()
    async with (
        stack(tmp_path, change=lambda deps: replace(deps, reasoner=reasoner)) as platform,
        person(platform.url, "ada") as ada,
    ):
        for _ in range(10):  # a reader that comes late to a text gets none of it: asked again
            reasoner.gate.clear()
            async with ada.socket(speak=True) as one, ada.socket(speak=True) as two:
                accepted = await ada.ask("hold on: where can we save?")
                following = asyncio.create_task(followed(ada, accepted["run_id"]))
                await until_read_by(platform, 3)
                reasoner.gate.set()
                events = await one.until_end()
                await two.until_end()
                streamed = await following
            sent = [message for message in streamed if message["type"] == "agent_delta"]
            if len(one.texts) > 1 and two.texts and sent:
                break
    report = events[-1]["payload"]["result"]["report"]
    answer = "\n".join([report["headline"], *report["summary"]])
    for texts in (one.texts, two.texts, sent):
        assert {text["agent_name"] for text in texts} == {"supervisor"}
        assert joined(texts) == answer
    assert len(one.texts) > 1, "it grows"
    assert [message["id"] for message in sent] == [None] * len(sent)
    assert streamed[-1]["type"] == "agent_completed" and is_terminal(streamed[-1])


async def test_a_models_reading_is_seen_while_it_answers_and_becomes_the_thought_that_is_logged(
    tmp_path: Path,
) -> None:
    turns: asyncio.Queue[None] = asyncio.Queue()

    async def pace() -> None:
        await turns.get()

    async with model_provider(READ) as provider, configured(tmp_path) as (platform, manager):
        provider.pace = pace
        manager.set("llm.base_url", provider.url, source="override", actor="test")
        manager.set("llm.model", "gpt-4.1-mini", source="override", actor="test")
        manager.set("llm.openai_api_key", KEY, source="override", actor="test")
        async with person(platform.url, "ada") as ada, ada.socket(speak=True) as tab:
            await ada.ask(QUESTION)
            events: list[dict[str, Any]] = []
            reading = asyncio.create_task(tab.until_end())

            def one_more_piece() -> bool:
                turns.put_nowait(None)
                return "gpt-4o" in joined(tab.texts)

            await eventually(one_more_piece)
            shown, asked = joined(tab.texts), len(provider.asked)
            for _ in range(1000):
                turns.put_nowait(None)
            events = await reading
    assert asked == 1
    thoughts = [e["payload"]["thought"] for e in events if e["type"] == "agent_thinking"]
    understood = next(thought for thought in thoughts if thought.startswith("This asks about"))
    assert shown and understood.startswith(shown) and understood != shown
    assert "invented" not in "".join(text["text"] for text in tab.texts)
