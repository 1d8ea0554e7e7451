"""Statements in bulk, their values as the driver takes them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Update


class BulkStatement:
    """Runs one statement for many tuples, whose values stand in the order of `names`.

    The statement is compiled once for each dialect; values go to the driver as they are, without
    SQLAlchemy's processing of each, which costs as much as the database's own work. So their types
    must be the driver's: text, numbers, booleans, None.
    """

    def __init__(self, statement: Insert | Update, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = tuple(names)
        self._compiled: dict[str, str] = {}

    def __call__(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run it for each row."""
        dialect = connection.dialect
        sql = self._compiled.get(dialect.name)
        if sql is None:
            compiled = self._statement.compile(dialect=dialect)
            if tuple(compiled.positiontup or ()) != self._names:
                raise ValueError(f"the values stand in the order {compiled.positiontup!r}")
            sql = self._compiled[dialect.name] = str(compiled)
        connection.exec_driver_sql(sql, list(rows))
