"""Alembic environment: runs on the connection it is handed, never opens one."""

from netra_core.database.migrations import run_environment

run_environment()
