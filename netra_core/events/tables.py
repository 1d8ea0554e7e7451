"""Tables of the event log."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from netra_core.database.metadata import PLATFORM, rows_of

event_streams = Table(
    "event_streams",
    PLATFORM,
    Column("workspace_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("epoch", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "user_id"),
    info=rows_of("user"),
)
"""Where each stream stands; `last_ms` is its newest time stamp in milliseconds UTC."""

event_runs = Table(
    "event_runs",
    PLATFORM,
    Column("run_id", String(64), primary_key=True),
    Column("workspace_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("run_seq", BigInteger, nullable=False),
    info=rows_of("user"),
)
"""Whose each run is, and how many events it has."""

events = Table(
    "events",
    PLATFORM,
    Column("workspace_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("epoch", String(64), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("v", Integer, nullable=False),
    Column("type", String(64), nullable=False),
    Column("thread_id", String(64), nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("run_seq", BigInteger, nullable=False),
    Column("step", String(200), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("agent_name", String(200), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("erased", Boolean, nullable=False),
    PrimaryKeyConstraint("workspace_id", "user_id", "seq"),
    UniqueConstraint("run_id", "step", "ordinal"),
    info=rows_of("user"),
    sqlite_with_rowid=False,
)
"""The log. Rows are never removed; an erased one keeps its place with an empty payload. A run is
found by its unique key: sorting its few events costs less than one more index on every append."""
