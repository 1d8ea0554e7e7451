"""The auth database: tables, transactions, migrations."""

from netra_auth.database.engine import AuthDatabaseManager

__all__ = ["AuthDatabaseManager"]
