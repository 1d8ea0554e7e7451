"""What broke a prefix, read from full texts."""

from pathlib import Path

import msgspec

from netra_optimizer import PromptText, find_prefix_breaks, read_prompts
from netra_optimizer.levers.prefix_text import shared_length

RULES = "You are a careful assistant of a shipping company. " * 40
TALK = [f"\nuser: question {at}, tell me about parcel {at * 7919}. " * 3 for at in range(8)]


def report(texts: list[str]):
    return find_prefix_breaks(PromptText("one", float(at), text) for at, text in enumerate(texts))


def causes(texts: list[str]) -> list[tuple[str, int]]:
    return [(found.cause, found.calls) for found in report(texts).breaks]


def test_a_conversation_that_only_grows_is_unbroken() -> None:
    found = report([RULES + "".join(TALK[: at + 1]) for at in range(6)])
    assert (found.calls, found.continued, found.breaks) == (5, 5, ())


def test_a_time_stamp_at_the_start_is_named_with_its_place_and_price() -> None:
    texts = [f"Now it is 2026-11-22 10:0{at}:00.\n{RULES}{''.join(TALK[:at])}" for at in range(5)]
    found = report(texts)
    assert causes(texts) == [("time_stamp", 4)]
    breaks = found.breaks[0]
    assert breaks.earliest_token is not None and breaks.earliest_token < 10
    assert breaks.tokens_lost > 4 * len(RULES) // 4 - 40
    row = found.evidence()[0]
    assert (row["cause"], row["block"]) == ("time_stamp", "text")
    assert "2026-11-22" in row["example"]["before"]


def test_an_identifier_in_front_is_named() -> None:
    names = ["3f2b8c1d-9a4e", "a91c77e0-15bb", "0c55d1fe-7d20"]
    texts = [f"Request {name}-4d21\n{RULES}" for name in names]
    assert causes(texts) == [("identifier", 2)]


def test_a_counter_in_front_is_named() -> None:
    assert causes([f"Step {at} of the plan.\n{RULES}" for at in range(4)]) == [("counter", 3)]


def test_old_turns_dropped_from_the_front_are_named() -> None:
    texts = [RULES + "".join(TALK[at : at + 4]) for at in range(4)]
    assert causes(texts) == [("left_out", 3)]


def test_text_inserted_before_older_text_is_named() -> None:
    tail = "".join(TALK)
    note = "\nsystem: a new rule that nobody had thought of before holds from now on.\n"
    assert causes([RULES + tail, RULES + note + tail]) == [("inserted", 1)]


def test_two_kinds_of_prompts_in_turn_break_nothing() -> None:
    other = "Name the topic of this text in two words. " * 30
    texts = [RULES, other + "a", RULES + TALK[0], other + "ab", RULES + TALK[0] + TALK[1]]
    found = report(texts)
    assert sum(breaks.tokens_lost for breaks in found.breaks) == 0
    assert found.continued == 3


def test_the_shared_length_is_that_of_a_plain_walk() -> None:
    for shared in (0, 1, 7, 63, 64, 999):
        one, other = "x" * shared + "a" * 9, "x" * shared + "b" * 30
        assert shared_length(one, other) == shared


def test_full_texts_are_read_from_sessions_and_from_requests(tmp_path: Path) -> None:
    session = {"timestamp": 1, "input": RULES, "output": "", "session_id": "s"}
    request = {
        "timestamp": "2026-11-22T10:00:00Z",
        "request": {"model": "m", "system": RULES, "messages": [{"role": "user", "content": "hi"}]},
        "response": {},
    }
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in (session, session)))
    assert [p.text for p in read_prompts([path])] == [RULES, RULES]
    path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in (request, request)))
    assert all(p.text.startswith(RULES) for p in read_prompts([path]))
