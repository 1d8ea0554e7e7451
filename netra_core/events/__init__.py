"""Events: their types, their order, their log and their fan-out."""

from typing import TYPE_CHECKING

from netra_core.events.codec import PAYLOAD_TYPES, check_payload, decode_event, encode_event
from netra_core.events.errors import (
    EventGapError,
    EventOrderError,
    EventVersionError,
    FanOutError,
    ForeignRunError,
    InvalidPayloadError,
    PayloadTooLargeError,
    UnknownEventTypeError,
)
from netra_core.events.fanout import (
    FanOut,
    FanOutMessage,
    InProcessFanOut,
    Missed,
    Notice,
    TextDelta,
)
from netra_core.events.order import RunOrder
from netra_core.events.port import EventLog, NewEvent, Stream, StreamHead
from netra_core.events.types import (
    CRITICAL_EVENTS,
    MAX_PAYLOAD_BYTES,
    WIRE_VERSION,
    AgentCompleted,
    AgentErrored,
    AgentStarted,
    AgentThinking,
    Event,
    Payload,
    RunCancelled,
    ToolCompleted,
    ToolExecuting,
    Usage,
)

if TYPE_CHECKING:
    from netra_core.events.log import SqlEventLog as SqlEventLog


def __getattr__(name: str) -> object:
    """Import the SQL log at first use; the types need no database."""
    if name != "SqlEventLog":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from netra_core.events.log import SqlEventLog

    return SqlEventLog


__all__ = [
    "CRITICAL_EVENTS",
    "MAX_PAYLOAD_BYTES",
    "PAYLOAD_TYPES",
    "WIRE_VERSION",
    "AgentCompleted",
    "AgentErrored",
    "AgentStarted",
    "AgentThinking",
    "Event",
    "EventGapError",
    "EventLog",
    "EventOrderError",
    "EventVersionError",
    "FanOut",
    "FanOutError",
    "FanOutMessage",
    "ForeignRunError",
    "InProcessFanOut",
    "InvalidPayloadError",
    "Missed",
    "NewEvent",
    "Notice",
    "Payload",
    "PayloadTooLargeError",
    "RunCancelled",
    "RunOrder",
    "SqlEventLog",
    "Stream",
    "StreamHead",
    "TextDelta",
    "ToolCompleted",
    "ToolExecuting",
    "UnknownEventTypeError",
    "Usage",
    "check_payload",
    "decode_event",
    "encode_event",
]
