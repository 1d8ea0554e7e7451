"""What the socket layer refuses; each code may appear in an `error` frame.

WebSocketError
├── MalformedMessageError      WS-001   not JSON, no known type, or a field is wrong
├── MessageTooBigError         WS-002   over the limit of bytes
├── TooManyMessagesError       WS-003   over the limit of messages a minute
├── TooManyConnectionsError    WS-004   over the limit of connections a user
├── NotAuthenticatedError      WS-005   no valid token or ticket
├── OriginRefusedError         WS-006   the page's origin may not connect
├── NoSuchConnectionError      WS-007   no such connection
├── OperatorsOnlyError         WS-008   broadcast without the operator's pass
├── ShuttingDownError          WS-009   the server takes no new connections
├── NotCriticalEventError      WS-010   emit_critical_event with another type
├── HandlerFailedError         WS-011   the server could not do what was asked
└── SessionRevokedError        WS-012   the session has ended
"""

from netra_core.errors import WebSocketError


class MalformedMessageError(WebSocketError):
    """Not JSON, no known type, or a field is wrong."""

    code = "WS-001"
    status = 400


class MessageTooBigError(WebSocketError):
    """The message has more bytes than the server takes."""

    code = "WS-002"
    status = 413


class TooManyMessagesError(WebSocketError):
    """More messages a minute than the server takes from one connection."""

    code = "WS-003"
    retryable = True
    status = 429


class TooManyConnectionsError(WebSocketError):
    """More connections than one user may hold."""

    code = "WS-004"
    retryable = True
    status = 429


class NotAuthenticatedError(WebSocketError):
    """No valid token or ticket."""

    code = "WS-005"
    status = 401


class OriginRefusedError(WebSocketError):
    """The page's origin may not connect."""

    code = "WS-006"
    status = 403


class NoSuchConnectionError(WebSocketError):
    """No such connection."""

    code = "WS-007"
    status = 404


class OperatorsOnlyError(WebSocketError):
    """A broadcast needs the operator's pass."""

    code = "WS-008"
    status = 403


class ShuttingDownError(WebSocketError):
    """The server is shutting down and takes no new connections."""

    code = "WS-009"
    retryable = True
    status = 503


class NotCriticalEventError(WebSocketError):
    """The event is none of the five critical ones."""

    code = "WS-010"
    status = 422


class HandlerFailedError(WebSocketError):
    """The server could not do what was asked; its log says why."""

    code = "WS-011"
    retryable = True


class SessionRevokedError(WebSocketError):
    """The session has ended."""

    code = "WS-012"
    status = 401
