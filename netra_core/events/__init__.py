"""Events: their types, their order, their log and their fan-out."""

from netra_core.events.codec import PAYLOAD_TYPES, check_payload, decode_event, encode_event
from netra_core.events.errors import (
    EventGapError,
    EventOrderError,
    EventVersionError,
    FanOutError,
    InvalidPayloadError,
    PayloadTooLargeError,
    UnknownEventTypeError,
)
from netra_core.events.fanout import FanOut, FanOutMessage, InProcessFanOut, Missed, Notice
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
    "InProcessFanOut",
    "InvalidPayloadError",
    "Missed",
    "NewEvent",
    "Notice",
    "Payload",
    "PayloadTooLargeError",
    "RunCancelled",
    "RunOrder",
    "Stream",
    "StreamHead",
    "ToolCompleted",
    "ToolExecuting",
    "UnknownEventTypeError",
    "Usage",
    "check_payload",
    "decode_event",
    "encode_event",
]
