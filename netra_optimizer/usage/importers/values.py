"""Values as sources write them: times in every spelling, counts, text."""

import ast
import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from netra_optimizer.usage.batch import EPOCH, MICROSECOND
from netra_optimizer.usage.importers.base import (
    BAD_TIME,
    BAD_TOKENS,
    CONTENT_ID,
    NEGATIVE_TOKENS,
    NO_TIME,
    RowRefused,
)

_LONGEST_LITERAL: Final = 1 << 20
MAX_TOKENS: Final = 10**12
HOUR_MS: Final = 3_600_000.0
"""What took so long is a stretch of time that is summed, where the row counts requests."""
_YES: Final = frozenset({"true", "yes", "t", "y"})
_UNITS: Final = ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3), (0, 1))
"""An epoch number at least this large counts so many to the second."""
_FARTHEST: Final = 1e22
"""No epoch number is larger, whatever its unit; compared so that nan and infinity are none."""
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_FIRST_DAY, _LAST_DAY = 19900101, 22000101
"""Whole numbers between are days, written without dashes: as seconds they were in 1970."""
_WRITTEN: Final = (
    (
        re.compile(r"\d\d?/"),
        (
            "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y, %H:%M:%S", "%m/%d/%Y %I:%M:%S %p",
            "%m/%d/%Y, %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y, %I:%M:%S.%f %p", "%m/%d/%Y",
            "%d/%b/%Y:%H:%M:%S %z",
        ),
    ),
    (re.compile(r"\d{4}/"), ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d")),
    (re.compile(r"\d{4}-"), ("%Y-%m-%d %I:%M:%S %p",)),
    (
        re.compile(r"\d\d?\."),
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y, %H:%M:%S", "%d.%m.%Y"),
    ),
    (re.compile(r"\d\d?\s"), ("%d %b %Y %H:%M:%S", "%d %b %Y")),
    (
        re.compile(r"[^\W\d]\S*\s+\d"),
        (
            "%b %d, %Y %H:%M:%S", "%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %I:%M:%S %p", "%b %d, %Y",
            "%b %d, %Y @ %H:%M:%S.%f",
        ),
    ),
    (
        re.compile(r"[^\W\d]{3}\s+[^\W\d]{3}\s+\d"),
        ("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S UTC %Y"),
    ),
)  # fmt: skip
"""Ways to write a time, by how such a text begins: trying one takes microseconds."""
_NOTHING: Final = frozenset({"", "null", "none", "nan", "na", "n/a", "-"})
"""What tables write where there is no count."""
_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+([eE][+-]?\d+)?")
_MAIL: Final = re.compile(r"[A-Z][a-z]{2}, \d")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_SPACED_ZONE: Final = re.compile(r"\s*(UTC|Z|GMT)$", re.IGNORECASE)
_SPACED_OFFSET: Final = re.compile(r"\s+([+-]\d\d):?(\d\d)$")
_NAMED_ZONE: Final = re.compile(r"(?<=[+-]\d{4}) [A-Z]{3,4}$|\[[A-Za-z/_]+\]$")
"""The name of a zone behind its offset, as Go and Java write both."""


def moment(value: object, zone: tzinfo = UTC) -> datetime:
    """A time: ISO 8601 in its many spellings, epoch seconds to nanoseconds, datetime.

    Raises RowRefused when there is none or it is no time between 1990 and 2200.
    """
    found = _moment(value, zone)
    if not _EARLIEST <= found < _LATEST:
        raise RowRefused(BAD_TIME)
    return found


def optional_moment(value: object, zone: tzinfo = UTC) -> datetime | None:
    """A time, None where there is none or none that can be read."""
    try:
        return moment(value, zone)
    except RowRefused:
        return None


def _moment(value: object, zone: tzinfo) -> datetime:
    if isinstance(value, Mapping):
        value = _wrapped_time(value)
    if isinstance(value, list) and len(value) == 2 and {*map(type, value)} == {int}:
        value = value[0] * 10**9 + value[1]  # seconds and nanoseconds, as JavaScript's spans
    if isinstance(value, str):
        value = value.strip()
        if not value:
            raise RowRefused(NO_TIME)
        if not _NUMBER.fullmatch(value):
            return _parsed(value, zone)
        value = float(value) if "." in value or "e" in value.lower() else int(value)
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if type(value) is int and _FIRST_DAY <= value < _LAST_DAY:
        return _parsed(str(value), zone)
    if isinstance(value, bool) or value is None:
        raise RowRefused(NO_TIME)
    if isinstance(value, int | float):
        return _epoch(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=zone).astimezone(UTC)
    raise RowRefused(BAD_TIME)


def _wrapped_time(value: Mapping[str, Any]) -> object:
    """The time in the object that a database makes of one: MongoDB's, Firestore's."""
    seconds = first(value, ("_seconds", "seconds"))
    if isinstance(seconds, int | str):
        return seconds
    found = value.get("$date")
    return found.get("$numberLong") if isinstance(found, Mapping) else found


def _parsed(text: str, zone: tzinfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = _loosely(text)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _loosely(text: str) -> datetime:
    offset = _NAMED_ZONE.sub("", text)
    plain = _SPACED_OFFSET.sub(r"\1:\2", _SPACED_ZONE.sub("+00:00", offset))
    try:
        return datetime.fromisoformat(plain)
    except ValueError:
        pass
    if _MAIL.match(text):
        try:
            return parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            raise RowRefused(BAD_TIME) from None
    for beginning, forms in _WRITTEN:
        for form in forms if beginning.match(text) else ():
            try:
                return datetime.strptime(text, form)
            except ValueError:
                continue
    raise RowRefused(BAD_TIME)


def _epoch(value: float) -> datetime:
    if not abs(value) < _FARTHEST:
        raise RowRefused(BAD_TIME)
    per_second = next(unit for floor, unit in _UNITS if abs(value) >= floor)
    try:
        if isinstance(value, int):
            return EPOCH + timedelta(microseconds=value * 10**6 // per_second)
        return EPOCH + timedelta(microseconds=round(value / per_second * 10**6))
    except OverflowError:
        raise RowRefused(BAD_TIME) from None


def count(value: object, missing: int = 0) -> int:
    """Tokens: a whole number that is not negative; `missing` for null, absent or empty.

    Raises RowRefused for anything else.
    """
    if type(value) is int:
        found = value
    elif value is None or value == "":
        return missing
    else:
        found = _whole(value)
    if found < 0:
        raise RowRefused(NEGATIVE_TOKENS)
    if found > MAX_TOKENS:
        raise RowRefused(BAD_TOKENS)
    return found


def has_count(value: object) -> bool:
    """Whether a count is given at all."""
    if isinstance(value, str):
        return value.strip().lower() not in _NOTHING
    return value is not None and value == value  # nan is none


def _whole(value: object) -> int:
    if isinstance(value, str):
        if value.strip().lower() in _NOTHING:
            return 0
        found = _parsed_number(value.strip().replace("_", ""))
        if found is None:
            raise RowRefused(BAD_TOKENS)
        value = found
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowRefused(BAD_TOKENS)
    if isinstance(value, float) and math.isnan(value):
        return 0
    if not math.isfinite(value) or value != int(value):
        raise RowRefused(BAD_TOKENS)
    return int(value)


def number(value: object) -> float | None:
    """A finite number, None where there is none."""
    if value is None:
        return None
    if isinstance(value, str):
        value = _parsed_number(value.strip().strip("$€ "))
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond every float
        return None


def _parsed_number(text: str) -> float | None:
    """The number a text writes: plain, with thousands set apart, or with a decimal comma."""
    if "," in text:
        if _THOUSANDS.fullmatch(text):
            text = text.replace(",", "")
        elif _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(".", "").replace(",", ".")
        else:
            return None
    try:
        return float(text)
    except ValueError:
        return None


def positive(value: object) -> float | None:
    """A finite number of at least zero, None where there is none (a duration, a cost)."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def text(value: object) -> str:
    """Text; empty for null; numbers as written; nested values as JSON."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, dict | list):
        return canonical(value)
    return str(value)


def texts(value: object) -> tuple[str, ...]:
    """A list of texts, from a list, a list in text (JSON, PostgreSQL), or text with commas."""
    if isinstance(value, str):
        value = value.strip()
        if value.startswith("{") and value.endswith("}"):
            value = next(csv.reader([value[1:-1]]), [])
            return tuple(filter(None, value))
        if value.startswith("["):
            value = json_or(value, [])
        else:
            value = [part.strip() for part in value.split(",")]
    if not isinstance(value, Sequence):
        return ()
    return tuple(found for item in value if (found := text(item)))


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object, also written as text or as a map of Parquet; empty where there is none."""
    if value is None:
        return {}
    if type(value) is dict:
        return value
    if isinstance(value, str):
        found = (json_or(value, None) or _literal(value)) if value.lstrip()[:1] == "{" else None
        return found if isinstance(found, Mapping) else {}
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return {text(pair[0]): pair[1] for pair in value if len(pair) == 2}
    return {}


def _literal(value: str) -> Any:
    """What Python writes of an object where a table has it as text."""
    if "'" not in value or len(value) > _LONGEST_LITERAL:
        return None
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def json_or(value: str, fallback: Any) -> Any:
    """The JSON value in a text, or the fallback."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return fallback


def first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first of these columns that holds something."""
    for name in names:
        if name in row and (value := row[name]) is not None and value != "":
            return value
    return None


def canonical(value: object) -> str:
    """JSON with sorted keys."""
    return msgspec.json.encode(value, order="sorted").decode()


def is_yes(value: object) -> bool:
    """Whether a cell says yes."""
    return text(value).strip().lower() in _YES


def milliseconds(start: datetime | None, end: datetime | None) -> float | None:
    """Time between two moments, None where one is missing or they are out of order."""
    if start is None or end is None or end < start:
        return None
    return (end - start) / MICROSECOND / 1000


def digest(*parts: object) -> str:
    """A stable 128-bit name of the parts, 32 hex digits."""
    joined = "\x1f".join(part if isinstance(part, str) else repr(part) for part in parts)
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def content_id(*parts: object) -> str:
    """The id of a row whose source gives none. Equal rows are told apart later, by counting."""
    return f"{CONTENT_ID}{digest(*parts)}"
