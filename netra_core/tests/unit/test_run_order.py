"""The order of a run's events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra_core.events import (
    AgentCompleted,
    AgentErrored,
    AgentStarted,
    AgentThinking,
    EventOrderError,
    NewEvent,
    Payload,
    RunCancelled,
    RunOrder,
    ToolCompleted,
    ToolExecuting,
)
from netra_core.testing.runs import reference_run

BOSS = "supervisor"
STARTED = (BOSS, AgentStarted("go"))
DATA = ("data", AgentStarted("reading", BOSS))
CALL = ("data", ToolExecuting("sum", "c1", {}))
RETURN = ("data", ToolCompleted("sum", "c1", True, 1.0))
DATA_DONE = ("data", AgentCompleted("completed", 1.0))
DONE = (BOSS, AgentCompleted("completed", 1.0))
FAILED = (BOSS, AgentErrored("AGT-001", "broken"))
CANCELLED = (BOSS, RunCancelled("asked"))


def feed(order: RunOrder, *steps: tuple[str, Payload]) -> RunOrder:
    for agent, payload in steps:
        new = NewEvent.of(payload, run_id="r", thread_id="t", step="s", ordinal=0, agent_name=agent)
        order.accept(new.type, agent, new.payload)
    return order


def state(order: RunOrder) -> tuple[Any, ...]:
    return (order.run_seq, order.ended, order.open_agents, order.open_tools, order.last_timestamp)


def test_a_whole_run_is_accepted_and_then_nothing_more() -> None:
    order = feed(RunOrder(), STARTED, DATA, CALL, RETURN, DATA_DONE, DONE)
    assert (order.run_seq, order.ended) == (6, True)
    for late in (STARTED, DATA, CALL, DONE, FAILED, CANCELLED):
        with pytest.raises(EventOrderError):
            feed(order, late)


@pytest.mark.parametrize(
    ("before", "wrong"),
    [
        ([], DATA),
        ([], CALL),
        ([], DONE),
        ([], FAILED),
        ([], CANCELLED),
        ([STARTED], STARTED),
        ([STARTED], ("other", AgentStarted("second root"))),
        ([STARTED], ("data", AgentStarted("orphan", "nobody"))),
        ([STARTED], ("data", AgentThinking("not started", 1))),
        ([STARTED], CALL),
        ([STARTED], RETURN),
        ([STARTED], DATA_DONE),
        ([STARTED], (BOSS, AgentCompleted("failed", 1.0))),
        ([STARTED, DATA], DATA),
        ([STARTED, DATA], DONE),
        ([STARTED, DATA], FAILED),
        ([STARTED, DATA], CANCELLED),
        ([STARTED, DATA, CALL], CALL),
        ([STARTED, DATA, CALL], DATA_DONE),
        ([STARTED, DATA, CALL], (BOSS, ToolCompleted("sum", "c1", True, 1.0))),
        ([STARTED, DATA, CALL], ("data", ToolCompleted("other", "c1", True, 1.0))),
        ([STARTED, DATA, CALL, RETURN], RETURN),
        ([STARTED, DATA, CALL, RETURN], CALL),
        ([STARTED, DATA, DATA_DONE], ("data", AgentThinking("too late", 1))),
    ],
)
def test_what_would_break_the_order_is_refused_and_moves_nothing(
    before: list[tuple[str, Payload]], wrong: tuple[str, Payload]
) -> None:
    order = feed(RunOrder(), *before)
    was = state(order)
    with pytest.raises(EventOrderError):
        feed(order, wrong)
    assert state(order) == was


@pytest.mark.parametrize("ending", [DONE, FAILED, CANCELLED])
def test_a_run_has_three_endings(ending: tuple[str, Payload]) -> None:
    assert feed(RunOrder(), STARTED, ending).ended


def test_an_agent_may_run_again_after_it_completed() -> None:
    order = feed(RunOrder(), STARTED, DATA, DATA_DONE, DATA)
    assert order.open_agents == (BOSS, "data")


def test_timestamps_do_not_fall() -> None:
    order = RunOrder()
    first = reference_run("r")[0]
    order.accept(first.type, BOSS, first.payload, timestamp="2026-01-01T00:00:01.000Z")
    assert order.next_timestamp("2026-01-01T00:00:00.000Z") == "2026-01-01T00:00:01.000Z"
    assert order.next_timestamp("2026-01-01T00:00:02.000Z") == "2026-01-01T00:00:02.000Z"
    with pytest.raises(EventOrderError):
        order.accept("agent_thinking", BOSS, {"thought": "x"}, timestamp="2026-01-01T00:00:00.999Z")


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_closing_ends_tools_and_agents_innermost_first(status: Any) -> None:
    inner = ("inner", AgentStarted("deeper", "data"))
    inner_call = ("inner", ToolExecuting("look", "c2", {}))
    order = feed(RunOrder(), STARTED, DATA, CALL, inner, inner_call)
    closing = order.closing(status, "stopped")
    assert [(agent, type(payload)) for agent, payload in closing] == [
        ("inner", ToolCompleted),
        ("inner", AgentCompleted),
        ("data", ToolCompleted),
        ("data", AgentCompleted),
        (BOSS, AgentErrored if status == "failed" else RunCancelled),
    ]
    assert feed(order, *closing).ended
    assert order.closing(status, "again") == []


STEPS = [
    STARTED,
    DATA,
    CALL,
    RETURN,
    DATA_DONE,
    DONE,
    FAILED,
    CANCELLED,
    ("data", AgentThinking("x", 1)),
    (BOSS, AgentThinking("y", 1)),
    (BOSS, ToolExecuting("plan", "c9", {})),
    (BOSS, ToolCompleted("plan", "c9", False, 1.0, error="no")),
    ("inner", AgentStarted("deeper", "data")),
    ("inner", AgentCompleted("failed", 1.0)),
]


@given(st.lists(st.sampled_from(STEPS), max_size=40), st.sampled_from(["failed", "cancelled"]))
def test_whatever_was_accepted_can_always_be_closed_in_order(
    steps: list[tuple[str, Payload]], status: Any
) -> None:
    order = RunOrder()
    for step in steps:
        try:
            feed(order, step)
        except EventOrderError:
            continue
    started = order.started
    feed(order, *order.closing(status, "stopped"))
    assert order.ended is started
    assert not order.open_agents and not order.open_tools


def test_a_copy_moves_alone() -> None:
    order = feed(RunOrder(), STARTED, DATA)
    copy = feed(order.copy(), CALL)
    assert (copy.run_seq, order.run_seq) == (3, 2)
    assert order.open_tools == ()
