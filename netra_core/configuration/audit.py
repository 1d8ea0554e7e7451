"""What history records of changes, and what comparisons of snapshots tell."""

from collections.abc import Iterator

from pydantic import SecretStr

from netra_core.configuration.encryption import Cipher
from netra_core.configuration.errors import ConfigurationFileError, EncryptionError
from netra_core.configuration.findings import Finding
from netra_core.configuration.keys import Key, KeyTable, Value
from netra_core.configuration.layers import Entry, Layer, Source
from netra_core.configuration.revisions import Change, Stored
from netra_core.configuration.schema import Scope, Severity
from netra_core.configuration.scopes import GLOBAL, ScopeKey
from netra_core.configuration.snapshot import Overlay, Snapshot, Sources
from netra_core.environment import ENVIRONMENT_VARIABLE


def stored_form(key: Key, value: Value, cipher: Cipher | None) -> Stored:
    """The form in which a typed value is stored: a secret encrypted.

    Raises:
        EncryptionError: it is a secret and there is no key.
    """
    plain = key.dump(value)
    if not key.setting.secret or plain is None:
        return Stored(plain)
    if cipher is None:
        raise EncryptionError(
            f"{key.name} is a secret and cannot be stored without a key.", hint="Set FERNET_KEY."
        )
    return Stored(cipher.encrypt(plain), encrypted=True)


def shown_form(key: Key, raw: Value) -> Stored | None:
    """The form in which history shows a value that is kept elsewhere: a secret masked."""
    if raw is None:
        return None
    try:
        return Stored(key.show(key.parse(raw)))
    except ValueError:
        return Stored("not usable")


def override_change(key: Key, scope: ScopeKey, old: Entry | None, new: Entry | None) -> Change:
    """The record of an override of this process."""
    return Change(
        key=key.name,
        scope=scope.scope,
        owner=scope.owner,
        source=Source.OVERRIDE,
        previous=shown_form(key, _raw(old)),
        current=shown_form(key, _raw(new)),
    )


def outside_changes(before: Sources, after: Sources, keys: KeyTable) -> tuple[Change, ...]:
    """What variables and files say differently from before."""
    return tuple(
        Change(
            key=name,
            scope=scope.scope,
            owner=scope.owner,
            source=source,
            previous=shown_form(keys[name], _raw(old.get(name))),
            current=shown_form(keys[name], _raw(new.get(name))),
        )
        for source, scope, old, new in _outside_layers(before, after)
        for name in sorted(old.keys() | new.keys())
        if _raw(old.get(name)) != _raw(new.get(name))
    )


def _outside_layers(
    before: Sources, after: Sources
) -> Iterator[tuple[Source, ScopeKey, Layer, Layer]]:
    yield Source.ENVIRONMENT, GLOBAL, before.environment, after.environment
    yield Source.FILE, GLOBAL, before.file.common, after.file.common
    for service in sorted(before.file.services.keys() | after.file.services.keys()):
        old: Layer = before.file.services.get(service, {})
        new: Layer = after.file.services.get(service, {})
        yield Source.FILE, ScopeKey(Scope.SERVICE, service), old, new


def _raw(entry: Entry | None) -> Value:
    return entry.raw if entry else None


def changed_keys(old: Snapshot, new: Snapshot) -> frozenset[str]:
    """The keys whose value is another now, in any scope."""
    keys = {key for key, value in new.values.items() if old.values.get(key) != value}
    gone = old.overlays.keys() - new.overlays.keys()
    for scope in (*new.overlays, *gone):
        before, after = old.overlays.get(scope), new.overlays.get(scope)
        if before is not after:
            keys.update(
                key
                for key in _keys_of(before) | _keys_of(after)
                if _strongest(before, key) != _strongest(after, key)
            )
    return frozenset(keys)


def _keys_of(overlay: Overlay | None) -> set[str]:
    return set(overlay.entries) if overlay else set()


def _strongest(overlay: Overlay | None, key: str) -> Value:
    candidates = overlay.entries.get(key) if overlay else None
    return candidates[0][1] if candidates else None


def secret_text(raw: Value) -> str:
    """A secret's raw value in clear."""
    return raw.get_secret_value() if isinstance(raw, SecretStr) else str(raw)


def secrets_of(snapshot: Snapshot, keys: KeyTable, *, since: Snapshot | None = None) -> set[str]:
    """Every secret value that the snapshot holds, in scopes that are not as they were `since`."""
    entries = [(key, entry) for layer in snapshot.layers for key, entry in layer.items()]
    entries += [
        (key, entry)
        for scope, overlay in snapshot.overlays.items()
        if since is None or since.overlays.get(scope) is not overlay
        for key, candidates in overlay.entries.items()
        for entry, _ in candidates
    ]
    texts = {
        secret_text(entry.raw)
        for key, entry in entries
        if keys[key].setting.secret and entry.raw not in (None, "")
    }
    return texts | {password for text in texts if (password := password_of(text))}


def password_of(url: str) -> str | None:
    """The password within a URL, as it is written there, or None."""
    _, separator, rest = url.partition("://")
    credentials, at, _ = rest.rpartition("@")
    return (credentials.partition(":")[2] or None) if separator and at else None


def tampering_finding(reason: str, remedy: str = "") -> Finding:
    """The finding that the stored history is not what was written."""
    return Finding(
        rule="history_tampered",
        severity=Severity.CRITICAL,
        key="configuration",
        source="database",
        reason=reason,
        remedy=remedy or "Find out who wrote to the store; restore from a backup.",
    )


def unreadable_file(name: str, error: ConfigurationFileError) -> Finding:
    """The finding that the file of settings cannot be read."""
    return Finding(
        rule="unreadable_file",
        severity=Severity.CRITICAL,
        key="deployment.config_file",
        source=f"file: {name}",
        reason=error.message,
        remedy=error.hint or "Make the file readable, or name another in APEX_CONFIG_FILE.",
    )


def environment_changed() -> Finding:
    """The finding that a running service was told to be in another environment."""
    return Finding(
        rule="never_reloads",
        severity=Severity.CRITICAL,
        key="deployment.environment",
        source=f"environment: {ENVIRONMENT_VARIABLE}",
        reason="cannot change while the service runs",
        remedy="Stop the service, change it, start again.",
    )
