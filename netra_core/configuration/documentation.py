"""The reference of all settings and the template of an environment, made from the schema."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr

from netra_core.configuration.keys import Key, KeyTable, all_keys
from netra_core.configuration.rules import STRONG_SECRETS
from netra_core.configuration.schema import Service, Severity
from netra_core.environment import Environment

HEADER: Final = """# Configuration

Every setting of Apex. This page is made by `apex config docs`; change the schema, not the page.

A value comes from the strongest source that has one: an override of the process, an environment
variable, the TOML file (`apex.toml` in the home folder, or the one named by `APEX_CONFIG_FILE`),
the database (`apex config set`, `/api/config`), the default. In the TOML file a section is a
table: `[http]` with `port = 8000`; `[service.auth.http]` holds for one service alone.

Variables may stand in a file as well (`apex.env` in the home folder, or the one named by
`APEX_ENV_FILE`; `apex config env` prints a template). What the process was given wins over it.

Live settings count from the moment they are changed, others from the next start. Secrets are
masked wherever they are shown and encrypted with `FERNET_KEY` wherever they are stored. Lists are
given with commas in a variable and as an array in TOML. `{ENV}` stands for the upper-case name of
the environment.

"""


def markdown(keys: KeyTable | None = None) -> str:
    """The reference of every setting as Markdown."""
    table = keys or all_keys()
    return HEADER + "\n".join(_sections(table))


def _sections(keys: KeyTable) -> Iterator[str]:
    for section, members in keys.sections().items():
        model = keys.model.model_fields[section].annotation
        summary = (model.__doc__ or "") if isinstance(model, type) else ""
        yield f"## {section}\n"
        yield f"{summary.strip()}\n"
        yield "| key | variable | type | default | services | reload | description |"
        yield "|---|---|---|---|---|---|---|"
        for key in members:
            yield _row(key)
        yield ""


def _row(key: Key) -> str:
    services = "all" if key.setting.services == frozenset(Service) else ", ".join(_ordered(key))
    cells = (
        f"`{key.name}`",
        f"`{key.setting.env}`",
        type_of(key),
        default_of(key),
        services,
        str(key.setting.reload),
        f"{key.description}{_notes(key)}",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _ordered(key: Key) -> list[str]:
    return [str(service) for service in Service if service in key.setting.services]


def _notes(key: Key) -> str:
    notes = ["Secret."] if key.setting.secret else []
    by_severity: dict[Severity, list[str]] = {}
    for environment, severity in key.setting.absence.items():
        if severity is not Severity.OPTIONAL:
            by_severity.setdefault(severity, []).append(str(environment))
    for severity, environments in by_severity.items():
        notes.append(f"Absence is {severity} in {' and '.join(environments)}.")
    narrow = [str(s) for s in ("workspace", "user", "agent") if s in key.setting.scopes]
    if narrow:
        notes.append(f"Also by {', '.join(narrow)}.")
    if not key.setting.stored:
        notes.append("Not in the database.")
    return "".join(f" {note}" for note in notes)


def type_of(key: Key) -> str:
    """The type of a setting in a few words, with its bounds."""
    bounds = key.bounds
    low = next((f"≥ {b.ge}" for b in bounds if isinstance(b, Ge)), None) or next(
        (f"> {b.gt}" for b in bounds if isinstance(b, Gt)), None
    )
    high = next((f"≤ {b.le}" for b in bounds if isinstance(b, Le)), None) or next(
        (f"< {b.lt}" for b in bounds if isinstance(b, Lt)), None
    )
    limits = ", ".join(limit for limit in (low, high) if limit)
    return f"{_name(key.annotation)}{f' ({limits})' if limits else ''}"


def _name(annotation: Any) -> str:  # Any: a type expression
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin is tuple:
        return "list of text"
    if origin is Union or type(annotation).__name__ == "UnionType":
        return _name(next(a for a in get_args(annotation) if a is not type(None)))
    if hasattr(annotation, "__metadata__"):
        return _name(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{choice.value}`" for choice in annotation)
    names: dict[Any, str] = {
        bool: "true or false",
        int: "whole number",
        float: "number",
        str: "text",
        SecretStr: "text",
        Path: "path",
    }
    return names.get(annotation, "text")


def default_of(key: Key) -> str:
    """The default of a setting as it is written in a file."""
    if key.default is None:
        return "none"
    if isinstance(key.default, Path):
        return f"`{key.default}`"
    if key.is_list:
        return ", ".join(f"`{item}`" for item in key.default) or "none"
    value = key.dump(key.default)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def template(environment: Environment, keys: KeyTable | None = None) -> str:
    """A file of variables for an environment: what it needs first, then the rest as comments."""
    table = keys or all_keys()
    needed = [k for k in table.values() if _needed(k, environment)]
    lines = [
        f"# Apex in {environment}. Fill in what has no value, then run `apex config check`.",
        "",
        f"ENVIRONMENT={environment}",
        "",
    ]
    for key in needed:
        lines += [f"# {key.description}", f"{key.variable(environment)}=", ""]
    for section, members in table.sections().items():
        rest = [k for k in members if k not in needed and k.setting.env != "ENVIRONMENT"]
        if rest:
            lines += [f"# --- {section} ---", ""]
        for key in rest:
            lines += [f"# {key.description}", f"# {key.variable(environment)}={_plain(key)}", ""]
    return "\n".join(lines)


def _needed(key: Key, environment: Environment) -> bool:
    database = key.name == "database.platform_url" and environment.deployed
    return database or key.setting.absent(environment) is not Severity.OPTIONAL


def _plain(key: Key) -> str:
    if key.default is None or key.name in STRONG_SECRETS:
        return ""
    if key.is_list:
        return ",".join(key.default)
    if isinstance(key.default, Path):
        return str(key.default)
    value = key.dump(key.default)
    return str(value).lower() if isinstance(value, bool) else str(value)
