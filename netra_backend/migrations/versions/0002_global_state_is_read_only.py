"""Row-level security: the platform alone writes global state, and an empty setting is nobody.

On SQLite nothing changes.
"""

from alembic import op

from netra_core.database.row_security import secure_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OWNERS = {
    "analyses": "workspace",
    "approvals": "user",
    "event_runs": "user",
    "event_streams": "user",
    "events": "user",
    "imports": "workspace",
    "messages": "user",
    "opportunities": "workspace",
    "pauses": "workspace",
    "runs": "user",
    "state_changes": "state",
    "state_entries": "state",
    "state_fences": "state",
    "threads": "user",
}


def upgrade() -> None:
    """Put the policies as they are now in place of the first ones."""
    for table, owner in OWNERS.items():
        secure_table(op.get_bind(), table, owner)


def downgrade() -> None:
    """Nothing: the release before works under these policies too."""
