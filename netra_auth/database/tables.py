"""Tables of the auth service. Times are Unix milliseconds; secrets are stored as digests only."""

from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from netra_core.database.metadata import NAMING, rows_of

metadata = MetaData(naming_convention=NAMING)

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""A row whose columns are read by name; Any because the columns differ by query."""

_ID = String(64)
_DIGEST = LargeBinary(32)


def _owner(table: str) -> Column[str]:
    name = {"users": "user_id", "workspaces": "workspace_id", "sessions": "session_id"}[table]
    return Column(
        name, _ID, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, index=True
    )


users = Table(
    "users",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("password_hash", Text),
    Column("email_verified_at", BigInteger),
    Column("disabled_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    info=rows_of("none"),
)

identities = Table(
    "identities",
    metadata,
    Column("id", _ID, primary_key=True),
    _owner("users"),
    Column("issuer", String(500), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("email", String(320)),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("issuer", "subject"),
    info=rows_of("none"),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(250), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    info=rows_of("none"),
)

memberships = Table(
    "memberships",
    metadata,
    _owner("workspaces"),
    _owner("users"),
    Column("role", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "user_id"),
    info=rows_of("none"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", _ID, primary_key=True),
    _owner("workspaces"),
    Column("email", String(320), nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", _DIGEST, nullable=False, unique=True),
    Column("invited_by", _ID),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("accepted_at", BigInteger),
    Column("revoked_at", BigInteger),
    info=rows_of("none"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", _ID, primary_key=True),
    _owner("users"),
    Column("workspace_id", _ID, nullable=False),
    Column("method", String(80), nullable=False),
    Column("client", String(200), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("idle_expires_at", BigInteger, nullable=False),
    Column("absolute_expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("end_reason", String(32)),
    info=rows_of("none"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    _owner("sessions"),
    Column("generation", Integer, nullable=False),
    Column("spent_at", BigInteger),
    Column("sealed", LargeBinary),
    UniqueConstraint("session_id", "generation"),
    info=rows_of("none"),
)

mail_tokens = Table(
    "mail_tokens",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("user_id", _ID, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("email", String(320)),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    info=rows_of("none"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _ID, primary_key=True),
    _owner("users"),
    _owner("workspaces"),
    Column("name", String(200), nullable=False),
    Column("digest", _DIGEST, nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
    info=rows_of("none"),
)

service_credentials = Table(
    "service_credentials",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("digest", _DIGEST, nullable=False, unique=True),
    Column("scopes", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    info=rows_of("none"),
)

oauth_logins = Table(
    "oauth_logins",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("browser", _DIGEST, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("issuer", String(500), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("next_path", String(500), nullable=False),
    Column("link_user_id", _ID),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    info=rows_of("none"),
)

heads = Table(
    "heads",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("digest", _DIGEST, nullable=False),
    info=rows_of("none"),
)
"""One row a sequence (`changes`, `audit`): locked while its next number is given out."""

changes = Table(
    "changes",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("user_id", _ID, nullable=False),
    Column("session_id", _ID),
    Column("workspace_id", _ID),
    Column("at", BigInteger, nullable=False),
    info=rows_of("none"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("event", String(64), nullable=False),
    Column("actor", String(64)),
    Column("subject", String(64)),
    Column("workspace", String(64)),
    Column("source", String(64)),
    Column("detail", Text, nullable=False),
    Column("previous", _DIGEST, nullable=False),
    Column("digest", _DIGEST, nullable=False),
    info=rows_of("none"),
)

pseudonyms = Table(
    "pseudonyms",
    metadata,
    Column("user_id", _ID, primary_key=True),
    Column("pseudonym", String(64), nullable=False, unique=True),
    info=rows_of("none"),
)
"""The only link from the audit log to a person; deleting the row erases it."""

login_failures = Table(
    "login_failures",
    metadata,
    Column("key", _DIGEST, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("blocked_until", BigInteger, nullable=False),
    Column("forget_at", BigInteger, nullable=False, index=True),
    info=rows_of("none"),
)

Index("ix_changes_at", changes.c.at)
