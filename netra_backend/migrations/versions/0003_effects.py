"""The ledger of effects."""

import sqlalchemy as sa
from alembic import op

from netra_core.database.row_security import secure_table

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its row-level security."""
    op.create_table(
        "effects",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("call", sa.String(length=300), nullable=False),
        sa.Column("workspace_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("tool", sa.String(length=200), nullable=False),
        sa.Column("by_run", sa.String(length=64), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "call", name=op.f("pk_effects")),
    )
    secure_table(op.get_bind(), "effects", "user")


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("effects")
