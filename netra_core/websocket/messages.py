"""The messages of `/ws` besides the events: tagged unions, checked at the edge."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from netra_core.errors import ApexError
from netra_core.websocket.errors import MalformedMessageError

MAX_CONTENT_CHARS = 32_000
Identifier = Annotated[str, Meta(min_length=1, max_length=128)]


class UserMessage(msgspec.Struct, frozen=True, tag="user_message"):
    """A message to the agents; the same `client_message_id` never starts a second run."""

    content: Annotated[str, Meta(min_length=1, max_length=MAX_CONTENT_CHARS)]
    client_message_id: Identifier
    thread_id: Identifier | None = None
    while_busy: Literal["enqueue", "reject", "interrupt"] = "enqueue"
    """What happens while a run works in the thread."""


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """Everything after `after_seq` of `epoch`, then what comes."""

    epoch: Identifier
    after_seq: Annotated[int, Meta(ge=0)]


class CancelRun(msgspec.Struct, frozen=True, tag="cancel_run"):
    """Stop a run of mine."""

    run_id: Identifier


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """I am here; a client that pings once promises to go on."""


ClientMessage: TypeAlias = UserMessage | Resume | CancelRun | Ping


class ConnectionEstablished(msgspec.Struct, frozen=True, tag="connection_established"):
    """First message of the server: where the stream stands."""

    connection_id: str
    epoch: str
    seq: int


class MessageAccepted(msgspec.Struct, frozen=True, tag="message_accepted"):
    """The message is stored and its run exists; `duplicate` when it had been sent before."""

    client_message_id: str
    thread_id: str
    run_id: str
    duplicate: bool = False


class Resumed(msgspec.Struct, frozen=True, tag="resumed"):
    """The events from_seq … to_seq were sent; from_seq is to_seq + 1 when there were none."""

    from_seq: int
    to_seq: int


class ResyncRequired(msgspec.Struct, frozen=True, tag="resync_required"):
    """The position given cannot be continued: reload over HTTP; live events follow `seq`."""

    reason: Literal["epoch_changed", "position_unknown", "too_far_behind", "log_gap"]
    epoch: str
    seq: int


class ErrorFrame(msgspec.Struct, frozen=True, tag="error"):
    """A request that failed; `client_message_id` and `run_id` name it where it had one."""

    code: str
    message: str
    retryable: bool
    client_message_id: str | None = None
    run_id: str | None = None


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Answer to ping."""


class AgentDelta(msgspec.Struct, frozen=True, kw_only=True, tag="agent_delta"):
    """More of a text that an agent is writing; void with the next event of its run.

    `offset` counts the characters (code points) sent on this connection before; 0 begins anew.
    """

    thread_id: str
    run_id: str
    agent_name: str
    offset: int
    text: str


ServerMessage: TypeAlias = (
    ConnectionEstablished
    | MessageAccepted
    | Resumed
    | ResyncRequired
    | ErrorFrame
    | Pong
    | AgentDelta
)


class _Named(msgspec.Struct):
    client_message_id: Identifier | None = None


_decoder = msgspec.json.Decoder(ClientMessage)
_names = msgspec.json.Decoder(_Named)
_encoder = msgspec.json.Encoder()


def decode_client_message(data: str | bytes) -> ClientMessage:
    """The client's message. Raises MalformedMessageError, which quotes nothing of it."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedMessageError(
            f"The message was not understood: {error}",
            hint="Send JSON objects as docs/protocol.md describes.",
        ) from error


def message_id_in(data: str | bytes) -> str | None:
    """The `client_message_id` of a message that was not understood, where it can be read."""
    try:
        return _names.decode(data).client_message_id
    except (msgspec.DecodeError, UnicodeError):
        return None


def encode_message(message: ServerMessage) -> str:
    """The text of a server message."""
    return _encoder.encode(message).decode()


def error_frame(
    error: ApexError, *, client_message_id: str | None = None, run_id: str | None = None
) -> ErrorFrame:
    """The frame of an error: its code and sentence, never a secret."""
    text = f"{error.message} {error.hint}".strip()
    return ErrorFrame(error.code, text, error.retryable, client_message_id, run_id)
