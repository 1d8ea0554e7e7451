"""The configurations that the config benchmarks measure: 200 keys, alike in every library."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from netra_core.configuration import KeyTable, Settings, UnifiedConfigurationManager, open_store
from netra_core.configuration.schema import Section
from netra_core.configuration.schema.annotations import ALL_SCOPES, live
from netra_core.environment import IsolatedEnvironment

KEYS = 200
EXTRA = KEYS - len(KeyTable())


def names() -> list[str]:
    """The names of the settings that are added to Apex's own, to make 200."""
    return [f"option_{number}" for number in range(EXTRA)]


def apex_keys() -> KeyTable:
    """Apex's own settings and as many more as make 200."""
    fields: dict[str, Any] = {
        name: (
            Annotated[int, live(f"APEX_BENCH_{name.upper()}", scopes=ALL_SCOPES)],
            Field(default=number, ge=0, description="A number."),
        )
        for number, name in enumerate(names())
    }
    section = create_model("Bench", __base__=Section, **fields)
    model = create_model("BenchSettings", __base__=Settings, bench=(section, section()))
    return KeyTable(model)


def toml(folder: Path, *, table: str) -> Path:
    """A file with a value for every added setting."""
    path = folder / f"{table or 'flat'}.toml"
    head = f"[{table}]\n" if table else ""
    path.write_text(head + "".join(f"{name} = {n + 1}\n" for n, name in enumerate(names())))
    return path


def variables() -> dict[str, str]:
    """Variables for half of the added settings."""
    return {f"APEX_BENCH_{name.upper()}": "7" for name in names()[::2]}


def apex(folder: Path, *, outside: bool = True) -> UnifiedConfigurationManager:
    """All layers: variables and a file (where `outside`) over an SQLite store."""
    env = IsolatedEnvironment(
        {
            "ENVIRONMENT": "test",
            "FERNET_KEY": os.urandom(32).hex(),
            **(variables() if outside else {}),
        }
    )
    return UnifiedConfigurationManager(
        env,
        keys=apex_keys(),
        file=toml(folder, table="bench") if outside else None,
        store=open_store(f"sqlite:///{folder}/config.sqlite"),
    )


def pydantic_settings(folder: Path) -> Callable[[], BaseSettings]:
    """The same with pydantic-settings: the process's variables over a TOML file."""
    path = toml(folder, table="")
    os.environ.update(variables())  # noqa: TID251

    class Base(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="APEX_BENCH_", toml_file=path, extra="ignore")

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (sources["env_settings"], TomlConfigSettingsSource(settings_cls))

    fields: dict[str, Any] = {f"option_{n}": (Annotated[int, Field(ge=0)], n) for n in range(KEYS)}
    return create_model("Bench", __base__=Base, **fields)


def dynaconf(folder: Path) -> Any | None:
    """The same with Dynaconf, or None where it is not installed."""
    try:
        from dynaconf import Dynaconf, Validator
    except ImportError:
        return None
    os.environ.update(variables())  # noqa: TID251
    checks = [Validator(f"option_{n}", default=n, is_type_of=int, gte=0) for n in range(KEYS)]
    return Dynaconf(
        envvar_prefix="APEX_BENCH", settings_files=[str(toml(folder, table=""))], validators=checks
    )


def folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes away."""
    return tempfile.TemporaryDirectory(prefix="apex-bench-")
