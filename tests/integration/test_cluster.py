"""Two backend nodes on one PostgreSQL, behind one origin: a run outlives the node that began it."""

import json
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from netra_apex.cluster import Cluster, cluster
from netra_client import ApexClient, LiveEvent
from netra_core.testing.postgres import MIGRATION_ROLE

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

PASSWORD = "a long enough phrase for tests 7"
ROWS = 140_000
QUESTION = "Where can we save money?"


@pytest.fixture(scope="module")
def running() -> Generator[Cluster]:
    with cluster(web_port=0) as found:
        yield found


def ended(event: LiveEvent) -> bool:
    return event.type == "agent_completed" and event.agent_name == "supervisor"


async def test_the_socket_behind_the_one_origin_tells_what_the_log_says(running: Cluster) -> None:
    async with ApexClient(running.web) as person:
        await person.register("socket@example.com", PASSWORD)
        heard: list[LiveEvent] = []
        async with person.live() as live, aclosing(live.updates()) as updates:
            await anext(updates)
            asked = await live.ask(QUESTION)
            async for update in updates:
                if isinstance(update, LiveEvent):
                    heard.append(update)
                    if ended(update):
                        break
        logged = [event async for event in person.run_events(asked.run_id)]
    assert heard == logged


async def test_events_of_a_run_reach_a_client_of_either_node(running: Cluster) -> None:
    async with ApexClient(running.web) as person:
        await person.register("either@example.com", PASSWORD)
        run_id = (await person.post_message(QUESTION))["run_id"]
        seen: list[list[LiveEvent]] = []
        for node in running.backends:
            async with ApexClient(node, access_token=person.access_token) as client:
                seen.append([event async for event in client.run_events(run_id)])
    assert seen[0] == seen[1]
    assert [event.run_seq for event in seen[0]] == list(range(1, len(seen[0]) + 1))
    assert ended(seen[0][-1])


async def rows_stored(person: ApexClient) -> int:
    return (await person.get("/api/usage/summary"))["requests"]


def node_names(running: Cluster) -> list[str]:
    """Under which names the nodes beat."""
    engine = create_engine(running.database.url(MIGRATION_ROLE, driver="postgresql+psycopg"))
    with engine.connect() as connection:
        names = connection.execute(text("SELECT id FROM platform.nodes")).scalars().all()
    engine.dispose()
    return [str(name) for name in names]


def spend_logs(path: Path, rows: int) -> Path:
    """An export of LiteLLM's."""
    with path.open("w") as file:
        for row in range(rows):
            at = f"2026-11-20T{row // 3600 % 24:02}:{row // 60 % 60:02}:{row % 60:02}Z"
            call = {
                "request_id": f"chatcmpl-{row}", "call_type": "acompletion", "spend": 0.01,
                "startTime": at, "endTime": at, "model": "gpt-4o", "metadata": {},
                "custom_llm_provider": "openai", "prompt_tokens": 100, "completion_tokens": 50,
                "total_tokens": 150,
            }  # fmt: skip
            file.write(json.dumps(call) + "\n")
    return path


async def test_runs_and_an_import_end_though_a_node_is_killed_in_their_middle(
    running: Cluster, tmp_path: Path
) -> None:
    async with ApexClient(running.web) as person:
        await person.register("killed@example.com", PASSWORD)
        assert len(set(node_names(running))) == 2
        spend = spend_logs(tmp_path / "spend.jsonl", ROWS)
        async with ApexClient(running.backends[0], access_token=person.access_token) as first:
            begun = await first.import_file(spend)
            while not await rows_stored(person):
                pass  # until a block of it is there
        run_ids = [(await person.post_message(QUESTION))["run_id"] for _ in range(4)]
        running.processes["backend-1"].kill()
        async with ApexClient(running.backends[1], access_token=person.access_token) as client:
            for run_id in run_ids:
                events = [event async for event in client.run_events(run_id)]
                assert [event.run_seq for event in events] == list(range(1, len(events) + 1))
                assert ended(events[-1])
            found = await client.wait_for_import(begun["import_id"])
            assert (found["status"], found["rows_kept"]) == ("completed", ROWS)
            assert await rows_stored(client) == ROWS
