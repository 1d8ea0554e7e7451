"""The platform's first tables."""

from alembic import op

from netra_backend.migrations.runner import platform_metadata
from netra_core.database.row_security import secure_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and their row-level security."""
    metadata = platform_metadata()
    metadata.create_all(op.get_bind())
    secure_tables(op.get_bind(), metadata.sorted_tables)


def downgrade() -> None:
    """Drop the tables."""
    platform_metadata().drop_all(op.get_bind())
