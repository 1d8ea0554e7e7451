"""Sound configurations, to start tests from."""

import hashlib

from netra_core.environment import Environment


def made_up_secret(name: str) -> str:
    """A strong secret that is always the same for a name; for tests alone."""
    return hashlib.sha256(name.encode()).hexdigest()


def sound_variables(environment: Environment) -> dict[str, str]:
    """Variables with which this environment has no finding at all."""
    variables = {"ENVIRONMENT": str(environment)}
    if not environment.deployed:
        return variables
    host = "apex.example.com" if environment is Environment.PRODUCTION else "stg.example.com"
    return variables | {
        "APEX_PUBLIC_URL": f"https://{host}",
        "DATABASE_URL": f"postgresql://apex:{made_up_secret('db')}@db.{host}/apex",
        "CLICKHOUSE_URL": f"https://apex:{made_up_secret('clickhouse')}@usage.{host}:8443",
        "SERVICE_SECRET": made_up_secret(f"service {environment}"),
        "FERNET_KEY": made_up_secret(f"fernet {environment}"),
    }
