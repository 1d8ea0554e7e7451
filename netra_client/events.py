"""Events as the server sends them, and what a client makes of a run."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec

JsonObject: TypeAlias = dict[str, Any]  # Any: JSON values of tools and reports have no closed type
RunStatus: TypeAlias = Literal["running", "completed", "failed", "cancelled"]


class LiveEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event; `payload` is empty when it was erased."""

    v: int = 1
    type: str
    event_id: str
    epoch: str
    seq: int
    workspace_id: str
    thread_id: str
    run_id: str
    run_seq: int
    agent_name: str
    timestamp: str
    payload: JsonObject


class TextDelta(msgspec.Struct, frozen=True, kw_only=True):
    """More of a text that an agent is writing; void with the next event of its run.

    `offset` counts the characters before it, 0 begins a text.
    """

    thread_id: str
    run_id: str
    agent_name: str
    offset: int
    text: str


@dataclass(slots=True)
class Draft:
    """A text that an agent is writing, as far as it has come."""

    agent_name: str
    text: str


@dataclass(slots=True)
class ToolView:
    """One tool call."""

    call_id: str
    tool_name: str
    agent_name: str
    args: JsonObject
    ok: bool | None = None
    """None while it runs."""
    result: Any = None  # Any: a tool's JSON answer
    error: str | None = None
    duration_ms: float = 0.0


@dataclass(slots=True)
class AgentView:
    """One agent of a run, in its latest execution."""

    name: str
    parent: str | None
    message: str = ""
    status: RunStatus = "running"
    thoughts: list[str] = field(default_factory=list[str])
    duration_ms: float = 0.0


@dataclass(slots=True)
class RunView:
    """A run, folded from its events. Two views that took the same events are equal.

    `draft` is what an agent is writing now; it is no event, and gone with the next one.
    """

    run_id: str
    thread_id: str = ""
    status: RunStatus = "running"
    run_seq: int = 0
    root: str = ""
    agents: dict[str, AgentView] = field(default_factory=dict[str, AgentView])
    tools: dict[str, ToolView] = field(default_factory=dict[str, ToolView])
    report: JsonObject | None = None
    error: str | None = None
    usage: JsonObject | None = None
    draft: Draft | None = None

    @property
    def ended(self) -> bool:
        """True after the terminal event."""
        return self.status != "running"

    def take(self, event: LiveEvent) -> bool:
        """Fold the next event; False when it was folded before. Later than next: ValueError."""
        if event.run_seq <= self.run_seq:
            return False
        if event.run_seq != self.run_seq + 1:
            raise ValueError(f"run {self.run_id!r}: event {event.run_seq} after {self.run_seq}")
        self.draft = None
        self.run_seq = event.run_seq
        self.thread_id = event.thread_id
        self.root = self.root or event.agent_name
        if event.payload:
            self._fold(event, event.payload)
        return True

    def write(self, delta: TextDelta) -> bool:
        """Let the draft grow; False for what does not continue it, or comes after the end."""
        before = self.draft.text if self.draft is not None else ""
        if self.ended or delta.offset not in (0, len(before)):
            return False
        self.draft = Draft(delta.agent_name, before[: delta.offset] + delta.text)
        return True

    def _fold(self, event: LiveEvent, payload: JsonObject) -> None:
        match event.type:
            case "agent_started":
                self.agents[event.agent_name] = AgentView(
                    event.agent_name, payload.get("parent_agent"), payload.get("message", "")
                )
            case "agent_thinking":
                self.agents[event.agent_name].thoughts.append(payload.get("thought", ""))
            case "tool_executing":
                self.tools[payload["call_id"]] = ToolView(
                    payload["call_id"],
                    payload["tool_name"],
                    event.agent_name,
                    payload.get("args", {}),
                )
            case "tool_completed":
                self._end_tool(payload)
            case "agent_completed":
                self._end_agent(event.agent_name, payload)
            case "agent_error":
                self.status = "failed"
                self.error = payload.get("message")
            case "run_cancelled":
                self.status = "cancelled"
                self.error = payload.get("reason")
            case _:
                pass  # a newer server may say more; what this client knows stays right

    def _end_tool(self, payload: JsonObject) -> None:
        tool = self.tools[payload["call_id"]]
        tool.ok = payload["ok"]
        tool.result = payload.get("result")
        tool.error = payload.get("error")
        tool.duration_ms = payload.get("duration_ms", 0.0)

    def _end_agent(self, name: str, payload: JsonObject) -> None:
        agent = self.agents[name]
        agent.status = payload["status"]
        agent.duration_ms = payload.get("duration_ms", 0.0)
        if name == self.root:
            self.status = payload["status"]
            self.usage = payload.get("usage")
            result = payload.get("result")
            self.report = result.get("report") if isinstance(result, dict) else None
