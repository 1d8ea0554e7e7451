"""The platform's own tables: threads, messages, runs, imports, analyses and what steers them.

Every table that holds something of a person or a workspace leads with `workspace_id` (and
`user_id` where it is private), so that a query and row-level security bind the same columns.
Times are UTC, aware.
"""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from netra_core.database.metadata import PLATFORM, rows_of


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on every database; SQLite keeps it naive, reading makes it aware again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: their zone is unknown here."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive time cannot be stored: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = PLATFORM
ID = String(64)
_USER: Final = rows_of("user")
_WORKSPACE: Final = rows_of("workspace")

threads = Table(
    "threads",
    metadata,
    Column("id", ID, primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("title", String(200), nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_threads_owner", "workspace_id", "user_id", "updated_at"),
    info=_USER,
)

messages = Table(
    "messages",
    metadata,
    Column("id", ID, primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("thread_id", ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("run_id", ID, nullable=True),
    Column("client_message_id", String(128), nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("workspace_id", "user_id", "client_message_id", name="uq_messages_client_id"),
    UniqueConstraint("thread_id", "position", name="uq_messages_position"),
    info=_USER,
)

runs = Table(
    "runs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("thread_id", ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("format", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("question", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("session_id", ID, nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=True),
    Column("ended_at", UtcDateTime, nullable=True),
    Column("node", String(128), nullable=True),
    Column("fence", Integer, nullable=False),
    Column("cancel_reason", String(200), nullable=True),
    Column("error_code", String(32), nullable=True),
    Column("error_message", Text, nullable=True),
    Column("report", JSON, nullable=True),
    Column("usage", JSON, nullable=True),
    Column("forked_from", ID, nullable=True),
    Column("steps_from", ID, nullable=True),
    Index("ix_runs_owner", "workspace_id", "user_id", "created_at"),
    Index("ix_runs_thread", "thread_id", "created_at"),
    Index("ix_runs_status", "status", "created_at"),
    info=_USER,
)

imports = Table(
    "imports",
    metadata,
    Column("id", ID, primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("file_name", String(255), nullable=False),
    Column("path", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("format", String(64), nullable=True),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_kept", BigInteger, nullable=False),
    Column("bytes_read", BigInteger, nullable=False),
    Column("bytes_total", BigInteger, nullable=False),
    Column("audit", JSON, nullable=True),
    Column("error_code", String(32), nullable=True),
    Column("error_message", Text, nullable=True),
    Column("node", String(128), nullable=True),
    Column("cancel_reason", String(200), nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=True),
    Column("begun", Integer, nullable=False, server_default=text("0")),
    Index("ix_imports_owner", "workspace_id", "created_at"),
    info=_WORKSPACE,
)

analyses = Table(
    "analyses",
    metadata,
    Column("id", ID, primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("run_id", ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("question", Text, nullable=False),
    Column("headline", Text, nullable=False),
    Column("report", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_analyses_owner", "workspace_id", "created_at"),
    info=_WORKSPACE,
)

opportunities = Table(
    "opportunities",
    metadata,
    Column("analysis_id", ID, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("lever", String(64), nullable=False),
    Column("status", String(32), nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_opportunities_owner", "workspace_id", "created_at"),
    info=_WORKSPACE,
)

pauses = Table(
    "pauses",
    metadata,
    Column("workspace_id", ID, primary_key=True),
    Column("scope", String(16), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("reason", String(200), nullable=False),
    Column("paused_by", ID, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    info=_WORKSPACE,
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", ID, primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("run_id", ID, nullable=False),
    Column("title", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("decided_by", ID, nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime, nullable=True),
    Index("ix_approvals_owner", "workspace_id", "user_id", "status"),
    info=_USER,
)

effects = Table(
    "effects",
    metadata,
    Column("run_id", ID, primary_key=True),
    Column("call", String(300), primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("tool", String(200), nullable=False),
    Column("by_run", ID, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("outcome", JSON(none_as_null=True), nullable=True),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime, nullable=True),
    info=_USER,
)
"""What tools were about to do outside; without an outcome it may have happened. `run_id` is the
first of the runs that go on from each other, `by_run` the one that began it last."""

removals = Table(
    "removals",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("workspace_id", ID, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("chosen", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("calls_before", BigInteger, nullable=True),
    Column("calls_removed", BigInteger, nullable=True),
    Column("calls_after", BigInteger, nullable=True),
    Column("first_removed", String(40), nullable=True),
    Column("last_removed", String(40), nullable=True),
    Column("error_code", String(32), nullable=True),
    Column("error_message", Text, nullable=True),
    Column("node", String(128), nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=True),
    Index("ix_removals_owner", "workspace_id", "created_at"),
    info=_WORKSPACE,
)
"""Which calls were removed for good, when and by which rule. `user_id` is who asked; empty: a
setting did."""

nodes = Table(
    "nodes",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("incarnation", ID, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
    info=rows_of("none"),
)
"""Which nodes live. No owner: it holds no data of anybody."""
