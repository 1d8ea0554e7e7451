"""Sockets of many users at once: each sees all of their own, exactly, over drops and restarts."""

import asyncio
import contextlib
import json
import socket as sockets
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import websockets
from websockets.exceptions import ConnectionClosed

from netra_backend.dependencies import BackendDependencies
from netra_backend.tests.kit import Person, Socket, is_terminal
from netra_backend.tests.live_kit import LiveStack, live_stack
from netra_core.context import UserExecutionContext
from netra_core.events import CRITICAL_EVENTS
from netra_core.state import Scope
from netra_core.testing import BaseIntegrationTest
from netra_core.testing.postgres import TestDatabase
from netra_core.testing.runs import reference_run
from netra_core.websocket import SocketLimits, TaskSupervisor

pytestmark = pytest.mark.asyncio(loop_scope="module")


def with_limits(limits: SocketLimits) -> Callable[[BackendDependencies], BackendDependencies]:
    """A platform with other socket limits."""
    return lambda deps: replace(deps, options=replace(deps.options, sockets=limits))


@pytest_asyncio.fixture(scope="class", loop_scope="module")
async def platform(
    tmp_path_factory: pytest.TempPathFactory, new_database: "Callable[[], TestDatabase | None]"
) -> AsyncGenerator[LiveStack]:
    async with live_stack(
        tmp_path_factory.mktemp("multiuser"),
        change=with_limits(SocketLimits(connections_per_user=4, heartbeat_s=0.2)),
        database=new_database(),
    ) as running:
        yield running


def context_of(person: Person) -> UserExecutionContext:
    return UserExecutionContext(
        user_id=person.user_id, workspace_id=person.workspace_id, request_id="test"
    )


async def log_run(platform: LiveStack, person: Person, run_id: str, *, thoughts: int = 1) -> int:
    """Write a whole run of this person; how many events it has."""
    run = reference_run(run_id, thoughts=thoughts)
    await platform.platform.deps.events.append_many(context_of(person), run)
    return len(run)


async def read(socket: Socket, count: int) -> list[dict[str, Any]]:
    return [await socket.receive() for _ in range(count)]


async def nothing_more(socket: Socket) -> bool:
    await socket.send(type="ping")
    return (await socket.receive())["type"] == "pong"


async def close_code(socket: Socket) -> int:
    with pytest.raises(ConnectionClosed):
        while True:
            await socket.receive()
    return socket.raw.close_code or 0


def seqs(events: list[dict[str, Any]]) -> list[int]:
    return [event["seq"] for event in events]


