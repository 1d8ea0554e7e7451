"""`apex ask --follow` on a terminal and in a pipe."""

import io

import pytest
from rich.console import Console

from netra_apex.answer_view import RunFollower
from netra_client import LiveEvent, RunView, TextDelta


def event(run_seq: int, kind: str, **payload: object) -> LiveEvent:
    return LiveEvent(
        type=kind,
        event_id=f"e{run_seq}",
        epoch="ep",
        seq=run_seq,
        workspace_id="w",
        thread_id="t",
        run_id="r",
        run_seq=run_seq,
        agent_name="supervisor",
        timestamp="2026-11-26T10:00:00.000Z",
        payload=dict(payload),
    )


def piece(offset: int, text: str) -> TextDelta:
    return TextDelta(thread_id="t", run_id="r", agent_name="supervisor", offset=offset, text=text)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_text_grows_on_a_terminal_until_the_next_event_and_never_gets_into_a_pipe(
    terminal: bool,
) -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=terminal, width=80, color_system=None)
    run = RunView("r")
    with RunFollower(console, run) as follower:
        follower.take(event(1, "agent_started", message="On it", parent_agent=None))
        follower.take(piece(0, "You can save "))
        follower.take(piece(13, "$12 [of] 20"))
        grown = said.getvalue()
        follower.take(event(2, "agent_thinking", thought="Nearly there", step_number=1))
    assert ("You can save $12 [of] 20" in grown) is terminal
    rest = said.getvalue().removeprefix(grown)
    wiped = "\x1b[1A\x1b[2K" if terminal else ""
    assert rest.endswith(f"{wiped}  supervisor  Nearly there\n")
    assert ("You can save" in said.getvalue()) is terminal
    assert run.draft is None


def test_what_is_not_followed_prints_nothing_and_is_folded_all_the_same() -> None:
    run = RunView("r")
    with RunFollower(None, run) as follower:
        follower.take(event(1, "agent_started", message="On it", parent_agent=None))
        follower.take(piece(0, "Half"))
    assert run.draft is not None and run.draft.text == "Half"
