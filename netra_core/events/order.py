"""The order of a run's events, as a state machine without I/O.

A run starts with its root agent's `agent_started` (no parent) and ends with exactly one of: the
root's `agent_completed` (completed), `agent_error`, `run_cancelled`. In between every agent and
every tool call opens before it acts and closes before whoever opened it.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from netra_core.events.errors import EventOrderError
from netra_core.events.types import (
    AgentCompleted,
    AgentErrored,
    Event,
    JsonObject,
    Payload,
    RunCancelled,
    ToolCompleted,
)

Ending: TypeAlias = Literal["failed", "cancelled"]

_TERMINAL = frozenset({"agent_error", "run_cancelled"})


class RunOrder:
    """Which events a run may have next. One instance a run; `accept` moves it or raises."""

    __slots__ = ("_agents", "_calls", "_ended", "_last_timestamp", "_root", "_run_seq", "_tools")

    def __init__(self) -> None:
        self._root: str | None = None
        self._agents: dict[str, str | None] = {}  # open agent -> parent, in order of opening
        self._tools: dict[str, tuple[str, str]] = {}  # open call_id -> (agent, tool name)
        self._calls: set[str] = set()
        self._ended = False
        self._run_seq = 0
        self._last_timestamp = ""

    @classmethod
    def replay(cls, events: Iterable[Event]) -> "RunOrder":
        """The state after `events`, which the log holds already. Raises EventOrderError."""
        order = cls()
        for event in events:
            order.accept(event.type, event.agent_name, event.payload, timestamp=event.timestamp)
        return order

    def copy(self) -> "RunOrder":
        """An independent copy, to try a batch on."""
        other = RunOrder()
        other._root = self._root
        other._agents = dict(self._agents)
        other._tools = dict(self._tools)
        other._calls = set(self._calls)
        other._ended = self._ended
        other._run_seq = self._run_seq
        other._last_timestamp = self._last_timestamp
        return other

    @property
    def run_seq(self) -> int:
        """How many events the run has."""
        return self._run_seq

    @property
    def started(self) -> bool:
        """True once the first event was accepted."""
        return self._root is not None

    @property
    def ended(self) -> bool:
        """True after the terminal event; nothing is accepted then."""
        return self._ended

    @property
    def last_timestamp(self) -> str:
        """The newest timestamp, empty before the first event."""
        return self._last_timestamp

    @property
    def open_agents(self) -> Sequence[str]:
        """Agents that started and did not complete, outermost first."""
        return tuple(self._agents)

    @property
    def open_tools(self) -> Sequence[str]:
        """The call_ids that are executing, oldest first."""
        return tuple(self._tools)

    def next_timestamp(self, now: str) -> str:
        """`now`, or the newest timestamp of the run when the clock went back."""
        return max(now, self._last_timestamp)

    def accept(
        self, kind: str, agent_name: str, payload: JsonObject, *, timestamp: str = ""
    ) -> None:
        """Take the next event. Raises EventOrderError, and nothing has moved then."""
        if self._ended:
            raise EventOrderError(f"The run has ended; {kind} came after its terminal event.")
        if timestamp and timestamp < self._last_timestamp:
            raise EventOrderError(
                f"The timestamp {timestamp} is before {self._last_timestamp} of the event before."
            )
        if self._root is None and kind != "agent_started":
            raise EventOrderError(f"A run begins with agent_started, not {kind}.")
        match kind:
            case "agent_started":
                self._start(agent_name, payload)
            case "agent_thinking":
                self._need_open(agent_name, kind)
            case "tool_executing":
                self._open_tool(agent_name, payload)
            case "tool_completed":
                self._close_tool(agent_name, payload)
            case "agent_completed":
                self._complete(agent_name, payload)
            case _ if kind in _TERMINAL:
                self._end(kind)
            case _:
                raise EventOrderError(f"{kind!r} is no event of a run.")
        self._run_seq += 1
        self._last_timestamp = timestamp or self._last_timestamp

    def closing(
        self, status: Ending, reason: str, *, code: str = "RUN-000"
    ) -> list[tuple[str, Payload]]:
        """What ends this run now as (agent_name, payload), innermost first, terminal event last.

        Empty when the run has ended or never started.
        """
        if self._root is None or self._ended:
            return []
        out: list[tuple[str, Payload]] = []
        tools = [(call, *self._tools[call]) for call in reversed(self._tools)]
        for agent in reversed(self._agents):
            out.extend(
                (agent, ToolCompleted(tool, call, False, 0.0, error=reason))
                for call, owner, tool in tools
                if owner == agent
            )
            if agent != self._root:
                out.append((agent, AgentCompleted(status, 0.0)))
        if status == "failed":
            out.append((self._root, AgentErrored(code, reason)))
        else:
            out.append((self._root, RunCancelled(reason)))
        return out

    def _need_open(self, agent: str, kind: str) -> None:
        if agent not in self._agents:
            raise EventOrderError(f"{kind} of agent {agent!r}, which is not running.")

    def _start(self, agent: str, payload: JsonObject) -> None:
        parent = payload.get("parent_agent")
        if agent in self._agents:
            raise EventOrderError(f"Agent {agent!r} is running already.")
        if self._root is None:
            if parent is not None:
                raise EventOrderError("The first agent of a run has no parent_agent.")
            self._root = agent
        elif parent is None:
            raise EventOrderError(f"Only the first agent has no parent; {agent!r} came later.")
        elif parent not in self._agents:
            raise EventOrderError(f"The parent {parent!r} of agent {agent!r} is not running.")
        self._agents[agent] = parent

    def _open_tool(self, agent: str, payload: JsonObject) -> None:
        self._need_open(agent, "tool_executing")
        call = str(payload.get("call_id"))
        if call in self._calls:
            raise EventOrderError(f"The call_id {call!r} was used before in this run.")
        self._calls.add(call)
        self._tools[call] = (agent, str(payload.get("tool_name")))

    def _close_tool(self, agent: str, payload: JsonObject) -> None:
        call = str(payload.get("call_id"))
        opened = self._tools.get(call)
        if opened is None:
            raise EventOrderError(f"tool_completed for {call!r}, which is not executing.")
        if opened != (agent, str(payload.get("tool_name"))):
            raise EventOrderError(
                f"The call {call!r} was opened by {opened[0]!r} as {opened[1]!r}."
            )
        del self._tools[call]

    def _complete(self, agent: str, payload: JsonObject) -> None:
        self._need_open(agent, "agent_completed")
        if any(owner == agent for owner, _ in self._tools.values()):
            raise EventOrderError(f"Agent {agent!r} completed with a tool still executing.")
        if agent in self._agents.values():
            raise EventOrderError(f"Agent {agent!r} completed with an agent of its own running.")
        if agent == self._root:
            if payload.get("status") != "completed":
                raise EventOrderError(
                    "A run that did not complete ends with agent_error or run_cancelled."
                )
            self._ended = True
        del self._agents[agent]

    def _end(self, kind: str) -> None:
        if self._tools or len(self._agents) > 1:
            raise EventOrderError(
                f"{kind} with open tools {list(self._tools)} and agents {list(self._agents)}.",
                hint="Close them first, innermost first.",
            )
        self._agents.clear()
        self._ended = True
