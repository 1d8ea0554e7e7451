"""What the event log and the event order refuse.

EventError
├── EventOrderError        EVT-001   the event would break the order of its run
├── UnknownEventTypeError  EVT-002   no such event type
├── InvalidPayloadError    EVT-003   the payload has not the fields of its type
├── PayloadTooLargeError   EVT-004   the payload is over 64 KiB
├── EventGapError          EVT-005   the log answered with a gap
├── EventVersionError      EVT-006   an event newer than this program
├── FanOutError            EVT-007   notices cannot be sent to the other nodes
└── ForeignRunError        EVT-008   the run belongs to another stream
"""

from netra_core.errors import EventError


class EventOrderError(EventError):
    """The event would break the order of its run."""

    code = "EVT-001"
    status = 409


class UnknownEventTypeError(EventError):
    """No such event type."""

    code = "EVT-002"
    status = 422


class InvalidPayloadError(EventError):
    """The payload has not the fields of its type."""

    code = "EVT-003"
    status = 422


class PayloadTooLargeError(EventError):
    """The payload is over 64 KiB."""

    code = "EVT-004"
    status = 413


class EventGapError(EventError):
    """The log answered with events that do not follow each other."""

    code = "EVT-005"


class EventVersionError(EventError):
    """The event was written by a newer program than this one."""

    code = "EVT-006"


class FanOutError(EventError):
    """Notices cannot be sent to the other nodes now."""

    code = "EVT-007"
    retryable = True
    status = 503


class ForeignRunError(EventError):
    """The run belongs to another stream; for the caller it does not exist."""

    code = "EVT-008"
    status = 404
