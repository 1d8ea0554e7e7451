"""Two backend nodes on one PostgreSQL, behind one origin: a run outlives the node that began it."""

from collections.abc import Generator
from contextlib import aclosing

import pytest

from netra_apex.cluster import Cluster, cluster
from netra_client import ApexClient, LiveEvent

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

PASSWORD = "a long enough phrase for tests 7"
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


async def test_a_run_ends_though_a_node_is_killed_in_its_middle(running: Cluster) -> None:
    async with ApexClient(running.web) as person:
        await person.register("killed@example.com", PASSWORD)
        run_ids = [(await person.post_message(QUESTION))["run_id"] for _ in range(4)]
        running.processes["backend-1"].kill()
        async with ApexClient(running.backends[1], access_token=person.access_token) as client:
            for run_id in run_ids:
                events = [event async for event in client.run_events(run_id)]
                assert [event.run_seq for event in events] == list(range(1, len(events) + 1))
                assert ended(events[-1])
