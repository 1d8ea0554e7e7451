"""How evidence names its rows: the query that gives them from the usage store."""

from typing import Final

from netra_optimizer.levers.base import Segment
from netra_optimizer.usage.schema import USAGE_TABLE

_COLUMNS: Final = frozenset({"feature", "model", "provider", "team", "user", "operation"})


def where(segment: Segment, extra: str = "") -> str:
    """SQL that gives the segment's rows; the tenant is bound by the store."""
    clauses = ["tenant = {tenant:String}"]
    clauses += [
        f"{key} = {_quoted(value)}" for key, value in segment.scope.items() if key in _COLUMNS
    ]
    if not segment.feature:
        clauses.append("feature = ''")
    if segment.condition:
        clauses.append(segment.condition)
    if extra:
        clauses.append(extra)
    return f"SELECT * FROM {USAGE_TABLE} WHERE {' AND '.join(clauses)} ORDER BY start, id"


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
