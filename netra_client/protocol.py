"""The client's side of `/ws`, without I/O: what to send, what to take, where to continue.

The position (epoch, seq) is what has been taken, exactly. Whatever the server or the network
repeats is dropped; whatever it skips is asked for again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from netra_client.errors import ProtocolError
from netra_client.events import JsonObject, LiveEvent, TextDelta


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is established; `resuming` when a known position is continued."""

    connection_id: str
    resuming: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has stored a message and made its run."""

    client_message_id: str
    thread_id: str
    run_id: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The server could not do something; the ids say what."""

    code: str
    message: str
    retryable: bool
    client_message_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Resynced:
    """The old position is void: what lies before `seq` has to be loaded over HTTP."""

    reason: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Transient:
    """Another message that is not logged, as it came."""

    type: str
    message: JsonObject


Update: TypeAlias = LiveEvent | TextDelta | Connected | Accepted | Refused | Resynced | Transient


@dataclass(slots=True)
class LiveProtocol:
    """State of one client over many connections.

    Start with the position of what was loaded over HTTP, or without one to begin at the head.
    """

    epoch: str | None = None
    seq: int = 0
    _unanswered: dict[str, str] = field(default_factory=dict[str, str])
    _outgoing: list[str] = field(default_factory=list[str])
    _established: bool = False
    _resuming: bool = False

    @property
    def caught_up(self) -> bool:
        """True while connected with nothing left to replay."""
        return self._established and not self._resuming

    def user_message(
        self, content: str, *, client_message_id: str, thread_id: str | None = None
    ) -> None:
        """Queue a message; it is sent again after a reconnect until the server has answered."""
        message: JsonObject = {
            "type": "user_message",
            "content": content,
            "client_message_id": client_message_id,
        }
        if thread_id is not None:
            message["thread_id"] = thread_id
        text = _encode(message)
        self._unanswered[client_message_id] = text
        if self._established:
            self._outgoing.append(text)

    def repeat_unanswered(self) -> None:
        """Queue again what the server has not answered, after it asked to try later."""
        if self._established:
            self._outgoing.extend(self._unanswered.values())

    def cancel_run(self, run_id: str) -> None:
        """Queue the cancelling of a run."""
        self._outgoing.append(_encode({"type": "cancel_run", "run_id": run_id}))

    def ping(self) -> None:
        """Queue a sign of life."""
        if self._established:
            self._outgoing.append(_encode({"type": "ping"}))

    def to_send(self) -> Sequence[str]:
        """What is to be sent now; each text is given out once."""
        if not self._established:
            return ()
        texts, self._outgoing = self._outgoing, []
        return texts

    def disconnected(self) -> None:
        """The socket is gone; the position and the unanswered messages stay."""
        self._established = False
        self._resuming = False
        self._outgoing.clear()

    def receive(self, text: str | bytes) -> Sequence[Update]:
        """Take one message of the server. Raises ProtocolError."""
        try:
            message: JsonObject = msgspec.json.decode(text)
            kind: str = message["type"]
            if "seq" in message and "run_seq" in message:
                return self._event(msgspec.convert(message, LiveEvent))
            return self._control(kind, message)
        except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
            raise ProtocolError(f"The server's message was not understood: {error}") from error

    def _event(self, event: LiveEvent) -> Sequence[Update]:
        if event.epoch != self.epoch or event.seq <= self.seq:
            return ()
        if event.seq != self.seq + 1:
            self._resume()
            return ()
        self.seq = event.seq
        return (event,)

    def _control(self, kind: str, message: JsonObject) -> Sequence[Update]:
        match kind:
            case "connection_established":
                return self._connected(message)
            case "message_accepted":
                self._unanswered.pop(message["client_message_id"], None)
                return (
                    Accepted(
                        message["client_message_id"],
                        message["thread_id"],
                        message["run_id"],
                        message["duplicate"],
                    ),
                )
            case "resumed":
                self._resuming = False
                return ()
            case "resync_required":
                self._resuming = False
                self.epoch, self.seq = message["epoch"], message["seq"]
                return (Resynced(message["reason"], message["epoch"], message["seq"]),)
            case "error":
                return (self._refused(message),)
            case "pong":
                return ()
            case "agent_delta":
                return (msgspec.convert(message, TextDelta),)
            case _:
                return (Transient(kind, message),)

    def _connected(self, message: JsonObject) -> Sequence[Update]:
        self._established = True
        self._outgoing.clear()
        known = self.epoch is not None
        if known:
            self._resume()
        else:
            self.epoch, self.seq = message["epoch"], message["seq"]
        self._outgoing.extend(self._unanswered.values())
        return (Connected(message["connection_id"], known),)

    def _refused(self, message: dict[str, Any]) -> Refused:
        about = message.get("client_message_id")
        if about is not None and not message["retryable"]:
            self._unanswered.pop(about, None)
        return Refused(
            message["code"],
            message["message"],
            message["retryable"],
            about,
            message.get("run_id"),
        )

    def _resume(self) -> None:
        if not self._resuming:
            self._resuming = True
            self._outgoing.append(
                _encode({"type": "resume", "epoch": self.epoch, "after_seq": self.seq})
            )


def _encode(message: JsonObject) -> str:
    return msgspec.json.encode(message).decode()
