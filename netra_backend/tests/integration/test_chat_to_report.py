"""From a message to its report over a real server."""

from pathlib import Path

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
