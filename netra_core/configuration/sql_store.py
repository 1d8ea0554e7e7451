"""Revisions in SQLite or PostgreSQL."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from netra_core.configuration.errors import StoreError, TamperedHistoryError
from netra_core.configuration.revisions import GENESIS_HASH, Action, Change, Head, Revision
from netra_core.configuration.store import conflict
from netra_core.database.url_mask import mask_url
from netra_core.environment import redact_text

metadata: Final = MetaData()

revisions_table: Final = Table(
    "configuration_revisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("service", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("changes", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
    Column("key_id", String(16), nullable=False),
)

head_table: Final = Table(
    "configuration_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
)

_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql"}
_HEAD_ID: Final = 1
MIGRATION_LOCK: Final = 0x61706578
SCHEMA: Final = "platform"
"""Where the tables are on PostgreSQL; SQLite has no schemas."""


def _sync_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(
            "The configuration store's address is no database URL.",
            hint="Use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME in APEX_CONFIG_URL.",
        ) from None
    backend = "postgresql" if parsed.get_backend_name() == "postgres" else parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise StoreError(
            f"A configuration store cannot be kept in {backend!r}.",
            hint="Use SQLite or PostgreSQL.",
        )
    query = {k: v for k, v in parsed.query.items() if k != "ssl"}
    if "ssl" in parsed.query:  # the async driver's word for what libpq calls sslmode
        query["sslmode"] = parsed.query["ssl"]
    if backend == "postgresql":
        query.setdefault("options", f"-csearch_path={SCHEMA}")
        query.setdefault("connect_timeout", "10")
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        _make_folder(Path(str(parsed.database)).parent)
    engine = create_engine(
        parsed.set(drivername=_DRIVERS[backend], query=query),
        pool_pre_ping=backend == "postgresql",
        hide_parameters=True,
    )
    if backend == "sqlite":
        _prepare_sqlite(engine)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"The configuration store's folder {str(folder)!r} cannot be made: {error.strerror}.",
            hint="Check APEX_CONFIG_URL and APEX_HOME.",
        ) from None


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # BEGIN is ours, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class SqlRevisionStore:
    """Revisions in a database, shared by every node that is given the same address.

    Two writers at once: one wins, the other gets RevisionConflictError and looks again.
    """

    def __init__(self, url: str) -> None:
        self._engine = _sync_engine(url)
        self._writer = self._engine.execution_options(writes=True)
        try:
            with self._reported():
                self._has_tables = self._look_for_tables()
                if self._engine.dialect.name == "sqlite":
                    self._make_tables()
        except BaseException:
            self._engine.dispose()
            raise

    def _look_for_tables(self) -> bool:
        return inspect(self._engine).has_table(head_table.name)

    def _make_tables(self) -> None:
        """On PostgreSQL migrations usually did it; a fresh database takes them from here too."""
        if self._has_tables:
            return
        with self._writer.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                # the lock that migrations take: two that create the same table at once would fail
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
                connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
            metadata.create_all(connection, checkfirst=True)
        self._has_tables = True

    def _ready_to_read(self) -> bool:
        if not self._has_tables:
            self._has_tables = self._look_for_tables()
        return self._has_tables

    def head(self) -> Head | None:
        """The record of the last revision."""
        with self._reported():
            if not self._ready_to_read():
                return None
            with self._engine.connect() as connection:
                return self._head(connection)

    @staticmethod
    def _head(connection: Connection) -> Head | None:
        row = connection.execute(select(head_table)).first()
        return Head(row.number, row.hash, row.seal) if row else None

    def read(self, *, after: int = 0) -> Sequence[Revision]:
        """The revisions after this number.

        Raises:
            TamperedHistoryError: a row cannot be read as a revision.
        """
        query = select(revisions_table).where(revisions_table.c.number > after)
        with self._reported():
            if not self._ready_to_read():
                return []
            with self._engine.connect() as connection:
                rows = connection.execute(query.order_by(revisions_table.c.number)).all()
        return [_revision(row) for row in rows]

    def append(self, revision: Revision, head: Head) -> None:
        """Adds a revision and the record that it is the last, in one transaction."""
        with self._reported():
            self._make_tables()
        with self._reported(), self._writer.begin() as connection:
            last = self._head(connection) or Head(0, GENESIS_HASH)
            if (revision.number, revision.previous_hash) != (last.number + 1, last.hash):
                raise conflict(revision.number)
            row = {
                "number": revision.number,
                "at": revision.at.isoformat(),
                "actor": revision.actor,
                "reason": revision.reason,
                "service": revision.service,
                "action": str(revision.action),
                "changes": json.dumps([c.to_json() for c in revision.changes]),
                "previous_hash": revision.previous_hash,
                "hash": revision.hash,
                "seal": revision.seal,
                "key_id": revision.key_id,
            }
            try:
                connection.execute(insert(revisions_table).values(row))
                self._move_head(connection, head)
            except IntegrityError:
                raise conflict(revision.number) from None

    @staticmethod
    def _move_head(connection: Connection, head: Head) -> None:
        values = {"number": head.number, "hash": head.hash, "seal": head.seal}
        moved = connection.execute(
            update(head_table).where(head_table.c.id == _HEAD_ID).values(values)
        )
        if moved.rowcount == 0:
            connection.execute(insert(head_table).values(id=_HEAD_ID, **values))

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    @contextmanager
    def _reported(self) -> Generator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            where = mask_url(self._engine.url)
            why = redact_text(str(getattr(error, "orig", None) or error).splitlines()[0])
            raise StoreError(
                f"The configuration store {where} cannot be used: {why}",
                hint="Check APEX_CONFIG_URL, that the database is up, and `apex db upgrade`.",
            ) from None


def _revision(row: Row[Any]) -> Revision:
    try:
        return Revision(
            number=row.number,
            at=datetime.fromisoformat(row.at),
            actor=row.actor,
            reason=row.reason,
            service=row.service,
            action=Action(row.action),
            changes=tuple(Change.from_json(raw) for raw in json.loads(row.changes)),
            previous_hash=row.previous_hash,
            hash=row.hash,
            seal=row.seal,
            key_id=row.key_id,
        )
    except (ValueError, KeyError, TypeError):
        raise TamperedHistoryError(
            f"Revision {row.number} cannot be read: its row was changed.",
            hint="Restore the configuration from a backup.",
        ) from None
