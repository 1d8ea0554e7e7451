"""How evidence names its rows: the query that gives them from the usage store."""

from netra_optimizer.levers.base import Segment


def where(segment: Segment, extra: str = "") -> str:
    """SQL over the tenant's `usage` that gives the segment's rows."""
    clauses = [
        f"{key} = {_quoted(value)}" for key, value in segment.scope.items() if key in _COLUMNS
    ]
    if extra:
        clauses.append(extra)
    return "SELECT * FROM usage WHERE " + (" AND ".join(clauses) or "1")


_COLUMNS = frozenset({"feature", "model", "provider", "team", "user"})


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
