"""Opening the configuration of a service: files, secrets of the machine, stored revisions."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from netra_core.configuration.errors import InvalidConfigurationError
from netra_core.configuration.findings import Finding
from netra_core.configuration.keys import Value
from netra_core.configuration.manager import UnifiedConfigurationManager, utc_now
from netra_core.configuration.schema import Settings, Severity
from netra_core.configuration.secrets import KEYS_FOLDER, ensure_secrets
from netra_core.configuration.store import MemoryRevisionStore, RevisionStore, open_store
from netra_core.environment import IsolatedEnvironment

STORE_FILE: Final = "config.sqlite"
VARIABLES_FILE: Final = "apex.env"


def open_configuration(
    env: IsolatedEnvironment,
    *,
    service: str = "",
    overrides: Mapping[str, Value] | None = None,
    file: Path | None = None,
    strict: bool = True,
    read_only: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> UnifiedConfigurationManager:
    """The configuration with its stored revisions; development needs nothing to be set.

    Outside staging and production the secrets of this machine are made when they are missing.
    With `strict` False values that cannot be used are left out and found by `validate`. With
    `read_only` nothing is made: neither folder, nor secrets, nor store.

    Raises:
        InvalidConfigurationError, ConfigurationFileError, EnvironmentFileError,
        TamperedHistoryError, StoreError
    """
    lines = read_variables(env, overrides)
    if strict and lines:
        raise InvalidConfigurationError(lines)
    # what says where the store is cannot come from the store
    first = UnifiedConfigurationManager(env, overrides=overrides, file=file, strict=False)
    settings = first.settings
    return UnifiedConfigurationManager(
        env,
        service=service,
        overrides=overrides,
        generated=_secrets(settings, read_only=read_only),
        store=_store(settings, read_only=read_only),
        file=file,
        clock=clock,
        strict=strict,
        found=lines,
    )


def read_variables(
    env: IsolatedEnvironment, overrides: Mapping[str, Value] | None = None
) -> tuple[Finding, ...]:
    """Sets what the file of variables says and nobody set before; gives its bad lines.

    The file is the one that APEX_ENV_FILE names, else `apex.env` in the home folder if it is there.

    Raises:
        EnvironmentFileError: the file cannot be read.
    """
    settings = UnifiedConfigurationManager(env, overrides=overrides, strict=False).settings
    file = settings.deployment.env_file
    if file is None:
        file = settings.paths.home / VARIABLES_FILE
        if not file.is_file():
            return ()
    return tuple(
        Finding(
            rule="bad_line",
            severity=Severity.CRITICAL,
            key="deployment.env_file",
            source=f"file: {file.name}",
            reason=str(problem),
            remedy="Mend the line: NAME=value, in quotes where the value holds blanks or '#'.",
        )
        for problem in env.load_from_file(file).problems
    )


def _secrets(settings: Settings, *, read_only: bool) -> dict[str, str]:
    home = settings.paths.home
    if settings.environment.deployed or (read_only and not (home / KEYS_FOLDER).is_dir()):
        return {}
    return ensure_secrets(home)


def _store(settings: Settings, *, read_only: bool) -> RevisionStore:
    url = store_url(settings)
    file = settings.paths.home / STORE_FILE
    if read_only and url == f"sqlite:///{file}" and not file.exists():
        return MemoryRevisionStore()
    return open_store(url)


def store_url(settings: Settings) -> str:
    """The address of the store: the one that is named, the platform's PostgreSQL, or a file."""
    if settings.deployment.config_url is not None:
        return settings.deployment.config_url.get_secret_value()
    database = settings.database
    if database.platform_url is not None:
        url = database.platform_url.get_secret_value()
        if url.startswith("postgres"):
            return url
    elif database.postgres_host and database.postgres_user and database.postgres_db:
        return _postgres_url(settings)
    return f"sqlite:///{settings.paths.home / STORE_FILE}"


def _postgres_url(settings: Settings) -> str:
    # the database package brings SQLAlchemy; a configuration without a store does not need it
    from netra_core.database import DatabaseURLBuilder

    database = settings.database
    password = database.postgres_password or SecretStr("")
    parts = {
        "POSTGRES_HOST": database.postgres_host,
        "POSTGRES_PORT": str(database.postgres_port),
        "POSTGRES_USER": database.postgres_user,
        "POSTGRES_PASSWORD": password.get_secret_value(),
        "POSTGRES_DB": database.postgres_db,
    }
    return DatabaseURLBuilder(parts, environment=settings.environment).build("psycopg")
