"""From a message to its report over a real server."""

from pathlib import Path

import pytest

from netra_backend.tests.kit import is_terminal, person, stack


async def test_a_question_without_usage_is_answered_by_asking_for_it(tmp_path: Path) -> None:
    async with stack(tmp_path) as platform, person(platform.url, "ada") as ada:
        run = await ada.answer("Where can we save money?")
    assert run["status"] == "completed"
    assert run["report"]["kind"] == "needs_data"
    assert run["report"]["figures"] == []
    assert "upload" in run["report"]["next_steps"][0].lower()


async def test_the_socket_gets_every_event_of_the_run_in_order(tmp_path: Path) -> None:
    async with stack(tmp_path) as platform, person(platform.url, "ada") as ada:
        async with ada.socket() as socket:
            await socket.send(
                type="user_message", content="Where can we save?", client_message_id="one"
            )
            messages = await socket.until_end()
    assert messages[0]["type"] == "message_accepted"
    events = messages[1:]
    assert [event["run_seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events if is_terminal(event)] == ["agent_completed"]
    assert events[0]["payload"]["parent_agent"] is None


@pytest.mark.real_data
async def test_a_published_trace_is_uploaded_and_its_caching_audited(
    tmp_path: Path, real_data: Path
) -> None:
    async with stack(tmp_path, max_upload_bytes=64 * 1024 * 1024) as platform:
        async with person(platform.url, "ada") as ada:
            trace = real_data / "mooncake" / "conversation_trace.jsonl"
            imported = await ada.upload(trace, model="claude-sonnet-4-5")
            run = await ada.answer("Audit every use of KV or prompt caching.")
    report = run["report"]
    assert imported["audit"] == {"rows_read": 12031, "rows_kept": 12031, "dropped": {}}
    assert report["kind"] == "cache_audit"
    (chosen,) = [o for o in report["opportunities"] if o["lever"] == "prompt_cache"]
    reuse = chosen["evidence"]["reuse_by_lifetime_s"]
    assert {life: round(100 * share, 1) for life, share in reuse.items()} == {
        "60": 10.5,
        "300": 29.3,
        "600": 35.0,
        "3600": 37.4,
        "unlimited": 37.4,
    }
