"""Passages that stand twice in a prompt, and tools that are offered and never called."""

import json

from netra_optimizer import PromptText
from netra_optimizer.levers.context_text import read_context

FILE = "\n".join(f"line {at} of the file that the agent reads: {at * 7919}" for at in range(40))
OTHER = "\n".join(f"row {at} of something else altogether: {at * 104729}" for at in range(40))
TOOLS = [
    {"name": name, "description": "does a thing " * 20, "input_schema": {"type": "object"}}
    for name in ("search", "buy", "refund")
]
HEAD = "\n".join(json.dumps(tool, separators=(",", ":"), sort_keys=True) for tool in TOOLS)


def prompt(at: float, *parts: str, conversation: str = "c") -> PromptText:
    return PromptText(conversation, at, "\n".join(parts))


def test_a_file_read_again_is_counted_in_every_call_that_carries_it() -> None:
    once = prompt(1, "Read it.", FILE, "Done.")
    twice = prompt(2, "Read it.", FILE, "Done.", "Read it again.", FILE, "Done.")
    later = prompt(3, "Read it.", FILE, "Done.", "Read it again.", FILE, "Done.", "And now?")
    found = read_context([once, twice, later])
    assert (found.calls, found.repeated_calls) == (3, 2)
    assert abs(found.repeated_tokens - 2 * (len(FILE) + 1) // 4) <= 4
    assert found.example in FILE


def test_different_files_are_no_repeat_and_neither_are_two_conversations() -> None:
    found = read_context(
        [prompt(1, FILE, OTHER), prompt(2, FILE, OTHER, "more"), prompt(3, FILE, conversation="d")]
    )
    assert found.repeated_calls == 0
    assert found.notes({"search"}, 3e-6) == []


def test_a_file_inside_escaped_json_is_read_line_by_line_too() -> None:
    message = json.dumps({"role": "user", "content": FILE})
    assert read_context([prompt(1, message, "said", message)]).repeated_calls == 1


def test_a_prompt_that_starts_anew_is_not_held_against_the_one_before() -> None:
    found = read_context([prompt(1, "a", FILE), prompt(2, "b", FILE)])
    assert found.repeated_tokens == 0


def test_tools_that_are_never_called_are_named_with_what_they_take() -> None:
    found = read_context([prompt(at, HEAD, f"question {at}") for at in range(10)])
    _, buy, refund = (10 * (len(line) // 4) for line in HEAD.split("\n"))
    assert found.unused({"search"}) == {"buy": buy, "refund": refund}
    (note,) = found.notes({"search"}, 3e-6)
    assert "buy" in note and "refund" in note and "search" not in note


def test_where_no_call_of_a_tool_was_recorded_none_is_called_unused() -> None:
    found = read_context([prompt(1, HEAD, "question")])
    assert found.notes(frozenset(), 3e-6) == []
