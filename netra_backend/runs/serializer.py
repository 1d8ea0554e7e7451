"""What durable steps record, as JSON: values as they are, exceptions by code and message."""

from typing import Any

import msgspec
from dbos import Serializer

from netra_backend.errors import StepFailedError

_ERROR_KEY = "__error__"


class StepSerializer(Serializer):
    """JSON for values, and a tagged object for exceptions.

    A recorded exception comes back as StepFailedError with the original's text: a class that has
    moved or gone cannot break a run that recorded it.
    """

    def name(self) -> str:
        """The name under which DBOS notes what encoded a value."""
        return "apex_json"

    def serialize(self, data: Any) -> str:
        """Encode; tuples become lists, exceptions their tagged object."""
        return msgspec.json.encode(data, enc_hook=_encode).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """Decode what `serialize` made."""
        value = msgspec.json.decode(serialized_data)
        if isinstance(value, dict) and _ERROR_KEY in value:
            error: dict[str, str] = value[_ERROR_KEY]
            return StepFailedError(f"{error['type']}: {error['message']}")
        return value


def _encode(value: object) -> object:
    if isinstance(value, BaseException):
        return {_ERROR_KEY: {"type": type(value).__name__, "message": str(value)}}
    raise TypeError(f"a durable step cannot record a {type(value).__name__}")
