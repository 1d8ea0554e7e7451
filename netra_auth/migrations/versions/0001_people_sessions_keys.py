"""The first tables."""

from alembic import op
from sqlalchemy import insert

from netra_auth.database.tables import heads, metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    metadata.create_all(op.get_bind())
    rows = [{"name": name, "seq": 0, "digest": bytes(32)} for name in ("audit", "changes")]
    op.get_bind().execute(insert(heads), rows)


def downgrade() -> None:
    """Drop the tables."""
    metadata.drop_all(op.get_bind())
