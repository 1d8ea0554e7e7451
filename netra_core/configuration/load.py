"""Settings in one call, for programs that do not change them while they run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from netra_core.configuration.assembly import assemble, build_settings
from netra_core.configuration.errors import InvalidConfigurationError
from netra_core.configuration.findings import Finding, blocking
from netra_core.configuration.keys import KeyTable, Value, all_keys
from netra_core.configuration.layers import Entry, Source
from netra_core.configuration.schema import Settings
from netra_core.configuration.sources import default_layer, environment_layer, file_layers
from netra_core.environment import Environment, IsolatedEnvironment

FILE_NAME: Final = "apex.toml"


def load_settings(
    env: IsolatedEnvironment,
    *,
    overrides: Mapping[str, Value] | None = None,
    generated: Mapping[str, str] | None = None,
    keys: KeyTable | None = None,
) -> Settings:
    """The settings of environment, TOML file and defaults under `overrides` ({"http.port": 0}).

    `generated` are secrets of this machine (see `ensure_secrets`), used where none is set and the
    environment is development or test.

    Raises:
        InvalidConfigurationError: some value cannot be used; says all of them.
        UnknownKeyError: an override names no setting.
    """
    keys = keys or all_keys()
    override_layer = {
        keys[name].name: Entry(value, Source.OVERRIDE) for name, value in (overrides or {}).items()
    }
    environment = environment_of(env, override_layer)
    from_env, _ = environment_layer(env, keys, environment)
    found: list[Finding] = []
    from_file: Mapping[str, Entry] = {}
    path = settings_file(override_layer, from_env, keys)
    if path is not None:
        layers = file_layers(path, keys)
        from_file = layers.common
        found.extend(layers.findings)
    defaults = default_layer(keys, None if environment.deployed else generated)
    result = assemble((override_layer, from_env, from_file, defaults), keys)
    if problems := blocking((*found, *result.findings)):
        raise InvalidConfigurationError(problems)
    return build_settings(result.values, keys)


def environment_of(env: IsolatedEnvironment, overrides: Mapping[str, Entry]) -> Environment:
    """The environment that the other layers are read for.

    Raises:
        UnknownEnvironmentError: its name is none.
    """
    entry = overrides.get("deployment.environment")
    return Environment.parse(str(entry.raw)) if entry else env.environment


def settings_file(
    overrides: Mapping[str, Entry], from_env: Mapping[str, Entry], keys: KeyTable
) -> Path | None:
    """The TOML file in force: the one named, else `apex.toml` in the home folder if there."""

    def value(name: str) -> Path | None:
        entry = overrides.get(name) or from_env.get(name)
        if entry is None:
            return keys[name].default
        try:
            return keys[name].parse(entry.raw)
        except ValueError:
            return None  # reported with the other values

    named = value("deployment.config_file")
    if named is not None:
        return named
    usual = (value("paths.home") or Path()).expanduser() / FILE_NAME
    return usual if usual.is_file() else None
