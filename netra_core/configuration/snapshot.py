"""One whole revision of everything, immutable: what readers read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from netra_core.configuration.assembly import assemble, build_settings, invalid
from netra_core.configuration.encryption import Cipher
from netra_core.configuration.errors import EncryptionError
from netra_core.configuration.findings import Finding
from netra_core.configuration.keys import KeyTable, Value
from netra_core.configuration.layers import Entry, Layer, Source
from netra_core.configuration.revisions import Stored
from netra_core.configuration.schema import Scope, Settings, Severity
from netra_core.configuration.scopes import GLOBAL, Chain, ScopeKey
from netra_core.configuration.sources import FileLayers
from netra_core.configuration.stored import ScopeEntries, StoredEntry, StoredState
from netra_core.environment import MASK

Candidates = tuple[tuple[Entry, Value], ...]
"""The entries of one key in one scope with their typed values, strongest first."""

_Origin = tuple[Layer | None, Layer | None, ScopeEntries | None]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What one scope says, by key, and what of it cannot be used.

    `origin` is what it was made from: while that stays the same objects, so does the overlay.
    """

    entries: Mapping[str, Candidates]
    findings: tuple[Finding, ...]
    origin: _Origin = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sources:
    """What all sources said at one moment, before anything is decided."""

    defaults: Layer
    environment: Layer
    file: FileLayers
    stored: StoredState
    overrides: Mapping[ScopeKey, Layer]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Typed values of all scopes under one number; never changed.

    `values`, `entries`, `settings` and `layers` (strongest first) are those of the global scope.
    """

    generation: int
    sources: Sources = field(repr=False)
    settings: Settings = field(repr=False)
    values: Mapping[str, Value] = field(repr=False)
    entries: Mapping[str, Entry] = field(repr=False)
    layers: tuple[Layer, ...] = field(repr=False)
    overlays: Mapping[ScopeKey, Overlay] = field(repr=False)
    findings: tuple[Finding, ...] = ()

    @property
    def revision(self) -> int:
        """The number of the last stored revision it holds."""
        return self.sources.stored.number

    def overlay(self, chain: Chain) -> dict[str, tuple[Entry, Value]]:
        """The winning entries of the chain's scopes that differ from the global ones.

        A stronger source wins; within one source the narrower scope does.
        """
        won: dict[str, tuple[Entry, Value]] = {}
        for scope in chain[1:]:
            overlay = self.overlays.get(scope)
            for key, candidates in overlay.entries.items() if overlay else ():
                standing = won[key][0] if key in won else self.entries[key]
                if candidates[0][0].source.rank <= standing.source.rank:
                    won[key] = candidates[0]
        return won

    def settings_of(self, overlay: Mapping[str, tuple[Entry, Value]]) -> Settings:
        """The settings with these entries in place; untouched sections are shared."""
        if not overlay:
            return self.settings
        changed: dict[str, dict[str, Value]] = {}
        for key, (_, value) in overlay.items():
            section, _, name = key.partition(".")
            changed.setdefault(section, {})[name] = value
        return self.settings.model_copy(
            update={
                section: getattr(self.settings, section).model_copy(update=values)
                for section, values in changed.items()
            }
        )

    def covered(self, key: str, chain: Chain) -> list[Entry]:
        """Every entry for this key that the chain sees, the winning one first."""
        won = self.entries[key]  # knows since when it counts, which its layer does not
        entries = [
            won if layer[key].source is won.source else layer[key]
            for layer in self.layers
            if key in layer
        ]
        for scope in chain[1:]:
            overlay = self.overlays.get(scope)
            candidates = overlay.entries.get(key, ()) if overlay else ()
            entries.extend(entry for entry, _ in candidates)
        narrowness = {scope.scope: place for place, scope in enumerate(chain)}
        return sorted(entries, key=lambda e: (e.source.rank, -narrowness.get(e.scope, 0)))


class SnapshotBuilder:
    """Builds snapshots; knows the keys and how stored secrets are read."""

    def __init__(self, keys: KeyTable, cipher: Cipher | None) -> None:
        self._keys = keys
        self._cipher = cipher

    def build(self, sources: Sources, last: Snapshot | None, now: datetime) -> Snapshot:
        """The snapshot of these sources. What cannot be used is left out and found."""
        findings = list(sources.findings)
        stored = self._stored_layer(GLOBAL, sources.stored.scopes.get(GLOBAL, {}), findings)
        layers: tuple[Layer, ...] = (
            sources.overrides.get(GLOBAL, {}),
            sources.environment,
            sources.file.common,
            stored,
            sources.defaults,
        )
        found = assemble(layers, self._keys)
        findings.extend(found.findings)
        overlays = self._overlays(sources, last)
        for overlay in overlays.values():
            findings.extend(overlay.findings)
        entries = {key: _dated(entry, last, key, now) for key, entry in found.entries.items()}
        return Snapshot(
            generation=last.generation + 1 if last else 1,
            sources=sources,
            settings=build_settings(found.values, self._keys),
            values=found.values,
            entries=entries,
            layers=layers,
            overlays=overlays,
            findings=tuple(findings),
        )

    def _overlays(self, sources: Sources, last: Snapshot | None) -> dict[ScopeKey, Overlay]:
        files = {ScopeKey(Scope.SERVICE, s): layer for s, layer in sources.file.services.items()}
        overrides, stored = sources.overrides, sources.stored.scopes
        overlays: dict[ScopeKey, Overlay] = {}
        for scope in dict.fromkeys((*overrides, *files, *stored)):
            if scope == GLOBAL:
                continue
            origin = (overrides.get(scope), files.get(scope), stored.get(scope))
            known = last.overlays.get(scope) if last else None
            if known is not None and _is_same(known.origin, origin):
                overlays[scope] = known
            else:
                overlays[scope] = self._overlay(scope, origin)
        return overlays

    def _overlay(self, scope: ScopeKey, origin: _Origin) -> Overlay:
        findings: list[Finding] = []
        entries: dict[str, Candidates] = {}
        override, file, stored = origin
        layers = (override or {}, file or {}, self._stored_layer(scope, stored or {}, findings))
        for layer in layers:  # strongest first
            for name, entry in layer.items():
                key = self._keys[name]
                try:
                    value = key.parse(entry.raw) if entry.raw is not None else None
                except ValueError as error:
                    findings.append(invalid(key, entry, str(error)))
                    continue
                entries[name] = (*entries.get(name, ()), (entry, value))
        return Overlay(entries, tuple(findings), origin)

    def _stored_layer(
        self, scope: ScopeKey, entries: ScopeEntries, findings: list[Finding]
    ) -> dict[str, Entry]:
        layer: dict[str, Entry] = {}
        for name, stored in entries.items():
            if name not in self._keys:
                findings.append(_unknown_stored(name, stored, self._keys.nearest(name)))
                continue
            try:
                layer[name] = self._entry(stored, scope.scope)
            except EncryptionError as error:
                findings.append(_unreadable(name, stored, error))
        return layer

    def _entry(self, stored: StoredEntry, scope: Scope) -> Entry:
        revision = stored.revision
        return Entry(
            raw=self.plain(stored.value),
            source=Source.DATABASE,
            origin=f"revision {revision.number}",
            since=revision.at,
            actor=revision.actor,
            revision=revision.number,
            scope=scope,
            previous=_shown_before(stored.previous),
        )

    def plain(self, stored: Stored) -> Value:
        """The stored value in clear.

        Raises:
            EncryptionError: it is encrypted with a key that is not at hand.
        """
        if not stored.encrypted:
            return stored.value
        if self._cipher is None:
            raise EncryptionError("A stored secret needs FERNET_KEY.", hint="Set FERNET_KEY.")
        return self._cipher.decrypt(stored.value)


def _is_same(old: _Origin, new: _Origin) -> bool:
    return old[0] is new[0] and old[1] is new[1] and old[2] is new[2]


def _dated(entry: Entry, last: Snapshot | None, key: str, now: datetime) -> Entry:
    """The entry with since when it counts, and what counted before it."""
    if entry.source is Source.DATABASE:
        return entry
    before = last.entries.get(key) if last else None
    if before is not None and (before.raw, before.source) == (entry.raw, entry.source):
        return replace(entry, since=before.since, previous=before.previous)
    previous = before.raw if before is not None else None
    since = None if entry.source is Source.DEFAULT and last is None else now
    return replace(entry, since=entry.since or since, previous=previous)


def _shown_before(stored: Stored | None) -> Value:
    if stored is None:
        return None
    return MASK if stored.encrypted else stored.value


def _unknown_stored(name: str, stored: StoredEntry, near: str | None) -> Finding:
    return Finding(
        rule="unknown_key",
        severity=Severity.OPTIONAL,
        key=name[:80],
        source=f"database: revision {stored.revision.number}",
        reason="is no setting of this version",
        remedy=f"Did you mean {near!r}?" if near else "Delete it when no older version needs it.",
    )


def _unreadable(name: str, stored: StoredEntry, error: EncryptionError) -> Finding:
    return Finding(
        rule="unreadable_secret",
        severity=Severity.CRITICAL,
        key=name,
        source=f"database: revision {stored.revision.number}",
        reason=error.message,
        remedy=error.hint,
    )
