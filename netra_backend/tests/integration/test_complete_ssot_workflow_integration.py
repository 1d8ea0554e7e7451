"""Suite 7: the whole workflow, from signing in to the report, over one running platform."""

import asyncio
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import websockets

from netra_auth.tokens import AccessTokens
from netra_backend import BackendDependencies
from netra_backend.tests.kit import ServerThread, Stack, ended, is_terminal, person, stack
from netra_core.context import Role, UserExecutionContext
from netra_core.events.order import RunOrder
from netra_core.events.types import CRITICAL_EVENTS
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore
from netra_core.testing.base import BaseIntegrationTest
from netra_core.testing.postgres import TestDatabase
from netra_core.websocket import CloseCode
from netra_optimizer import UsageStore


@pytest.mark.integration
class TestCompleteWorkflow(BaseIntegrationTest):
    """One platform serves many people from question to report, each their own.

    Segment: every team
    Goal: a first answer within minutes
    Value: ask in plain words, watch agents work, get a report that holds
    Impact: this path is the product; when it breaks nothing else matters
    """

    async def test_a_user_signs_in_uploads_asks_and_gets_a_report_with_evidence(
        self, served: ServerThread, usage_file: Path
    ) -> None:
        async with person(served.url, "flow") as ada:
            imported = await ada.upload(usage_file)
            assert imported["status"] == "completed", imported
            assert imported["audit"] == {"rows_read": 480, "rows_kept": 480, "dropped": {}}
            run = await ada.answer("Where can we save money?")
            thread = (await ada.http.get(f"/api/threads/{run['thread_id']}/messages")).json()
        report = run["report"]
        assert run["status"] == "completed"
        assert report["kind"] == "savings"
        assert all(figure["evidence"] for figure in report["figures"])
        assert [message["role"] for message in thread["items"]] == ["user", "assistant"]
        assert thread["items"][1]["content"].startswith(report["headline"])

    @pytest.mark.both_databases
    async def test_people_who_ask_at_once_get_their_own_answers_and_nothing_of_others(
        self, served: ServerThread
    ) -> None:
        async with (
            person(served.url, "par-a") as one,
            person(served.url, "par-b") as two,
            one.socket() as first,
            two.socket() as second,
        ):
            await first.send(type="user_message", content="hold: mine", client_message_id="a")
            await second.send(type="user_message", content="hold: yours", client_message_id="b")
            await _until_asked(self, served, "hold: mine", "hold: yours")
            served.release()
            mine, yours = await asyncio.gather(first.until_end(), second.until_end())
            run_id = mine[0]["run_id"]
            foreign = [
                (await two.http.get(f"/api/runs/{run_id}")).status_code,
                (await two.http.get(f"/api/runs/{run_id}/events")).status_code,
                (await two.http.post(f"/api/runs/{run_id}/cancel")).status_code,
                (await two.http.get(f"/api/threads/{mine[0]['thread_id']}")).status_code,
                (await two.http.get(f"/api/analyses/an-{run_id}")).status_code,
            ]
        assert foreign == [404, 404, 404, 404, 404]
        assert {event["workspace_id"] for event in mine[1:]} == {one.workspace_id}
        assert {event["workspace_id"] for event in yours[1:]} == {two.workspace_id}

    async def test_a_run_shows_all_five_events_and_keeps_them(self, served: ServerThread) -> None:
        async with person(served.url, "five") as ada:
            accepted = await ada.ask("Where can we save money?")
            live = await ada.events(accepted["run_id"])
            again = await ada.events(accepted["run_id"])
        assert {event["type"] for event in live} == set(CRITICAL_EVENTS)
        assert [event["run_seq"] for event in live] == list(range(1, len(live) + 1))
        assert again == live

    async def test_every_tool_call_is_a_pair_with_its_arguments_and_its_answer(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "tools") as ada:
            accepted = await ada.ask("Audit every use of prompt caching.")
            events = await ada.events(accepted["run_id"])
        begun = {
            event["payload"]["call_id"]: event
            for event in events
            if event["type"] == "tool_executing"
        }
        done = [event for event in events if event["type"] == "tool_completed"]
        assert [event["payload"]["tool_name"] for event in done] == [
            "read_question",
            "usage_profile",
            "save_analysis",
        ]
        for event in done:
            opening = begun.pop(event["payload"]["call_id"])
            assert opening["run_seq"] < event["run_seq"]
            assert opening["agent_name"] == event["agent_name"]
            assert event["payload"]["ok"] is True
        assert begun == {}

    @pytest.mark.both_databases
    async def test_messages_are_routed_to_their_thread_in_order_and_only_once(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "route") as ada:
            first = await ada.ask("first", client_message_id="r1")
            again = await ada.say(first["thread_id"], "first", client_message_id="r1")
            second = await ada.say(first["thread_id"], "second", client_message_id="r2")
            await ended(ada, first["run_id"])
            await ended(ada, second["run_id"])
            listed = (await ada.http.get(f"/api/runs?thread_id={first['thread_id']}")).json()
            thread = (await ada.http.get(f"/api/threads/{first['thread_id']}/messages")).json()
        assert again == {**first, "duplicate": True}
        assert [run["id"] for run in listed["items"]] == [second["run_id"], first["run_id"]]
        assert [m["content"] for m in thread["items"] if m["role"] == "user"] == ["first", "second"]
        assert [m["position"] for m in thread["items"]] == [1, 2, 3, 4]

    @pytest.mark.both_databases
    async def test_messages_sent_at_once_make_one_run_each_and_keep_their_places(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "at-once") as ada:
            first = await ada.ask("zero", client_message_id="c0")
            thread = first["thread_id"]
            same = await asyncio.gather(
                *(ada.say(thread, "one", client_message_id="c1") for _ in range(6))
            )
            others = await asyncio.gather(
                *(ada.say(thread, f"more {n}", client_message_id=f"d{n}") for n in range(2))
            )
            for accepted in (first, same[0], *others):
                await ended(ada, accepted["run_id"])
            messages = (await ada.http.get(f"/api/threads/{thread}/messages")).json()["items"]
        assert len({accepted["run_id"] for accepted in same}) == 1
        assert sorted(accepted["duplicate"] for accepted in same) == [False] + [True] * 5
        assert [message["position"] for message in messages] == list(range(1, 9))

    async def test_a_second_message_waits_its_turn_is_refused_or_interrupts_as_it_asks(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "busy") as ada:
            held = await ada.ask("hold: long work", client_message_id="b1")
            await _until_asked(self, served, "hold: long work")
            thread = held["thread_id"]
            queued = await ada.say(thread, "queued", client_message_id="b2")
            waiting = await ada.run(queued["run_id"])
            refused = await ada.http.post(
                f"/api/threads/{thread}/messages",
                json={"content": "x", "client_message_id": "b3", "while_busy": "reject"},
            )
            await ada.say(thread, "now", client_message_id="b4", while_busy="interrupt")
            first, second = await ended(ada, held["run_id"]), await ended(ada, queued["run_id"])
        assert waiting["status"] == "pending"
        assert (refused.status_code, refused.json()["code"]) == (409, "RUN-003")
        assert [first["status"], second["status"]] == ["cancelled", "cancelled"]

    async def test_ten_people_do_five_things_each_and_every_log_is_in_order(
        self, served: ServerThread
    ) -> None:
        async def five(number: int) -> list[bool]:
            async with person(served.url, f"crowd-{number}") as someone:
                thread = (await someone.http.post("/api/threads", json={})).json()["id"]
                accepted = await someone.say(thread, f"question {number}")
                events = await someone.events(accepted["run_id"])
                runs = (await someone.http.get("/api/runs")).json()["items"]
                summary = (await someone.http.get("/api/usage/summary")).json()
                return [
                    [event["seq"] for event in events] == list(range(1, len(events) + 1)),
                    {event["thread_id"] for event in events} == {thread},
                    [is_terminal(event) for event in events].count(True) == 1,
                    [run["id"] for run in runs] == [accepted["run_id"]],
                    summary["requests"] == 0,
                ]

        outcomes = await asyncio.gather(*(five(number) for number in range(10)))
        assert outcomes == [[True] * 5] * 10

    async def test_a_revoked_session_is_refused_and_its_sockets_close(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "revoked") as ada:
            async with ada.socket() as socket:
                before = await ada.http.get("/api/threads")
                done = await ada.http.post(
                    "/auth/logout", json={"refresh_token": ada.refresh_token}
                )
                assert done.is_success, done.text
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await socket.receive()
            after = await ada.http.get("/api/threads")
        assert before.status_code == 200
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.SESSION_REVOKED
        assert (after.status_code, after.json()["code"]) == (401, "AUTH-401")

    async def test_tokens_that_are_expired_forged_or_absent_open_nothing(
        self, served: ServerThread
    ) -> None:
        expired = await served.call(_expired_token)
        async with (
            person(served.url, "forged") as ada,
            httpx.AsyncClient(base_url=served.url) as bare,
        ):
            header, payload, signature = ada.token.split(".")
            tokens = [
                expired,
                f"{header}.{payload}.{signature[:-4]}AAAA",
                f"{header}.{payload}.",
                "not-a-token",
            ]
            answers = [
                await bare.get("/api/threads", headers={"Authorization": f"Bearer {token}"})
                for token in tokens
            ]
            answers.append(await bare.get("/api/threads"))
        assert [answer.status_code for answer in answers] == [401] * 5
        assert {answer.json()["code"] for answer in answers} == {"AUTH-401"}

    async def test_sessions_of_a_person_live_apart_and_share_what_is_theirs(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "two-tabs") as first:
            accepted = await first.ask("Where can we save money?")
            async with person(served.url, "two-tabs", how="login") as second:
                seen = await second.events(accepted["run_id"])
                await second.http.post("/auth/logout", json={"refresh_token": second.refresh_token})
                still = await first.http.get("/api/threads")
        assert is_terminal(seen[-1])
        assert [thread["id"] for thread in still.json()["items"]] == [accepted["thread_id"]]

    @pytest.mark.both_databases
    async def test_log_state_and_database_tell_the_same_story(self, served: ServerThread) -> None:
        async with person(served.url, "agree") as ada:
            run = await ada.answer("How much did we spend by model?")
            ctx = UserExecutionContext(
                user_id=ada.user_id,
                workspace_id=ada.workspace_id,
                request_id="test",
                roles=frozenset({Role.OWNER}),
                thread_id=run["thread_id"],
                run_id=run["id"],
            )

            async def story(platform: Stack) -> tuple[str, str, bool, object]:
                events = await platform.events.read_run(ctx, run["id"])
                row = await platform.platform.run_store.get(ctx, run["id"])
                kept = await platform.platform.analyses.get(ctx, f"an-{run['id']}")
                order = RunOrder.replay(events)
                assert events[-1].payload["result"]["report"] == row.report
                assert kept.report.model_dump(mode="json") == row.report
                return events[-1].payload["status"], row.status.value, order.ended, row.report

            said, stored, closed, report = await served.call(story)
        assert (said, stored, run["status"], closed) == ("completed",) * 3 + (True,)
        assert report == run["report"]

    async def test_a_tool_that_fails_ends_the_run_visibly_and_leaks_nothing(
        self, served: ServerThread
    ) -> None:
        async with person(served.url, "fault") as ada:
            accepted = await ada.ask("boom please")
            events = await ada.events(accepted["run_id"])
            run = await ended(ada, accepted["run_id"])
            healthy = await ada.http.get("/health/ready")
            after = await ada.answer("Where can we save money?")
        kinds = [(event["type"], event["agent_name"]) for event in events[-3:]]
        assert kinds == [
            ("tool_completed", "triage"),
            ("agent_completed", "triage"),
            ("agent_error", "supervisor"),
        ]
        assert events[-3]["payload"]["ok"] is False
        assert (run["status"], run["error"]["code"]) == ("failed", "AGT-003")
        self.assert_no_secret(["sk-very-secret"], str(events), str(run))
        assert healthy.status_code == 200
        assert after["status"] == "completed"


