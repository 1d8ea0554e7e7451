"""Events of a run as they are logged and sent: one frozen envelope, one payload type an event.

The same bytes travel over WebSocket, SSE and the log. Times are RFC 3339 UTC with milliseconds.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

WIRE_VERSION: Final = 1
MAX_PAYLOAD_BYTES: Final = 64 * 1024

JsonObject: TypeAlias = dict[str, Any]  # Any: JSON values of tools and results have no closed type


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent's model calls used; all zero when no model was called."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


class AgentStarted(msgspec.Struct, frozen=True, tag="agent_started"):
    """An agent began. `parent_agent` is None for the supervisor alone."""

    message: str
    parent_agent: str | None = None


class AgentThinking(msgspec.Struct, frozen=True, tag="agent_thinking"):
    """One thought; `step_number` rises from 1 within an agent."""

    thought: str
    step_number: int


class ToolExecuting(msgspec.Struct, frozen=True, tag="tool_executing"):
    """A tool call began; `args` are redacted."""

    tool_name: str
    call_id: str
    args: JsonObject


class ToolCompleted(msgspec.Struct, frozen=True, tag="tool_completed"):
    """The tool call with the same `call_id` ended."""

    tool_name: str
    call_id: str
    ok: bool
    duration_ms: float
    result: Any = None  # Any: a tool's JSON answer
    error: str | None = None


class AgentCompleted(msgspec.Struct, frozen=True, tag="agent_completed"):
    """An agent ended. The supervisor's carries the run's report in `result`."""

    status: Literal["completed", "failed", "cancelled"]
    duration_ms: float
    result: Any = None  # Any: an agent's JSON answer
    usage: Usage = Usage()


class AgentErrored(msgspec.Struct, frozen=True, tag="agent_error"):
    """The run failed; terminal."""

    code: str
    message: str
    retryable: bool = False


class RunCancelled(msgspec.Struct, frozen=True, tag="run_cancelled"):
    """The run was cancelled; terminal."""

    reason: str


Payload: TypeAlias = (
    AgentStarted
    | AgentThinking
    | ToolExecuting
    | ToolCompleted
    | AgentCompleted
    | AgentErrored
    | RunCancelled
)

CRITICAL_EVENTS: Final = (
    "agent_started",
    "agent_thinking",
    "tool_executing",
    "tool_completed",
    "agent_completed",
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope: `seq` is gapless in a stream, `run_seq` in a run; `epoch` names the stream.

    `payload` is the payload's fields without its tag, which is `type`.
    """

    v: int = WIRE_VERSION
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
