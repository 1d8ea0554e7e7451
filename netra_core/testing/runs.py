"""The events of an ordinary run, made without a server."""

import random

from netra_core.events import (
    AgentCompleted,
    AgentStarted,
    AgentThinking,
    NewEvent,
    Payload,
    ToolCompleted,
    ToolExecuting,
)

SUPERVISOR = "supervisor"


def reference_run(run_id: str, *, thread_id: str = "thread", thoughts: int = 1) -> list[NewEvent]:
    """A complete run of a supervisor and one agent with a tool: 6 events and the thoughts."""
    steps: list[tuple[str, Payload]] = [
        (SUPERVISOR, AgentStarted("Looking at the question.")),
        ("data", AgentStarted("Reading usage.", SUPERVISOR)),
        *[("data", AgentThinking(f"Thought {n}.", n)) for n in range(1, thoughts + 1)],
        ("data", ToolExecuting("usage_summary", "call-1", {"days": 7})),
        ("data", ToolCompleted("usage_summary", "call-1", True, 1.5, {"requests": 12})),
        ("data", AgentCompleted("completed", 3.0, {"rows": 12})),
        (SUPERVISOR, AgentCompleted("completed", 5.0, {"report": {"headline": "Done"}})),
    ]
    return [
        NewEvent.of(
            payload,
            run_id=run_id,
            thread_id=thread_id,
            step="reference",
            ordinal=ordinal,
            agent_name=agent,
        )
        for ordinal, (agent, payload) in enumerate(steps)
    ]


def random_run(run_id: str, rng: random.Random, *, thread_id: str = "thread") -> list[NewEvent]:
    """A complete run of random length and shape, valid in order."""
    return reference_run(run_id, thread_id=thread_id, thoughts=rng.randint(0, 6))
