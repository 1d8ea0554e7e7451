"""Values of the shared state: JSON, encoded on the way in and decoded anew on the way out."""

from math import isfinite

import msgspec

from netra_core.state.errors import StateValueError
from netra_core.state.types import JsonValue

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def encode(value: JsonValue) -> bytes:
    """A value's JSON. Raises StateValueError for what JSON cannot hold."""
    try:
        data = _encoder.encode(value)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise StateValueError(
            f"a value of type {type(value).__name__} is not JSON: {error}"
        ) from error
    if b"null" in data and _has_no_number(value):  # what the encoder makes of one
        raise StateValueError("NaN and infinity are not JSON")
    return data


def _has_no_number(value: JsonValue) -> bool:
    waiting = [value]  # no recursion: what the encoder took may be nested deeper than calls
    while waiting:
        match waiting.pop():
            case float() as number if not isfinite(number):
                return True
            case dict() as inner:
                waiting.extend(inner.values())
            case list() | tuple() | set() | frozenset() as inner:
                waiting.extend(inner)
            case _:
                pass
    return False


def decode(data: bytes | None) -> JsonValue:
    """A value of its own, shared with nobody."""
    return None if data is None else _decoder.decode(data)
