"""What is shown of a configuration: explanations, history, differences. Secrets are masked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from netra_core.configuration.keys import Key, KeyTable, Value
from netra_core.configuration.layers import Entry, Source
from netra_core.configuration.revisions import Action, Change, Revision, Stored
from netra_core.configuration.schema import Reload, Scope, Service
from netra_core.environment import MASK, redact_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """A value that does not count because a stronger source has another."""

    value: Value
    source: Source
    origin: str
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All there is to say about one key: its value and where it is from."""

    key: str
    value: Value
    source: Source
    origin: str
    scope: Scope
    since: datetime | None
    actor: str
    previous: Value
    revision: int | None
    covered: tuple[Covered, ...]
    variable: str
    description: str
    services: tuple[Service, ...]
    secret: bool
    reload: Reload
    pending_restart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """One change of a key."""

    key: str
    scope: Scope
    owner: str
    source: Source
    previous: Value
    current: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One revision."""

    number: int
    at: datetime
    actor: str
    reason: str
    service: str
    action: Action
    changes: tuple[ShownChange, ...]
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResult:
    """What a change did.

    `revision` is the last revision afterwards and `recorded` says whether this change made it.
    `changed` keys have another value now. `covered` names for each key that was written the
    stronger source that hides it. `restart` keys count from the next start.
    """

    revision: int
    recorded: bool
    changed: frozenset[str]
    covered: Mapping[str, Source]
    restart: frozenset[str]


def masked(key: Key | None, stored: Stored | None) -> Value:
    """What may be shown of a stored value; `key` is None for one this version does not know."""
    if stored is None or stored.value is None:
        return None
    if stored.encrypted or (key is not None and key.setting.secret):
        return MASK
    return redact_text(stored.value) if isinstance(stored.value, str) else stored.value


def show_raw(key: Key, raw: Value) -> Value:
    """What may be shown of a raw value."""
    if raw is None:
        return None
    if key.setting.secret:
        return MASK
    try:
        return key.show(key.parse(raw))
    except ValueError:
        return "not usable"


def show_change(change: Change, keys: KeyTable) -> ShownChange:
    """A change with its secrets masked."""
    key = keys[change.key] if change.key in keys else None
    return ShownChange(
        key=change.key,
        scope=change.scope,
        owner=change.owner,
        source=change.source,
        previous=masked(key, change.previous),
        current=masked(key, change.current),
    )


def show_revision(revision: Revision, keys: KeyTable) -> HistoryRow:
    """A revision with its secrets masked."""
    return HistoryRow(
        number=revision.number,
        at=revision.at,
        actor=revision.actor,
        reason=revision.reason,
        service=revision.service,
        action=revision.action,
        changes=tuple(show_change(change, keys) for change in revision.changes),
        hash=revision.hash,
    )


def explain(
    key: Key, entries: list[Entry], *, variable: str, started_with: Value, value: Value
) -> Explanation:
    """The explanation of a key whose entries, the winning one first, are given."""
    won, *others = entries
    restart = key.setting.reload is not Reload.LIVE
    return Explanation(
        key=key.name,
        value=key.show(value),
        source=won.source,
        origin=won.origin,
        scope=won.scope,
        since=won.since,
        actor=won.actor,
        previous=show_raw(key, won.previous),
        revision=won.revision,
        covered=tuple(
            Covered(
                value=show_raw(key, entry.raw),
                source=entry.source,
                origin=entry.origin,
                scope=entry.scope,
            )
            for entry in others
        ),
        variable=variable,
        description=key.description,
        services=tuple(s for s in Service if s in key.setting.services),
        secret=key.setting.secret,
        reload=key.setting.reload,
        pending_restart=restart and started_with != value,
    )


def changes_of(keys: KeyTable, changes: Iterable[Change]) -> tuple[ShownChange, ...]:
    """Changes with their secrets masked."""
    return tuple(show_change(change, keys) for change in changes)
