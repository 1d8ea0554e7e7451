"""Putting layers together: one typed value and one winning entry a key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netra_core.configuration.findings import Finding
from netra_core.configuration.keys import Key, KeyTable, Value
from netra_core.configuration.layers import Entry, Layer
from netra_core.configuration.schema import Section, Service, Settings, Severity


@dataclass(frozen=True, slots=True)
class Assembled:
    """Typed values, winning entries, and what of the layers cannot be used."""

    values: Mapping[str, Value]
    entries: Mapping[str, Entry]
    findings: tuple[Finding, ...]


def assemble(layers: Sequence[Layer], keys: KeyTable) -> Assembled:
    """The values of the layers, strongest first. Every entry is looked at, the covered ones too."""
    values: dict[str, Value] = {}
    entries: dict[str, Entry] = {}
    findings: list[Finding] = []
    for layer in layers:
        for name, entry in layer.items():
            key = keys[name]
            try:
                value = key.parse(entry.raw) if entry.raw is not None else None
            except ValueError as error:
                findings.append(invalid(key, entry, str(error)))
                continue
            if name not in entries:
                values[name] = value
                entries[name] = entry
    return Assembled(values, entries, tuple(findings))


def invalid(key: Key, entry: Entry, reason: str) -> Finding:
    """The finding for a value that is not of its setting's type, range or form."""
    return Finding(
        rule="invalid_value",
        severity=Severity.CRITICAL,
        key=key.name,
        source=entry.described,
        reason=reason,
        remedy=f"Set {key.setting.env} or {key.name} to a value as `apex config docs` describes.",
        services=tuple(s for s in Service if s in key.setting.services),
    )


def build_settings(values: Mapping[str, Value], keys: KeyTable) -> Settings:
    """The typed, immutable settings of values that `assemble` has validated."""
    sections: dict[str, Section] = {}
    for section, members in keys.sections().items():
        model = keys.model.model_fields[section].annotation
        if not (isinstance(model, type) and issubclass(model, Section)):
            raise TypeError(f"{section} is no section")
        # each value went through its field's own validator already
        sections[section] = model.model_construct(**{k.field: values[k.name] for k in members})
    return keys.model.model_construct(None, **sections)
