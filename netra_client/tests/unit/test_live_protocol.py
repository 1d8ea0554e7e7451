"""The client's side of the socket protocol, without a socket."""

import json
from typing import Any

import pytest

from netra_client import (
    Accepted,
    Connected,
    LiveEvent,
    LiveProtocol,
    ProtocolError,
    Reaction,
    Refused,
    Resynced,
    Transient,
    reaction_to,
)


def event(seq: int, *, epoch: str = "e1") -> str:
    return json.dumps(
        {
            "v": 1,
            "type": "agent_thinking",
            "event_id": f"id-{seq}",
            "epoch": epoch,
            "seq": seq,
            "workspace_id": "w1",
            "thread_id": "t1",
            "run_id": "r1",
            "run_seq": seq,
            "agent_name": "data",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "payload": {"thought": "x", "step_number": seq},
        }
    )


def hello(seq: int, *, epoch: str = "e1") -> str:
    return json.dumps(
        {"type": "connection_established", "connection_id": "c1", "epoch": epoch, "seq": seq}
    )


def sent(protocol: LiveProtocol) -> list[dict[str, Any]]:
    return [json.loads(text) for text in protocol.to_send()]


def taken(protocol: LiveProtocol, *texts: str) -> list[int]:
    updates = [update for text in texts for update in protocol.receive(text)]
    return [update.seq for update in updates if isinstance(update, LiveEvent)]


def test_without_a_position_it_begins_at_the_head() -> None:
    protocol = LiveProtocol()
    assert protocol.receive(hello(5)) == (Connected("c1", resuming=False),)
    assert sent(protocol) == []
    assert taken(protocol, event(6), event(7)) == [6, 7]


def test_a_known_position_is_resumed_on_every_connection() -> None:
    protocol = LiveProtocol(epoch="e1", seq=3)
    assert protocol.receive(hello(9)) == (Connected("c1", resuming=True),)
    assert sent(protocol) == [{"type": "resume", "epoch": "e1", "after_seq": 3}]
    assert not protocol.caught_up
    assert taken(protocol, event(4), event(5)) == [4, 5]
    protocol.receive('{"type": "resumed", "from_seq": 4, "to_seq": 5}')
    assert protocol.caught_up
    protocol.disconnected()
    protocol.receive(hello(9))
    assert sent(protocol) == [{"type": "resume", "epoch": "e1", "after_seq": 5}]


def test_repeated_events_are_dropped() -> None:
    protocol = LiveProtocol(epoch="e1", seq=3)
    protocol.receive(hello(3))
    assert taken(protocol, event(2), event(4), event(4), event(3), event(5)) == [4, 5]


def test_a_live_event_before_the_replay_is_taken_in_its_place() -> None:
    protocol = LiveProtocol(epoch="e1", seq=1)
    protocol.receive(hello(3))
    assert taken(protocol, event(4), event(2), event(3), event(4)) == [2, 3, 4]


def test_a_gap_is_asked_for_once() -> None:
    protocol = LiveProtocol(epoch="e1", seq=1)
    protocol.receive(hello(1))
    protocol.receive('{"type": "resumed", "from_seq": 2, "to_seq": 1}')
    protocol.to_send()
    assert taken(protocol, event(5), event(6)) == []
    assert sent(protocol) == [{"type": "resume", "epoch": "e1", "after_seq": 1}]


def test_a_resync_moves_the_position_and_says_so() -> None:
    protocol = LiveProtocol(epoch="old", seq=70)
    protocol.receive(hello(4, epoch="e1"))
    answer = '{"type": "resync_required", "reason": "epoch_changed", "epoch": "e1", "seq": 4}'
    assert protocol.receive(answer) == (Resynced("epoch_changed", "e1", 4),)
    assert taken(protocol, event(5)) == [5]


def test_an_unanswered_message_is_sent_again_until_it_is_accepted() -> None:
    protocol = LiveProtocol()
    protocol.user_message("cheaper?", client_message_id="m1")
    assert sent(protocol) == []
    question = {"type": "user_message", "content": "cheaper?", "client_message_id": "m1"}
    for _ in range(2):
        protocol.receive(hello(0))
        assert question in sent(protocol)
        protocol.disconnected()
    protocol.receive(hello(0))
    answer = {
        "type": "message_accepted",
        "client_message_id": "m1",
        "thread_id": "t1",
        "run_id": "r1",
        "duplicate": True,
    }
    assert protocol.receive(json.dumps(answer)) == (Accepted("m1", "t1", "r1", True),)
    protocol.disconnected()
    protocol.receive(hello(0))
    assert question not in sent(protocol)


@pytest.mark.parametrize(("retryable", "again"), [(True, True), (False, False)])
def test_a_refused_message_is_repeated_only_when_that_may_help(
    retryable: bool, again: bool
) -> None:
    protocol = LiveProtocol()
    protocol.receive(hello(0))
    protocol.user_message("x", client_message_id="m1")
    protocol.to_send()
    error = {
        "type": "error",
        "code": "RUN-001",
        "message": "no",
        "retryable": retryable,
        "client_message_id": "m1",
    }
    assert protocol.receive(json.dumps(error)) == (Refused("RUN-001", "no", retryable, "m1", None),)
    protocol.repeat_unanswered()
    assert bool(sent(protocol)) is again


def test_unknown_messages_are_handed_on_and_nonsense_is_an_error() -> None:
    protocol = LiveProtocol()
    protocol.receive(hello(0))
    notice = {"type": "notice", "text": "He"}
    assert protocol.receive(json.dumps(notice)) == (Transient("notice", notice),)
    for nonsense in (
        "{",
        "[]",
        "{}",
        '{"type": "resync_required"}',
        '{"type":"x","seq":1,"run_seq":1}',
    ):
        with pytest.raises(ProtocolError):
            protocol.receive(nonsense)


def test_every_close_code_has_a_reaction() -> None:
    assert reaction_to(None) is reaction_to(1012) is reaction_to(4408) is Reaction.RECONNECT
    assert reaction_to(4419) is Reaction.REFRESH
    assert reaction_to(4423) is Reaction.SIGN_IN
    assert reaction_to(4430) is Reaction.WAIT
    assert reaction_to(1009) is Reaction.GIVE_UP
