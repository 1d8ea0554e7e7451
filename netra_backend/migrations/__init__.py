"""Migrations of the platform database."""

from netra_backend.migrations.runner import migrate_platform, platform_migrations

__all__ = ["migrate_platform", "platform_migrations"]
