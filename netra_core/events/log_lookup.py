"""Finding many streams or runs at once, by one statement whatever their number.

An IN list of its own length for each group would be compiled by SQLAlchemy and prepared by the
server anew for each; here the keys are one parameter (JSON on SQLite, arrays on PostgreSQL).
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection, Row

from netra_core.events.port import Stream

AnyRow: TypeAlias = Row[*tuple[Any, ...]]  # Any: columns of text and of numbers
_STREAMS: Final = {
    "sqlite": (
        "SELECT s.workspace_id, s.user_id, s.epoch, s.seq, s.last_ms"
        " FROM json_each(?) AS wanted CROSS JOIN event_streams AS s"
        " ON s.workspace_id = json_extract(wanted.value, '$[0]')"
        " AND s.user_id = json_extract(wanted.value, '$[1]')"
    ),
    "postgresql": (
        "SELECT s.workspace_id, s.user_id, s.epoch, s.seq, s.last_ms FROM event_streams AS s"
        " WHERE (s.workspace_id, s.user_id) IN"
        " (SELECT w, u FROM unnest($1::varchar[], $2::varchar[]) AS wanted (w, u))"
    ),
}
_LOCKED: Final = {"sqlite": "", "postgresql": " ORDER BY 1, 2 FOR UPDATE OF s"}
_RUNS: Final = {
    "sqlite": (
        "SELECT r.run_id, r.workspace_id, r.user_id, r.run_seq"
        " FROM json_each(?) AS wanted CROSS JOIN event_runs AS r ON r.run_id = wanted.value"
    ),
    "postgresql": (
        "SELECT r.run_id, r.workspace_id, r.user_id, r.run_seq FROM event_runs AS r"
        " WHERE r.run_id = ANY ($1::varchar[])"
    ),
}


def stream_rows(
    connection: Connection, streams: Collection[Stream], *, lock: bool = False
) -> Sequence[AnyRow]:
    """Rows (workspace_id, user_id, epoch, seq, last_ms) of the streams that are there.

    With `lock` they stay locked until the transaction ends, taken in one order by everybody so
    that two groups never wait for each other.
    """
    dialect = connection.dialect.name
    sql = _STREAMS[dialect] + (_LOCKED[dialect] if lock else "")
    if dialect == "sqlite":
        return connection.exec_driver_sql(sql, (_json(list(streams)),)).all()
    columns = ([workspace for workspace, _ in streams], [user for _, user in streams])
    return connection.exec_driver_sql(sql, columns).all()


def run_rows(connection: Connection, run_ids: Collection[str]) -> Sequence[AnyRow]:
    """Rows (run_id, workspace_id, user_id, run_seq) of the runs that are there."""
    dialect = connection.dialect.name
    keys = list(run_ids)
    parameters: tuple[Any, ...] = (_json(keys),) if dialect == "sqlite" else (keys,)
    return connection.exec_driver_sql(_RUNS[dialect], parameters).all()


def _json(keys: list[Any]) -> str:
    return msgspec.json.encode(keys).decode()
