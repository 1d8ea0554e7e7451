"""What is removed for good, and was."""

import sqlalchemy as sa
from alembic import op

from netra_core.database.row_security import secure_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its row-level security."""
    op.create_table(
        "removals",
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("chosen", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("calls_before", sa.BigInteger(), nullable=True),
        sa.Column("calls_removed", sa.BigInteger(), nullable=True),
        sa.Column("calls_after", sa.BigInteger(), nullable=True),
        sa.Column("first_removed", sa.String(length=40), nullable=True),
        sa.Column("last_removed", sa.String(length=40), nullable=True),
        sa.Column("error_code", sa.String(length=32), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("node", sa.String(length=128), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_removals")),
    )
    op.create_index("ix_removals_owner", "removals", ["workspace_id", "created_at"])
    secure_table(op.get_bind(), "removals", "workspace")


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("removals")
