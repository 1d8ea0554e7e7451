"""Events to bytes and back: one encoding for the socket, SSE and the log."""

from collections.abc import Callable
from typing import Final, get_args

import msgspec

from netra_core.events.errors import (
    EventVersionError,
    InvalidPayloadError,
    PayloadTooLargeError,
    UnknownEventTypeError,
)
from netra_core.events.port import NewEvent
from netra_core.events.types import MAX_PAYLOAD_BYTES, WIRE_VERSION, Event, JsonObject, Payload

PAYLOAD_TYPES: Final[dict[str, type[Payload]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(Payload)
}
"""Every event type and the struct of its payload."""

_encoder = msgspec.json.Encoder()
_raw_decoder = msgspec.json.Decoder(JsonObject)

Upcast = Callable[[JsonObject], JsonObject]
"""Turns a stored event of version n into one of version n + 1."""


def encode_event(event: Event) -> bytes:
    """The JSON of an event; the same event gives the same bytes, always."""
    return _encoder.encode(event)


def decode_event(data: bytes | str, *, upcasts: dict[int, Upcast] | None = None) -> Event:
    """The event in `data`; an older version is raised step by step by `upcasts`.

    Raises EventVersionError when it is newer than this program or when a step is missing.
    """
    fields = _raw_decoder.decode(data)
    version = int(fields.get("v", WIRE_VERSION))
    if version == WIRE_VERSION:
        return msgspec.convert(fields, Event)
    steps = upcasts or {}
    while version < WIRE_VERSION and version in steps:
        fields = {**steps[version](fields), "v": version + 1}
        version += 1
    if version != WIRE_VERSION:
        raise EventVersionError(
            f"An event has version {version}; this program reads up to {WIRE_VERSION}.",
            hint="Run the newest version of Apex on this data.",
        )
    return msgspec.convert(fields, Event)


_NAMES: Final = (("run_id", 64), ("thread_id", 64), ("step", 200), ("agent_name", 200))


def check_names(new: NewEvent) -> None:
    """Refuse names that no log can keep: empty, too long, with NUL or lone surrogates.

    Raises InvalidPayloadError. Here and not by the database, where one such event would fail the
    appends of everybody in its group.
    """
    for field, longest in _NAMES:
        text: str = getattr(new, field)
        if not text or len(text) > longest or "\x00" in text or not _encodable(text):
            raise InvalidPayloadError(
                f"The {field} of an event is text of 1 to {longest} characters,"
                " without NUL or lone surrogates."
            )
    if not -(2**31) <= new.ordinal < 2**31:
        raise InvalidPayloadError("The ordinal of an event has at most 32 bits.")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_payload(kind: str, payload: JsonObject) -> bytes:
    """The payload's JSON when it fits its type and size.

    Raises UnknownEventTypeError, InvalidPayloadError or PayloadTooLargeError.
    """
    struct = PAYLOAD_TYPES.get(kind)
    if struct is None:
        raise UnknownEventTypeError(
            f"There is no event type {kind!r}.", hint=f"Known: {', '.join(PAYLOAD_TYPES)}."
        )
    try:
        msgspec.convert({**payload, "type": kind}, struct)
        data = _encoder.encode(payload)
    except (msgspec.ValidationError, TypeError, UnicodeEncodeError) as error:
        raise InvalidPayloadError(f"The payload of {kind} is not valid: {error}") from error
    if len(data) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(
            f"The payload of {kind} has {len(data)} bytes, over {MAX_PAYLOAD_BYTES}.",
            hint="Store it as an artifact and refer to it.",
        )
    return data
