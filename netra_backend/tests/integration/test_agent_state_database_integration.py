"""Suite 3: agents, their state and the database under them."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select, text

from netra_backend import RunLimits
from netra_backend.tables import nodes
from netra_backend.tests import agents_kit as agents
from netra_backend.tests.kill_kit import check_recovery, kill_at
from netra_backend.tests.kit import ServerThread, ended, limited_to, of, person, stack
from netra_backend.tests.state_database import Database, note, user
from netra_core import state as shared_state
from netra_core.database import SessionIsolationError
from netra_core.state import COUNTER, Scope, StateChange, StateConflictError, StateQuery, merge
from netra_core.testing.base import BaseIntegrationTest
from netra_core.testing.postgres import TestDatabase


@pytest.mark.integration
class TestSharedStateOfAgents(BaseIntegrationTest):
    """State that agents share is versioned, owned and never torn.

    Segment: teams that run many agents
    Goal: reliability
    Value: agents build on what others found, without overwriting it
    Impact: lost updates make answers wrong in ways nobody sees
    """

    async def test_each_scope_shows_its_owner_and_nobody_else(self, database: Database) -> None:
        scopes = [Scope.WORKSPACE, Scope.USER, Scope.SESSION, Scope.THREAD, Scope.AGENT]
        ada = user("ada", "w1", session_id="s1", thread_id="t1")
        eve = user("eve", "w2", session_id="s1", thread_id="t1")
        mine = database.state.for_context(ada, agent="data", connection_id="c1")
        theirs = database.state.for_context(eve, agent="data", connection_id="c1")
        for scope in [*scopes, Scope.WEBSOCKET]:
            await mine.set("note", f"ada's {scope}", scope=scope)
        seen = [await theirs.get("note", scope=scope) for scope in [*scopes, Scope.WEBSOCKET]]
        nearest = await mine.nearest("note")
        assert seen == [None] * 6
        assert nearest is not None
        assert (nearest.scope, nearest.value) == (Scope.WEBSOCKET, "ada's websocket")

    async def test_versions_rise_by_one_and_go_on_after_a_delete(self, database: Database) -> None:
        view = database.state.for_context(user())
        versions = [(await view.set("plan", number)).version for number in range(3)]
        await view.delete("plan")
        versions.append((await view.set("plan", "again")).version)
        assert versions == [1, 2, 3, 5]

    async def test_a_conflict_tells_both_sides_and_their_base(self, database: Database) -> None:
        view = database.state.for_context(user())
        await view.set("plan", {"step": 1})
        await view.set("plan", {"step": 2})
        with pytest.raises(StateConflictError) as conflict:
            await view.compare_and_set("plan", {"step": 9}, expected_version=1)
        error = conflict.value
        assert (error.expected, error.actual) == (1, 2)
        assert (error.base, error.actual_value, error.wanted_value) == (
            {"step": 1},
            {"step": 2},
            {"step": 9},
        )

    async def test_a_key_that_merges_keeps_what_both_writers_added(
        self, database: Database
    ) -> None:
        database.state.declare_policy(
            "found:*", merge(lambda base, theirs, mine: sorted({*theirs, *mine}))
        )
        view = database.state.for_context(user())
        first = await view.set("found:levers", ["batch"])
        await view.set("found:levers", ["batch", "cache"], expected_version=first.version)
        merged = await view.set("found:levers", ["batch", "switch"], expected_version=first.version)
        assert merged.value == ["batch", "cache", "switch"]

    @pytest.mark.both_databases
    async def test_a_counter_under_ten_writers_loses_nothing(self, database: Database) -> None:
        database.state.declare_policy("count", COUNTER)
        view = database.state.for_context(user())
        gate = asyncio.Event()

        async def count() -> None:
            await gate.wait()
            for _ in range(10):
                await view.set("count", 1)

        writers = [asyncio.create_task(count()) for _ in range(10)]
        gate.set()
        await asyncio.gather(*writers)
        assert await view.get("count") == 100

    async def test_what_has_expired_is_absent_and_is_cleaned_up(self, database: Database) -> None:
        view = database.state.for_context(user())
        await view.set("draft", "soon gone", ttl=60)
        await view.set("kept", "stays")
        database.clock.now += 61
        before = (await view.get("draft"), await view.query(StateQuery(prefix="draft")))
        removed = await database.state.expire()
        assert before == (None, [])
        assert removed == 1
        assert [entry.key for entry in await view.query()] == ["kept"]

    async def test_a_listener_hears_each_committed_change_once(self, database: Database) -> None:
        heard: asyncio.Queue[StateChange] = asyncio.Queue()
        view = database.state.for_context(user())

        async def listener(change: object) -> None:
            assert isinstance(change, StateChange)
            heard.put_nowait(change)

        end = view.listen(listener, prefix="plan")
        await view.set("plan.a", 1)
        await view.set("other", 1)
        await view.delete("plan.a")
        changes = [await heard.get(), await heard.get()]
        end()
        assert [(change.key, change.operation) for change in changes] == [
            ("plan.a", "set"),
            ("plan.a", "delete"),
        ]
        assert database.state.listener_count == 0
        assert heard.empty()

    async def test_state_of_a_socket_dies_with_its_socket(self, database: Database) -> None:
        one = database.state.for_context(user(), connection_id="c1")
        two = database.state.for_context(user(), connection_id="c2")
        await one.set("cursor", 3, scope=Scope.WEBSOCKET)
        await two.set("cursor", 4, scope=Scope.WEBSOCKET)
        removed = await database.state.connection_closed(user(), "c1")
        assert removed == 1
        assert await one.get("cursor", scope=Scope.WEBSOCKET) is None
        assert await two.get("cursor", scope=Scope.WEBSOCKET) == 4

    async def test_managers_of_users_are_bounded_and_the_oldest_makes_room(
        self, database: Database
    ) -> None:
        factory = shared_state.StateManagerFactory(database.store, max_users=3)
        first = factory.get_user_manager(user("u0"))
        await first.for_context(user("u0")).set("kept", "in the store")
        for number in range(1, 5):
            factory.get_user_manager(user(f"u{number}"))
        again = factory.get_user_manager(user("u0"))
        assert factory.get_manager_count() == {"global": 0, "user": 3, "total": 3}
        assert again is not first
        assert await again.for_context(user("u0")).get("kept") == "in the store"

    async def test_a_manager_of_one_user_refuses_another(self, database: Database) -> None:
        factory = shared_state.StateManagerFactory(database.store)
        mine = factory.get_user_manager(user("ada"))
        with pytest.raises(shared_state.StateScopeError):
            mine.for_context(user("eve"))
        with pytest.raises(shared_state.StateScopeError):
            mine.for_context(user("ada", "w2"))
        assert factory.get_user_manager(user("ada")) is mine

    async def test_bad_keys_times_and_scopes_are_refused_and_change_nothing(
        self, database: Database
    ) -> None:
        view = database.state.for_context(user())
        with pytest.raises(shared_state.InvalidStateKeyError):
            await view.set("", 1)
        with pytest.raises(shared_state.InvalidStateKeyError):
            await view.set("k", 1, ttl=0)
        with pytest.raises(shared_state.StateValueError):
            await view.set("k", object())  # type: ignore[arg-type]
        with pytest.raises(shared_state.StateScopeError):
            await view.set("k", 1, scope=Scope.THREAD)
        with pytest.raises(shared_state.StateScopeError):
            await view.set("k", 1, scope=Scope.GLOBAL)
        assert await view.query() == []

    async def test_a_session_s_state_moves_to_the_next_session(self, database: Database) -> None:
        old = database.state.for_context(user(session_id="old"))
        await old.set("filter", {"model": "gpt-4o"}, scope=Scope.SESSION)
        moved = await old.move_session("new")
        new = database.state.for_context(user(session_id="new"))
        assert moved == 1
        assert await new.get("filter", scope=Scope.SESSION) == {"model": "gpt-4o"}
        assert await old.get("filter", scope=Scope.SESSION) is None

    async def test_queries_find_by_prefix_scope_version_and_time(self, database: Database) -> None:
        view = database.state.for_context(user(thread_id="t"))
        await view.set("run.1", "a")
        await view.set("run.1", "b")
        database.clock.now += 10
        await view.set("run.2", "c", scope=Scope.THREAD)
        await view.set("other", "d")

        async def keys(**conditions: object) -> list[str]:
            return sorted(entry.key for entry in await view.query(StateQuery(**conditions)))

        assert await keys(prefix="run.") == ["run.1", "run.2"]
        assert await keys(prefix="run.", scope=Scope.THREAD) == ["run.2"]
        assert await keys(min_version=2) == ["run.1"]
        assert await keys(updated_after=database.clock.now - 1) == ["other", "run.2"]
        assert len(await keys(limit=1)) == 1

    async def test_history_tells_what_was_and_restores_it_as_a_new_version(
        self, database: Database
    ) -> None:
        view = database.state.for_context(user())
        for value in ("first", "second"):
            await view.set("plan", value)
        await view.delete("plan")
        restored = await view.restore("plan", 1)
        history = await view.history("plan")
        assert restored is not None
        assert (restored.value, restored.version) == ("first", 4)
        assert sorted((c.version, c.operation, c.value) for c in history) == [
            (1, "set", "first"),
            (2, "set", "second"),
            (3, "delete", None),
            (4, "set", "first"),
        ]

    @pytest.mark.both_databases
    async def test_a_transaction_writes_all_or_nothing(self, database: Database) -> None:
        view = database.state.for_context(user())
        await view.set("from", 10)
        with pytest.raises(RuntimeError):
            async with view.transaction() as move:
                move.set("from", 0)
                move.set("to", 10)
                raise RuntimeError("half way")
        with pytest.raises(StateConflictError):
            async with view.transaction() as move:
                await move.get("from")
                await view.set("from", 11)
                move.set("to", 10)
        assert (await view.get("from"), await view.get("to")) == (11, None)

    @pytest.mark.both_databases
    async def test_a_writer_with_an_old_fence_is_refused(self, database: Database) -> None:
        view = database.state.for_context(user())
        old = await view.take_fence("leader")
        new = await view.take_fence("leader")
        with pytest.raises(shared_state.StaleFenceError):
            await view.set("plan", "by the old", fence=old)
        await view.set("plan", "by the new", fence=new)
        assert await view.get("plan") == "by the new"


@pytest.mark.integration
class TestSessionsOfAgents(BaseIntegrationTest):
    """A database session ends as its block ends, for its user alone.

    Segment: platform teams
    Goal: stability
    Value: no half-written run, no connection lost to a forgotten block
    Impact: leaks and torn writes end in an outage
    """

    @pytest.mark.both_databases
    async def test_a_block_commits_rolls_back_and_closes_on_cancellation(
        self, database: Database
    ) -> None:
        sessions, ctx = database.sessions, user()
        async with sessions.session(ctx) as session:
            await session.execute(note("kept"))
        with pytest.raises(RuntimeError):
            async with sessions.session(ctx) as session:
                await session.execute(note("rolled back"))
                raise RuntimeError("no")
        inside, never = asyncio.Event(), asyncio.Event()

        async def interrupted() -> None:
            async with sessions.session(ctx) as session:
                await session.execute(note("cancelled"))
                inside.set()
                await never.wait()

        task = asyncio.create_task(interrupted())
        await inside.wait()
        task.cancel()
        await asyncio.wait({task})
        async with sessions.session(ctx, read_only=True) as session:
            rows = (await session.execute(select(nodes.c.id))).scalars().all()
        stats = sessions.stats()
        assert rows == ["kept"]
        assert (stats.committed, stats.rolled_back, stats.open_now) == (2, 2, 0)

    async def test_a_session_of_one_user_is_refused_to_another(self, database: Database) -> None:
        async with database.sessions.session(user("ada")):
            with pytest.raises(SessionIsolationError):
                async with database.sessions.session(user("eve")) as session:
                    await session.execute(text("SELECT 1"))
        assert database.sessions.stats().open_now == 0

    async def test_a_forgotten_session_is_found_named_and_closed(self, database: Database) -> None:
        forgotten = database.sessions.session(user())
        session = await forgotten.__aenter__()
        await session.execute(text("SELECT 1"))
        database.clock.now += 31
        (origin,) = await database.sessions.close_leaks()
        stats = database.sessions.stats()
        assert Path(__file__).name in origin
        assert (stats.leaked, stats.open_now, stats.pool_in_use) == (1, 0, 0)


@pytest.mark.integration
class TestRunsOnTheDatabase(BaseIntegrationTest):
    """Runs are durable rows with a log, limited and cancellable.

    Segment: every team
    Goal: trust
    Value: a run is never lost, never doubled, and stops when told
    Impact: an agent nobody can stop or find again is a liability
    """

    async def test_a_run_and_its_report_are_kept_with_their_times(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "kept") as ada:
            run = await ada.answer("Where can we save money?")
            listed = (await ada.http.get("/api/analyses")).json()["items"]
            whole = (await ada.http.get(f"/api/analyses/{listed[0]['id']}")).json()
        assert run["created_at"] < run["started_at"] < run["ended_at"]
        assert [analysis["run_id"] for analysis in listed] == [run["id"]]
        assert whole["report"] == run["report"]

    @pytest.mark.both_databases
    async def test_five_runs_at_once_of_two_people_end_each_in_their_own_log(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "five-a") as one, person(served.url, "five-b") as two:
            asked = await asyncio.gather(
                *(one.ask(f"one {n}") for n in range(3)), *(two.ask(f"two {n}") for n in range(2))
            )
            owners = [one] * 3 + [two] * 2
            logs = await asyncio.gather(
                *(who.events(run["run_id"]) for who, run in zip(owners, asked, strict=True))
            )
        for who, run, log in zip(owners, asked, logs, strict=True):
            assert {event["run_id"] for event in log} == {run["run_id"]}
            assert {event["workspace_id"] for event in log} == {who.workspace_id}
            assert [event["run_seq"] for event in log] == list(range(1, len(log) + 1))

    @pytest.mark.both_databases
    async def test_a_conversation_of_three_runs_keeps_its_order(self, served: ServerThread) -> None:
        async with person(served.url, "three") as ada:
            first = await ada.ask("one")
            for question in ("two", "three"):
                await ada.say(first["thread_id"], question)
            runs = (await ada.http.get(f"/api/runs?thread_id={first['thread_id']}")).json()
            for run in runs["items"]:
                await ended(ada, run["id"])
            messages = (await ada.http.get(f"/api/threads/{first['thread_id']}/messages")).json()[
                "items"
            ]
        asked = [message["content"] for message in messages if message["role"] == "user"]
        answered = [message["run_id"] for message in messages if message["role"] == "assistant"]
        assert asked == ["one", "two", "three"]
        assert answered == [run["id"] for run in reversed(runs["items"])]

    @pytest.mark.both_databases
    async def test_a_cancelled_run_stops_and_keeps_its_history_and_usage(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "cancel") as ada:
            accepted = await ada.ask("hold: until cancelled")
            await self.eventually(lambda: "hold: until cancelled" in served.reasoner.asked)
            await ada.http.post(f"/api/runs/{accepted['run_id']}/cancel")
            events = await ada.events(accepted["run_id"])
            run = await ended(ada, accepted["run_id"])
            again = (await ada.http.post(f"/api/runs/{accepted['run_id']}/cancel")).json()
        assert [(event["type"], event["agent_name"]) for event in events] == [
            ("agent_started", "supervisor"),
            ("agent_thinking", "supervisor"),
            ("agent_started", "triage"),
            ("tool_executing", "triage"),
            ("tool_completed", "triage"),
            ("agent_completed", "triage"),
            ("run_cancelled", "supervisor"),
        ]
        assert events[4]["payload"]["ok"] is False
        assert events[5]["payload"]["status"] == "cancelled"
        assert (run["status"], run["usage"]["requests"]) == ("cancelled", 0)
        assert again == run

    @pytest.mark.both_databases
    async def test_runs_of_a_user_are_limited_and_the_rest_wait_their_turn(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "limits") as ada:
            asked = [await ada.ask(f"hold: {n}") for n in range(7)]
            states = [(await ada.run(run["run_id"]))["status"] for run in asked]
            thread = (await ada.http.post("/api/threads", json={})).json()["id"]
            refused = await ada.http.post(
                f"/api/threads/{thread}/messages",
                json={"content": "one too many", "client_message_id": "x"},
            )
            for run in asked:
                await ada.http.post(f"/api/runs/{run['run_id']}/cancel")
            final = [(await ended(ada, run["run_id"]))["status"] for run in asked]
        assert states == ["running"] * 3 + ["pending"] * 4
        assert (refused.status_code, refused.json()["code"]) == (429, "RUN-001")
        assert refused.headers["retry-after"] == "2"
        assert final == ["cancelled"] * 7

    async def test_runs_of_everybody_together_are_limited_too(self, served: ServerThread) -> None:
        usual = await served.call(limited_to(RunLimits(per_user=3, in_all=2, waiting_per_user=4)))
        async with person(served.url, "all-a") as one, person(served.url, "all-b") as two:
            asked = [(who, await who.ask("hold: all")) for who in (one, two, one, two)]

            async def two_and_two() -> bool:
                states = [(await who.run(run["run_id"]))["status"] for who, run in asked]
                return states == ["running"] * 2 + ["pending"] * 2

            assert await self.eventually(two_and_two, what="two to run and two to wait")
            for who, run in asked:
                await who.http.post(f"/api/runs/{run['run_id']}/cancel")
                await ended(who, run["run_id"])
        await served.call(limited_to(usual))

    async def test_a_failed_run_goes_on_as_a_new_run_from_its_finished_steps(
        self, served: ServerThread
    ) -> None:
        served.reasoner.broken = True
        async with person(served.url, "resume") as ada:
            accepted = await ada.ask("boom then fine")
            failed = await ended(ada, accepted["run_id"])
            served.reasoner.broken = False
            resumed = (await ada.http.post(f"/api/runs/{failed['id']}/resume")).json()
            done = await ended(ada, resumed["id"])
            forked = (
                await ada.http.post(f"/api/runs/{done['id']}/fork", json={"content": "other"})
            ).json()
            other = await ended(ada, forked["id"])
            refused = await ada.http.post(f"/api/runs/{done['id']}/resume")
            still = await ada.run(failed["id"])
        assert (failed["status"], done["status"]) == ("failed", "completed")
        assert (done["forked_from"], other["forked_from"]) == (failed["id"], done["id"])
        assert other["question"] == "other"
        assert (refused.status_code, refused.json()["code"]) == (409, "RUN-002")
        assert still == failed

    async def test_steps_that_had_finished_are_not_paid_again_on_resume(
        self, served: ServerThread
    ) -> None:
        question = "hold: paid once"
        async with person(served.url, "paid") as ada:
            accepted = await ada.ask(question)
            await self.eventually(lambda: question in served.reasoner.asked)
            await served.call(agents.break_reporting)
            served.release()
            failed = await ended(ada, accepted["run_id"])
            await served.call(agents.mend_reporting)
            resumed = (await ada.http.post(f"/api/runs/{failed['id']}/resume")).json()
            done = await ended(ada, resumed["id"])
            events = await ada.events(resumed["id"])
        assert (failed["status"], done["status"]) == ("failed", "completed")
        assert served.reasoner.asked.count(question) == 1
        assert [event["run_seq"] for event in events] == list(range(1, len(events) + 1))

    async def test_what_a_run_still_asks_is_withdrawn_when_the_run_ends(
        self, served: ServerThread
    ) -> None:
        await served.call(agents.with_asking)
        try:
            async with person(served.url, "asks") as ada:
                accepted = await ada.ask("May I?")
                request = await self.eventually(lambda: agents.request_of(ada))
                await ada.http.post(f"/api/runs/{accepted['run_id']}/cancel")
                run = await ended(ada, accepted["run_id"])
                left = await agents.request_of(ada)
                late = await ada.http.post(
                    f"/api/approvals/{request['id']}", json={"approve": True}
                )
        finally:
            await served.call(agents.with_triage)
        assert (run["status"], left) == ("cancelled", None)
        assert (late.status_code, late.json()["code"]) == (409, "RUN-011")

    async def test_new_work_is_held_while_paused_and_begins_when_let(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "pause") as ada:
            holds = [("user", ada.user_id), ("agent", "optimization"), ("model", "gate-1")]
            for scope, key in holds:
                body = {"scope": scope, "key": key, "reason": "cost"}
                assert (await ada.http.put("/api/pauses", json=body)).status_code == 204
            accepted = await ada.ask("when may I begin?")
            states = []
            for scope, key in holds:
                states.append((await ada.run(accepted["run_id"]))["status"])
                await ada.http.delete(f"/api/pauses/{scope}/{key}")
            run = await ended(ada, accepted["run_id"])
            left = (await ada.http.get("/api/pauses")).json()["items"]
        assert states == ["pending"] * 3
        assert run["status"] == "completed"
        assert left == []

    async def test_one_agent_produces_what_another_consumes_through_shared_state(
        self, served: ServerThread
    ) -> None:
        await served.call(agents.with_producer_and_consumer)
        try:
            async with person(served.url, "produce") as ada, person(served.url, "bystand") as eve:
                accepted = await ada.ask("anything")
                await ended(ada, accepted["run_id"])
                events = await ada.events(accepted["run_id"])
                other = user(eve.user_id, eve.workspace_id)
                seen = await served.call(lambda made: agents.plan_of(made, other))
        finally:
            await served.call(agents.with_triage)
        consumed = [
            event["payload"]["result"]
            for event in events
            if event["type"] == "tool_completed" and event["payload"]["tool_name"] == "consume"
        ]
        assert consumed == [{"by": "triage", "topic": "usage"}]
        assert seen is None


@pytest.mark.integration
@pytest.mark.process
class TestRunsOverRestarts(BaseIntegrationTest):
    """What a run waits for survives the process that waits.

    Segment: teams with people in the loop
    Goal: trust
    Value: an approval asked on Friday is still asked on Monday
    Impact: work that waits for people must not die with a deploy
    """

    @pytest.mark.both_databases
    async def test_a_request_for_approval_survives_a_restart_and_is_asked_once(
        self, platform_at: TestDatabase | None
    ) -> None:
        async with stack(
            self.home, database=platform_at, before_start=agents.with_approval
        ) as first:
            async with person(first.url, "ada") as ada:
                accepted = await ada.ask("May I?")
                request = await self.eventually(lambda: agents.request_of(ada))
        async with stack(
            self.home, database=platform_at, before_start=agents.with_approval
        ) as second:
            async with person(second.url, "ada", how="login") as ada:
                again = await self.eventually(lambda: agents.request_of(ada))
                answer = await ada.http.post(
                    f"/api/approvals/{request['id']}", json={"approve": True}
                )
                run = await ended(ada, accepted["run_id"])
                twice = await ada.http.post(
                    f"/api/approvals/{request['id']}", json={"approve": False}
                )
                events = await ada.events(accepted["run_id"])
        asked = [e for e in events if e["payload"].get("tool_name") == "request_approval"]
        assert again == request
        assert (answer.status_code, answer.json()["status"]) == (200, "approved")
        assert (twice.status_code, twice.json()["code"]) == (409, "RUN-011")
        assert run["status"] == "completed"
        assert [(event["type"], event["payload"].get("result")) for event in asked] == [
            ("tool_executing", None),
            ("tool_completed", True),
        ]

    def test_a_run_killed_in_its_middle_goes_on_and_repeats_no_finished_step(
        self, platform_at: TestDatabase | None
    ) -> None:
        reports = kill_at(self.home, (12,), platform_at)
        check_recovery(self.home, reports, [12], timed=False)

    async def test_a_run_interrupted_by_a_stop_goes_on_where_it_was(
        self, platform_at: TestDatabase | None
    ) -> None:
        async with stack(
            self.home, database=platform_at, before_start=agents.with_approval
        ) as first:
            async with person(first.url, "ada") as ada:
                accepted = await ada.ask("May I?")
                request = await self.eventually(lambda: agents.request_of(ada))
                before = await first.events.read_run(
                    of(ada, accepted["run_id"]), accepted["run_id"]
                )
        async with stack(
            self.home, database=platform_at, before_start=agents.with_approval
        ) as second:
            async with person(second.url, "ada", how="login") as ada:
                await ada.http.post(f"/api/approvals/{request['id']}", json={"approve": False})
                await ended(ada, accepted["run_id"])
                after = await second.events.read_run(
                    of(ada, accepted["run_id"]), accepted["run_id"]
                )
        assert after[: len(before)] == before
        assert [event.run_seq for event in after] == list(range(1, len(after) + 1))
        assert after[-1].type == "agent_completed"
