"""Where each database is: by URL or parts where given, else a file in the home folder."""

from dataclasses import dataclass

from pydantic import SecretStr

from netra_core.configuration import Settings
from netra_core.database.url import DatabaseURLBuilder


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DatabaseUrls:
    """URLs for the drivers that use them; they hold credentials."""

    platform: str
    """For DatabaseSessionManager."""
    auth: str
    """For DatabaseSessionManager."""
    dbos: str
    """For synchronous SQLAlchemy."""


def database_urls(settings: Settings) -> DatabaseUrls:
    """The databases of these settings; the home folder must exist for the embedded ones.

    Raises:
        DatabaseUrlError: what is set cannot be used; says all of it.
    """
    return DatabaseUrls(
        platform=_builder(settings, "platform", settings.database.platform_url).build_for_engine(),
        auth=_builder(settings, "auth", settings.database.auth_url).build_for_engine(),
        dbos=_builder(settings, "dbos", settings.database.dbos_url).build("sync"),
    )


def _builder(settings: Settings, name: str, url: SecretStr | None) -> DatabaseURLBuilder:
    database = settings.database
    # Without an address of its own, a database lives beside the platform's, in its own schema.
    chosen = url or database.platform_url
    values = {
        "DATABASE_URL": _reveal(chosen),
        "POSTGRES_HOST": database.postgres_host,
        "POSTGRES_PORT": str(database.postgres_port) if database.postgres_host else None,
        "POSTGRES_USER": database.postgres_user,
        "POSTGRES_PASSWORD": _reveal(database.postgres_password),
        "POSTGRES_DB": database.postgres_db,
        "APEX_EMBEDDED": "1" if settings.deployment.embedded else None,
    }
    return DatabaseURLBuilder(
        values,
        environment=settings.deployment.environment,
        sqlite_path=settings.paths.home / f"{name}.sqlite",
    )


def _reveal(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
