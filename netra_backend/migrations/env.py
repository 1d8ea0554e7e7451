"""Alembic's way in: everything is handed over by the migration runner."""

from netra_core.database.migrations import run_environment

run_environment()
