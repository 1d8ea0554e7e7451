"""Tables of the shared state."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from netra_core.database.metadata import PLATFORM, rows_of


def _text(length: int) -> String:
    """Text ordered by code point on both databases."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _address() -> list[Column[str]]:
    return [
        Column("scope", _text(16), nullable=False),
        Column("workspace_id", _text(64), nullable=False),
        Column("user_id", _text(64), nullable=False),
        Column("subject", _text(400), nullable=False),
        Column("key", _text(512), nullable=False),
    ]


_ADDRESS = ("scope", "workspace_id", "user_id", "subject", "key")

state_entries = Table(
    "state_entries",
    PLATFORM,
    *_address(),
    Column("data", Text),
    Column("version", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("updated_by", String(200), nullable=False),
    Column("expires_at", Float(53)),
    PrimaryKeyConstraint(*_ADDRESS),
    Index(
        "ix_state_entries_expires_at",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL"),
        postgresql_where=text("expires_at IS NOT NULL"),
    ),
    info=rows_of("state"),
    sqlite_with_rowid=False,
)
"""Each key as it stands. `data` is JSON, null once deleted: the row stays, versions go on."""

state_changes = Table(
    "state_changes",
    PLATFORM,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    *_address(),
    Column("operation", String(8), nullable=False),
    Column("data", Text),
    Column("version", BigInteger, nullable=False),
    Column("at", Float(53), nullable=False),
    Column("by", String(200), nullable=False),
    Column("expires_at", Float(53)),
    Index("ix_state_changes_address", *_ADDRESS, "version"),
    info=rows_of("state"),
)
"""History of every key and feed of all changes, in one order."""

state_clock = Table(
    "state_clock",
    PLATFORM,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("floor", BigInteger, nullable=False),
    info=rows_of("none"),
)
"""One row: the newest revision, and the newest that compaction removed. Taken first by every
writer, so that revisions become visible in their order and writers never lock crosswise."""

state_fences = Table(
    "state_fences",
    PLATFORM,
    *_address(),
    Column("token", BigInteger, nullable=False),
    PrimaryKeyConstraint(*_ADDRESS),
    info=rows_of("state"),
)
"""The newest fence of each name; `key` is the fence's name."""
