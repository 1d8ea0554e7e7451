"""Values of the shared state: JSON, encoded on the way in and decoded anew on the way out."""

import msgspec

from netra_core.state.errors import StateValueError
from netra_core.state.types import JsonValue

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def encode(value: JsonValue) -> bytes:
    """A value's JSON. Raises StateValueError for what JSON cannot hold."""
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise StateValueError(
            f"a value of type {type(value).__name__} is not JSON: {error}"
        ) from error


def decode(data: bytes | None) -> JsonValue:
    """A value of its own, shared with nobody."""
    return None if data is None else _decoder.decode(data)
