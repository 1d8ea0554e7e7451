"""The configuration's tables as part of the platform database, for its migrations."""

from netra_core.configuration.sql_store import head_table, revisions_table
from netra_core.database.metadata import PLATFORM

configuration_revisions = revisions_table.to_metadata(PLATFORM)
"""Every revision; append-only, hash-chained, sealed. Secrets are ciphertext."""

configuration_head = head_table.to_metadata(PLATFORM)
"""The record of the last revision, kept apart from the rows."""
