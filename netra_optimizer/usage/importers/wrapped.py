"""Rows as collectors of logs and databases hand them on: the line inside, the values alone."""

from collections.abc import Mapping
from typing import Any, Final

from netra_optimizer.usage.importers.values import mapping
from netra_optimizer.usage.sources.rows import Row

_AS_TEXT: Final = ("message", "@message", "log", "MESSAGE", "body", "msg", "line")
"""Keys under which CloudWatch, Docker, journald and others keep a line of JSON."""
_AS_OBJECT: Final = ("jsonPayload", "_source", "extra", "fields", "Item", "attributes")
"""Keys under which Cloud Logging, Elasticsearch, loggers, DynamoDB and Datadog keep its fields."""
WRAPPERS: Final = frozenset({*_AS_TEXT, *_AS_OBJECT})
_DEEP: Final = 3
_TYPES: Final = frozenset(
    {
        "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$oid", "S", "N", "BOOL",
        "NULL", "M", "L",
    }
)  # fmt: skip
"""Keys by which MongoDB and DynamoDB say what kind a value is."""


def logged(row: Row, depth: int = _DEEP) -> Row:
    """What a line says that a collector of logs wrapped, beside the collector's own fields."""
    for key in (*_AS_TEXT, *_AS_OBJECT) if depth and not WRAPPERS.isdisjoint(row) else ():
        value = row.get(key)
        if isinstance(value, str if key in _AS_TEXT else Mapping) and (inner := mapping(value)):
            around = {name: held for name, held in row.items() if name != key}
            return logged({**around, **inner}, depth - 1)
    return untyped(row)


def untyped(row: Row) -> Row:
    """The row with plain values where a database named the kind of each."""
    if not (held := [value for value in row.values() if type(value) is dict]):
        return row
    deeper = [value for inner in held for value in inner.values() if type(value) is dict]
    if not any(map(_typed, (*held, *deeper))):
        return row
    return {key: _plain(value) for key, value in row.items()}


def _typed(value: object) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and not _TYPES.isdisjoint(value)


def _plain(value: Any) -> Any:
    """Any: a value of any kind."""
    if isinstance(value, Mapping):
        if not _typed(value):
            return {key: _plain(held) for key, held in value.items()}
        kind, held = next(iter(value.items()))
        return None if kind == "NULL" else _plain(held)
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return value
