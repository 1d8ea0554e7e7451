"""The keys of the schema: parsing, dumping, masking, and the nearest known name."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Final, cast, get_origin

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError

from netra_core.configuration.errors import UnknownKeyError
from netra_core.configuration.schema import Setting, Settings, setting_of
from netra_core.configuration.schema.annotations import MAX_VALUE_CHARS
from netra_core.environment import MASK, Environment, redact_text

Value = Any  # Any: a setting is of the type its field declares


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its dotted name, its annotation and how its values are read."""

    name: str
    section: str
    field: str
    setting: Setting
    description: str
    default: Value
    annotation: Any  # Any: a type expression
    adapter: TypeAdapter[Any]
    bounds: tuple[Any, ...] = ()  # Any: annotated_types' bounds
    is_list: bool = False
    is_bool: bool = False

    def variable(self, environment: Environment) -> str:
        """Its environment variable there."""
        return self.setting.variable(environment)

    def parse(self, raw: Value) -> Value:
        """The typed value of text or of a TOML, JSON or Python value.

        Raises:
            ValueError: what is wrong with it, in one line that does not repeat it.
        """
        if isinstance(raw, str):
            raw = self._prepare(raw)
        elif isinstance(raw, bool) and not self.is_bool:
            raise ValueError("true and false are not values of this setting")
        try:
            return self.adapter.validate_python(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            raise ValueError(_reason(first["type"], first["msg"])) from None

    def _prepare(self, text: str) -> Value:
        if len(text) > MAX_VALUE_CHARS:
            raise ValueError(f"{len(text)} characters; at most {MAX_VALUE_CHARS} are allowed")
        if not self.setting.multiline:
            for character, name in (("\n", "a newline"), ("\r", "a newline"), ("\0", "a NUL")):
                if character in text:
                    raise ValueError(f"holds {name} character")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("holds a lone surrogate, which is no text")
        if not self.is_list:
            return text
        if text.lstrip().startswith("["):
            try:
                return json.loads(text)
            except json.JSONDecodeError:
                raise ValueError("is not a JSON list") from None
        return [part.strip() for part in text.split(",") if part.strip()]

    def dump(self, value: Value) -> Value:
        """The JSON form of a typed value; a secret in clear."""
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return self.adapter.dump_python(value, mode="json")

    def show(self, value: Value) -> Value:
        """The JSON form of a typed value for people: a secret masked."""
        if value is None:
            return None
        if self.setting.secret:
            return MASK
        shown = self.dump(value)
        return redact_text(shown) if isinstance(shown, str) else shown


def _reason(kind: str, message: str) -> str:
    if kind == "string_pattern_mismatch":
        return "does not have the form this setting needs (an address, host or origin)"
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message.replace("\n", " ")


def _keys_of(section: str, model: type[BaseModel]) -> Iterator[Key]:
    for name, info in model.model_fields.items():
        setting = setting_of(info)
        if setting is None:
            raise TypeError(f"{section}.{name} has no Setting annotation")
        form = cast(type[Any], Annotated[info.annotation, *info.metadata])  # a form, not a class
        yield Key(
            name=f"{section}.{name}",
            section=section,
            field=name,
            setting=setting,
            description=info.description or "",
            default=info.get_default(),
            annotation=info.annotation,
            adapter=TypeAdapter(form),
            bounds=tuple(m for m in info.metadata if not isinstance(m, Setting)),
            is_list=get_origin(info.annotation) is tuple,
            is_bool=info.annotation is bool,
        )


class KeyTable(Mapping[str, Key]):
    """All keys by dotted name, in the order of the schema."""

    def __init__(self, model: type[Settings] = Settings) -> None:
        self.model: Final = model
        self._keys: dict[str, Key] = {}
        for section, info in model.model_fields.items():
            if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
                for key in _keys_of(section, info.annotation):
                    self._keys[key.name] = key

    def __getitem__(self, name: str) -> Key:
        """The key of this name.

        Raises:
            UnknownKeyError: there is none; says the nearest that there is.
        """
        try:
            return self._keys[name]
        except (KeyError, TypeError):
            near = self.nearest(str(name))
            raise UnknownKeyError(
                f"{str(name)[:80]!r} is no setting.",
                hint=f"Did you mean {near!r}?" if near else "`apex config docs` lists them all.",
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: object) -> bool:
        return name in self._keys

    def nearest(self, name: str) -> str | None:
        """The known key that looks most like this one, if any does."""
        near = get_close_matches(name.lower()[:200], self._keys, n=1, cutoff=0.6)
        return near[0] if near else None

    def by_variable(self, environment: Environment) -> dict[str, Key]:
        """The keys by the name of their environment variable there."""
        return {key.variable(environment): key for key in self._keys.values()}

    def sections(self) -> dict[str, list[Key]]:
        """The keys by section, in the order of the schema."""
        grouped: dict[str, list[Key]] = {}
        for key in self._keys.values():
            grouped.setdefault(key.section, []).append(key)
        return grouped


@cache
def all_keys() -> KeyTable:
    """The keys of `Settings`; made once, never changed."""
    return KeyTable()