@pytest.mark.integration
@pytest.mark.process
class TestWorkflowOverRestarts(BaseIntegrationTest):
    """Restarts and failing parts cost time, never data.

    Segment: platform teams
    Goal: trust
    Value: a deploy or a crash loses no conversation
    Impact: without it every restart is an incident
    """

    @pytest.mark.both_databases
    async def test_a_conversation_goes_on_after_a_restart(
        self, platform_at: TestDatabase | None
    ) -> None:
        async with (
            stack(self.home, database=platform_at) as first,
            person(first.url, "ada") as ada,
        ):
            before = await ada.answer("first question")
        async with (
            stack(self.home, database=platform_at) as second,
            person(second.url, "ada", how="login") as ada,
        ):
            accepted = await ada.say(before["thread_id"], "second question")
            after = await ended(ada, accepted["run_id"])
            thread = (await ada.http.get(f"/api/threads/{before['thread_id']}/messages")).json()
        assert after["status"] == "completed"
        assert [m["role"] for m in thread["items"]] == ["user", "assistant"] * 2

    async def test_start_up_ends_in_ready_and_stopping_ends_readiness(
        self, platform_at: TestDatabase | None
    ) -> None:
        async with stack(self.home, database=platform_at) as platform:
            async with httpx.AsyncClient(base_url=platform.url) as http:
                live = (await http.get("/health/live")).json()
                ready = (await http.get("/health/ready")).json()
                platform.platform.ready = False
                starting = await http.get("/health/ready")
                refused = await http.get("/api/threads", headers={"Authorization": "Bearer x"})
                platform.platform.ready = True
        assert live == {"status": "ok", "parts": {}}
        assert ready["parts"] == {"runs": "ok", "database": "ok", "revocations": "ok"}
        assert starting.status_code == 503
        assert (refused.status_code, refused.json()["retryable"]) == (503, True)

    async def test_health_and_metrics_tell_which_part_fails_while_others_serve(
        self, platform_at: TestDatabase | None
    ) -> None:
        async with (
            stack(self.home, database=platform_at) as platform,
            person(platform.url, "ada") as ada,
        ):
            revocations = platform.platform.revocations
            revocations.forget_currency()
            stale = (await ada.http.get("/health/ready")).json()
            refused = await ada.http.get("/api/threads")
            metrics = (await ada.http.get("/metrics")).text
            revocations.current()
            recovered = await ada.http.get("/api/threads")
        assert (stale["status"], stale["parts"]["revocations"]) == ("not_ready", "stale")
        assert stale["parts"]["database"] == "ok"
        assert (refused.status_code, refused.json()["code"]) == (503, "AUTH-503")
        assert "apex_ready 1.0" in metrics
        assert "apex_revocations_age_seconds -1.0" in metrics
        assert recovered.status_code == 200

    async def test_three_parts_fail_one_after_the_other_and_each_recovers(self) -> None:
        usage_works = False

        def breakable(deps: BackendDependencies) -> BackendDependencies:
            def open_usage() -> UsageStore:
                if not usage_works:
                    raise OSError("the disk is gone")
                return deps.open_usage()

            return replace(deps, open_usage=open_usage, usage_kept=lambda: True)

        async with (
            stack(self.home, change=breakable) as platform,
            person(platform.url, "ada") as ada,
        ):
            without_usage = await ada.answer("Where can we save money?")
            usage_works = True
            with_usage = await ada.answer("Where can we save money?")
            platform.platform.revocations.forget_currency()
            without_auth = await ada.http.get("/api/threads")
            platform.platform.revocations.current()
            path = self.home / "platform.sqlite"
            with closing(sqlite3.connect(path, check_same_thread=False)) as other:
                # Beside the loop: on it is the platform, which may be writing just now.
                await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
                waiting = asyncio.create_task(ada.answer("Still there?"))
                reading = await ada.http.get("/api/threads")
                held = not waiting.done()
                other.rollback()
            with_database = await waiting
        assert (without_usage["status"], without_usage["error"]["code"]) == ("failed", "AGT-003")
        assert (without_auth.status_code, reading.status_code, held) == (503, 200, True)
        assert (with_usage["status"], with_database["status"]) == ("completed", "completed")

    async def test_state_outlives_the_process_that_wrote_it(
        self, platform_at: TestDatabase | None
    ) -> None:
        ctx = UserExecutionContext(user_id="u", workspace_id="w", request_id="r")
        async with stack(self.home, database=platform_at) as first:
            state = UnifiedStateManager(SqlStateStore(first.sessions, first.commits))
            await state.for_context(ctx).set("draft", {"text": "hello"})
        async with stack(self.home, database=platform_at) as second:
            state = UnifiedStateManager(SqlStateStore(second.sessions, second.commits))
            assert await state.for_context(ctx).get("draft") == {"text": "hello"}


async def _until_asked(test: BaseIntegrationTest, served: ServerThread, *questions: str) -> None:
    await test.eventually(
        lambda: set(questions) <= set(served.reasoner.asked), what=f"{questions} to be at work"
    )


async def _expired_token(platform: Stack) -> str:
    """A token that the auth service itself signed, for a time that is over."""
    parts = platform.auth
    an_hour_ago = AccessTokens(parts.deps.options, parts.keys, lambda: time.time() - 3600)
    token, _ = an_hour_ago.issue(
        user_id="u",
        workspace_id="w",
        role="owner",
        session_id="s",
        jti="j",
        auth_time=0,
        not_after=time.time(),
    )
    return token