@pytest.mark.integration
class TestManyUsers(BaseIntegrationTest):
    """Connections, events and state of many users on one server.

    Segment: companies whose teams share one Apex
    Goal: every tab of every person shows that person's truth, at once and after any interruption
    Value: live work with agents that can be trusted
    Impact: a crossed event is a data leak, a lost one a wrong decision
    """

    async def test_the_state_of_each_users_connections_is_known(self, platform: LiveStack) -> None:
        manager = platform.platform.sockets
        ada, bob = await platform.register("state-ada"), await platform.register("state-bob")
        async with (
            ada.socket(speak=True) as one,
            ada.socket(speak=True),
            bob.socket(speak=True) as his,
        ):
            count = await log_run(platform, ada, "run-state")
            await read(one, count)
            health = manager.get_connection_health(one.established["connection_id"])
            assert (health.user_id, health.position, health.lag) == (ada.user_id, count, 0)
            other = manager.get_connection_health(his.established["connection_id"])
            assert (other.user_id, other.position) == (bob.user_id, 0)
            assert len(manager.get_user_connections(ada.user_id)) == 2
            assert len(manager.get_user_connections(bob.user_id)) == 1

    @pytest.mark.both_databases
    async def test_no_event_crosses_between_many_users_at_once(self, platform: LiveStack) -> None:
        people = await asyncio.gather(*[platform.register(f"many-{n}") for n in range(4)])
        async with contextlib.AsyncExitStack() as opened:
            tabs = {
                person.user_id: [
                    await opened.enter_async_context(person.socket(speak=True)) for _ in "ab"
                ]
                for person in people
            }
            counts = await asyncio.gather(
                *[log_run(platform, p, f"{p.user_id}-{k}") for p in people for k in range(3)]
            )
            for person in people:
                for tab in tabs[person.user_id]:
                    events = await read(tab, sum(counts) // len(people))
                    assert seqs(events) == list(range(1, len(events) + 1))
                    assert all(e["run_id"].startswith(person.user_id) for e in events)
                    assert await nothing_more(tab)

    async def test_a_question_brings_the_five_events_with_its_own_run(
        self, platform: LiveStack
    ) -> None:
        ada, bob = await platform.register("five-ada"), await platform.register("five-bob")
        async with ada.socket() as hers, bob.socket() as his:
            for person_socket in (hers, his):
                await person_socket.send(
                    type="user_message", content="What costs most?", client_message_id="q"
                )
            outcomes = [await hers.until_end(), await his.until_end()]
        for accepted, *events in outcomes:
            assert {event["run_id"] for event in events} == {accepted["run_id"]}
            assert set(CRITICAL_EVENTS) <= {event["type"] for event in events}
        assert outcomes[0][0]["run_id"] != outcomes[1][0]["run_id"]

    @pytest.mark.both_databases
    async def test_after_a_drop_exactly_what_was_missed_is_replayed(
        self, platform: LiveStack
    ) -> None:
        ada = await platform.register("drop")
        async with ada.socket(speak=True) as socket:
            epoch = socket.established["epoch"]
            seen = await log_run(platform, ada, "before", thoughts=4)
            before = await read(socket, seen)
            socket.raw.transport.abort()
        missed = await log_run(platform, ada, "during", thoughts=300)
        async with ada.socket() as socket:
            await socket.send(type="resume", epoch=epoch, after_seq=seen)
            replay = await socket.until(lambda m: m["type"] == "resumed")
            live = await log_run(platform, ada, "after")
            after = await read(socket, live)
        assert seqs(before + replay[:-1] + after) == list(range(1, seen + missed + live + 1))
        assert replay[-1] == {"type": "resumed", "from_seq": seen + 1, "to_seq": seen + missed}
        stored = await platform.platform.deps.events.read(
            context_of(ada).stream, after_seq=seen, limit=1000
        )
        assert [e["event_id"] for e in replay[:-1]] == [e.event_id for e in stored[:missed]]

    async def test_messages_and_answers_are_kept(self, platform: LiveStack) -> None:
        ada = await platform.register("kept")
        async with ada.socket() as socket:
            await socket.send(type="user_message", content="Keep this.", client_message_id="k1")
            accepted, *_ = await socket.until_end()
        path = f"/api/threads/{accepted['thread_id']}/messages"

        async def both() -> list[dict[str, Any]] | None:
            items = (await ada.http.get(path)).json()["items"]
            return items if len(items) == 2 else None

        first, second = await self.eventually(both, what="the answer to be kept")
        assert first["content"] == "Keep this."
        assert {first["role"], second["role"]} == {"user", "assistant"}

    async def test_each_user_has_a_pool_of_connections_with_a_limit(
        self, platform: LiveStack
    ) -> None:
        ada, bob = await platform.register("pool-ada"), await platform.register("pool-bob")
        async with contextlib.AsyncExitStack() as opened:
            for _ in range(4):
                await opened.enter_async_context(ada.socket())
            async with ada.socket() as fifth:
                assert fifth.established["code"] == "WS-004"
                assert await close_code(fifth) == 4430
            async with bob.socket() as other:
                assert other.established["type"] == "connection_established"
        await self.eventually(
            lambda: not platform.platform.sockets.get_user_connections(ada.user_id)
        )
        async with ada.socket() as again:
            assert again.established["type"] == "connection_established"

    @pytest.mark.both_databases
    async def test_a_change_of_state_reaches_every_tab_of_its_user_and_nobody_else(
        self, platform: LiveStack
    ) -> None:
        state = platform.platform.deps.state
        assert state is not None
        ada, bob = await platform.register("tabs-ada"), await platform.register("tabs-bob")
        async with ada.socket() as one, ada.socket() as two, bob.socket() as other:
            for tab in (one, two, other):
                assert await nothing_more(tab)
            await state.for_context(context_of(ada)).set("theme", {"dark": True})
            changes = [await one.receive(), await two.receive()]
            assert changes[0] == changes[1]
            assert await nothing_more(other)
        assert changes[0] == {
            "type": "state_changed",
            "scope": "user",
            "subject": "",
            "key": "theme",
            "value": {"dark": True},
            "version": 1,
        }

    async def test_a_disconnect_cleans_up_its_own_and_nothing_else(
        self, platform: LiveStack
    ) -> None:
        manager = platform.platform.sockets
        state = platform.platform.deps.state
        assert state is not None
        ada = await platform.register("own")
        context = context_of(ada)
        async with ada.socket() as stays:
            kept = stays.established["connection_id"]
            async with ada.socket() as leaves:
                gone = leaves.established["connection_id"]
                for connection in (kept, gone):
                    view = state.for_context(context, connection_id=connection)
                    await view.set("cursor", connection, scope=Scope.WEBSOCKET)
                await state.for_context(context).set("theme", "dark")
            left = state.for_context(context, connection_id=gone)

            async def cleaned() -> bool:
                return await left.get("cursor", scope=Scope.WEBSOCKET) is None

            await self.eventually(cleaned)
            assert [c.connection_id for c in manager.get_user_connections(ada.user_id)] == [kept]
            view = state.for_context(context, connection_id=kept)
            assert await view.get("cursor", scope=Scope.WEBSOCKET) == kept
            assert await view.get("theme") == "dark"

    async def test_background_tasks_are_supervised_and_restarted(self, platform: LiveStack) -> None:
        assert {task.name for task in platform.platform.sockets.get_task_health()} == {
            "poll stream heads",
            "sweep connections",
        }
        assert all(task.running for task in platform.platform.sockets.get_task_health())
        naps: list[float] = []
        done = asyncio.Event()

        async def nap(seconds: float) -> None:
            naps.append(seconds)

        async def flaky() -> None:
            if len(naps) < 3:
                raise OSError("not yet")
            done.set()
            await asyncio.Event().wait()

        supervisor = TaskSupervisor(backoff_s=0.1, sleep=nap)
        supervisor.start("flaky", flaky)
        await done.wait()
        (health,) = supervisor.health()
        assert (health.running, health.restarts, health.last_error) == (True, 3, "OSError: not yet")
        assert naps == [0.1, 0.2, 0.4]
        await supervisor.restart("flaky", flaky)
        await supervisor.stop()
        assert supervisor.health() == []

    async def test_a_peer_that_stops_pinging_is_closed_and_a_quiet_reader_is_not(
        self, platform: LiveStack
    ) -> None:
        ada = await platform.register("beat")
        async with ada.socket() as quiet, ada.socket() as stops:
            assert await nothing_more(stops)
            assert await close_code(stops) == 4410
            await log_run(platform, ada, "run-beat")
            assert seqs(await read(quiet, 7)) == [1, 2, 3, 4, 5, 6, 7]

    async def test_without_access_there_is_no_socket(self, platform: LiveStack) -> None:
        ada = await platform.register("denied")
        for headers in ({}, {"Authorization": "Bearer x.y.z"}):
            async with websockets.connect(ada.ws_url, additional_headers=headers) as raw:
                assert json.loads(await raw.recv())["code"] == "WS-005"
                with pytest.raises(ConnectionClosed):
                    await raw.recv()
                assert raw.close_code == 4401
        ticket = (await ada.http.post("/api/ws/ticket")).json()["ticket"]
        async with websockets.connect(f"{ada.ws_url}?ticket={ticket}") as raw:
            assert json.loads(await raw.recv())["type"] == "connection_established"
        async with websockets.connect(f"{ada.ws_url}?ticket={ticket}") as raw:
            assert json.loads(await raw.recv())["code"] == "WS-005"

    async def test_a_signed_out_session_loses_its_sockets_and_another_keeps_its_own(
        self, platform: LiveStack
    ) -> None:
        first = await platform.register("signout")
        second = await platform.login("signout")
        async with first.socket() as ends, second.socket() as stays:
            body = {"refresh_token": first.refresh_token}
            assert (await first.http.post("/auth/logout", json=body)).is_success
            assert await close_code(ends) == 4423
            assert await nothing_more(stays)


@pytest.mark.integration
@pytest.mark.process
class TestRestart(BaseIntegrationTest):
    """The same guarantees over a server that goes away and comes back.

    Segment: operators of one node and of many
    Goal: a restart costs a second and no event
    Value: updates whenever they are ready
    Impact: people reload, ask twice and pay twice without it
    """

    @pytest.mark.both_databases
    async def test_a_client_continues_after_the_server_was_restarted(
        self, tmp_path: Path, platform_at: TestDatabase | None
    ) -> None:
        async with live_stack(tmp_path, database=platform_at) as before:
            ada = await before.register("restart")
            async with ada.socket() as socket:
                epoch = socket.established["epoch"]
                await socket.send(type="user_message", content="Save?", client_message_id="r1")
                accepted, *events = await socket.until_end()
            taken = len(events) - 3
        async with live_stack(tmp_path, database=platform_at) as after:
            ada = await after.login("restart")
            async with ada.socket() as socket:
                await socket.send(type="resume", epoch=epoch, after_seq=taken)
                replay = await socket.until(lambda m: m["type"] == "resumed")
                await socket.send(type="user_message", content="Save?", client_message_id="r1")
                again = await socket.until(lambda m: m["type"] == "message_accepted")
        assert replay[:-1] == events[taken:]
        assert is_terminal(replay[-2])
        assert again == [{**accepted, "duplicate": True}]

    async def test_a_half_open_connection_is_found_and_dropped(
        self, tmp_path: Path, platform_at: TestDatabase | None
    ) -> None:
        limits = SocketLimits(heartbeat_s=0.2)
        async with live_stack(
            tmp_path, database=platform_at, change=with_limits(limits)
        ) as platform:
            ada = await platform.register("half-open")
            raw = _upgrade(platform, ada)
            manager = platform.platform.sockets
            await self.eventually(lambda: manager.get_user_connections(ada.user_id))
            # Nothing is read or answered from here on: protocol pings find out.
            try:
                await self.eventually(lambda: not manager.get_user_connections(ada.user_id))
            finally:
                raw.close()
            assert manager.get_stats().connections == 0


def _upgrade(platform: LiveStack, person: Person) -> "sockets.socket":
    """A bare TCP connection that was upgraded and then says nothing, as a vanished laptop does."""
    raw = sockets.create_connection((platform.server.host, platform.server.port))
    raw.sendall(
        (
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {person.token}\r\n\r\n"
        ).encode()
    )
    return raw
