"""Conflict policies: what becomes of a write that meets another one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from netra_core.state.errors import StatePolicyError
from netra_core.state.types import JsonValue

MergeFunction: TypeAlias = Callable[[JsonValue, JsonValue, JsonValue], JsonValue]
"""merge(base, theirs, mine): pure, may run several times; base is None when it is not known."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A version given that is not there raises StateConflictError. The default."""


@dataclass(frozen=True, slots=True)
class LastWriter:
    """The later write stands, whatever version it expected."""


@dataclass(frozen=True, slots=True)
class Merge:
    """On a conflict `function(base, theirs, mine)` is written instead."""

    function: MergeFunction


@dataclass(frozen=True, slots=True)
class Accumulate:
    """Each write adds to what is there: appends an item, keeps the maximum, adds a number."""

    kind: Literal["append", "max", "counter"]


Policy: TypeAlias = Reject | LastWriter | Merge | Accumulate

REJECT = Reject()
LAST_WRITER = LastWriter()
APPEND = Accumulate("append")
MAX = Accumulate("max")
COUNTER = Accumulate("counter")


def merge(function: MergeFunction) -> Merge:
    """The policy that resolves conflicts by a function."""
    return Merge(function)


def accumulate(kind: str, current: JsonValue, given: JsonValue, *, absent: bool) -> JsonValue:
    """What an accumulating key holds after `given` arrives. Raises StatePolicyError."""
    match kind:
        case "append":
            held = [] if absent else current
            if not isinstance(held, list):
                raise StatePolicyError(f"an appending key holds a list, not {type(held).__name__}")
            return [*held, given]
        case "max":
            number = _number(given)
            return number if absent else max(_number(current), number)
        case "counter":
            return _number(given) + (0 if absent else _number(current))
        case _:
            raise StatePolicyError(f"unknown policy {kind!r}")


def _number(value: JsonValue) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise StatePolicyError(f"this key holds a number, not {type(value).__name__}")
    return value
