"""What of arguments and answers may stand in an event: no secret, nothing too large."""

import re
from typing import Any, Final

import msgspec

from netra_core.events.types import JsonObject

MAX_SHOWN_BYTES: Final = 8 * 1024
_SECRET = re.compile(r"secret|password|passwd|api_?key|authorization|credential|token$", re.I)
_MASK = "***"
_MAX_TEXT = 500


def redact(args: JsonObject) -> JsonObject:
    """A copy with secrets masked by their name, long texts cut, anything not JSON named by type."""
    return {key: _safe(key, value) for key, value in args.items()}


def shown(value: Any) -> Any:  # Any: JSON in, JSON out
    """The answer as it is when small; its size and its keys when not."""
    size = len(msgspec.json.encode(value))
    if size <= MAX_SHOWN_BYTES:
        return value
    keys = sorted(value) if isinstance(value, dict) else None
    return {"bytes": size, "keys": keys}


def _safe(key: str, value: Any) -> Any:  # Any: JSON in, JSON out
    if _SECRET.search(key):
        return _MASK
    match value:
        case dict():
            return {str(k): _safe(str(k), v) for k, v in value.items()}
        case list() | tuple():
            return [_safe(key, item) for item in value[:50]]
        case str():
            return value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT] + "…"
        case None | bool() | int() | float():
            return value
        case msgspec.Struct():
            return _safe(key, msgspec.to_builtins(value))
        case _:
            return f"<{type(value).__name__}>"
