"""Reading the layers that live outside the database: defaults, environment, TOML files."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from netra_core.configuration.errors import ConfigurationFileError
from netra_core.configuration.findings import Finding
from netra_core.configuration.keys import KeyTable
from netra_core.configuration.layers import Entry, Source
from netra_core.configuration.schema import Scope, Service, Severity
from netra_core.environment import Environment, IsolatedEnvironment

OWN_PREFIX: Final = "APEX_"
NO_SETTINGS: Final = frozenset(
    {"APEX_PROOF", "APEX_REAL_DATA", "APEX_TOKEN", "APEX_EMAIL", "APEX_PASSWORD"}
)
"""Variables of ours that tests and the command line read: no service does."""
SERVICE_TABLE: Final = "service"
MAX_FILE_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class FileLayers:
    """What a TOML file says: for all services, for one each, and what in it is no setting."""

    common: dict[str, Entry] = field(default_factory=dict[str, Entry])
    services: dict[str, dict[str, Entry]] = field(default_factory=dict[str, dict[str, Entry]])
    findings: list[Finding] = field(default_factory=list[Finding])


def default_layer(keys: KeyTable, generated: Mapping[str, str] | None = None) -> dict[str, Entry]:
    """The schema's defaults; `generated` secrets stand where the schema has none."""
    layer = {name: Entry(key.default, Source.DEFAULT, "schema") for name, key in keys.items()}
    for name, value in (generated or {}).items():
        layer[keys[name].name] = Entry(value, Source.DEFAULT, "generated")
    return layer


def environment_layer(
    env: IsolatedEnvironment, keys: KeyTable, environment: Environment
) -> tuple[dict[str, Entry], list[Finding]]:
    """The entries of environment variables, and those of ours that nobody knows.

    An empty variable is taken as absent.
    """
    variables = env.get_all()
    layer: dict[str, Entry] = {}
    known = keys.by_variable(environment)
    for variable, key in known.items():
        if variables.get(variable, ""):
            actor = env.get_variable_source(variable) or ""
            layer[key.name] = Entry(variables[variable], Source.ENVIRONMENT, variable, actor=actor)
    strangers = sorted(
        name
        for name in variables
        if name.startswith(OWN_PREFIX) and name not in known and name not in NO_SETTINGS
    )
    return layer, [_unknown_variable(name, list(known)) for name in strangers]


def _unknown_variable(name: str, known: list[str]) -> Finding:
    near = get_close_matches(name, known, n=1)
    return Finding(
        rule="unknown_variable",
        severity=Severity.OPTIONAL,
        key=name[:80],
        source="environment",
        reason="no setting is read from this variable",
        remedy=f"Did you mean {near[0]}?" if near else "Remove it.",
    )


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigurationFileError: it is absent, unreadable, too large, not UTF-8 or not TOML.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigurationFileError(f"{name!r} cannot be read: {why}.") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigurationFileError(f"{name!r} is larger than {MAX_FILE_BYTES} bytes.")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationFileError(f"{name!r} is not UTF-8, line {line}.") from None
    except tomllib.TOMLDecodeError as error:
        line = len(raw.rstrip().splitlines()) if "end of document" in str(error) else None
        where = f" (line {line})" if line else ""
        raise ConfigurationFileError(
            f"{name!r} is not TOML: {_without_values(str(error))}{where}.",
            hint="Mend the file; the settings in force stay as they are.",
        ) from None


def _without_values(message: str) -> str:
    # tomllib repeats keys and single characters at most; quotes are cut off all the same
    head, _, position = message.rpartition(" (at ")
    return f"{head.split(':')[0]} (at {position}" if head else message


def file_layers(path: Path, keys: KeyTable) -> FileLayers:
    """The entries of a TOML file: `[section]` tables, `[service.NAME.section]` for one service.

    Raises:
        ConfigurationFileError: the file cannot be read.
    """
    layers = FileLayers()
    tables = read_toml(path)
    per_service = tables.pop(SERVICE_TABLE, {})
    for name, raw in _flatten(tables):
        _place(name, raw, path, keys, layers.common, Scope.GLOBAL, layers.findings)
    for service, content in per_service.items() if isinstance(per_service, dict) else ():
        if service not in set(Service) or not isinstance(content, dict):
            layers.findings.append(_unknown_key(f"{SERVICE_TABLE}.{service}", path, None))
            continue
        layer = layers.services.setdefault(service, {})
        for name, raw in _flatten(content):
            _place(name, raw, path, keys, layer, Scope.SERVICE, layers.findings)
    return layers


def _flatten(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, content in tables.items():
        if isinstance(content, dict):
            for name, raw in content.items():
                yield f"{section}.{name}", raw
        else:
            yield section, content


def _place(
    name: str,
    raw: Any,  # Any: a TOML value
    path: Path,
    keys: KeyTable,
    layer: dict[str, Entry],
    scope: Scope,
    findings: list[Finding],
) -> None:
    if name not in keys:
        findings.append(_unknown_key(name, path, keys.nearest(name)))
        return
    layer[name] = Entry(raw, Source.FILE, path.name, scope=scope)


def _unknown_key(name: str, path: Path, near: str | None) -> Finding:
    return Finding(
        rule="unknown_key",
        severity=Severity.CRITICAL,
        key=name[:80],
        source=f"file: {path.name}",
        reason="is no setting",
        remedy=f"Did you mean {near!r}?" if near else "Remove it from the file.",
    )
