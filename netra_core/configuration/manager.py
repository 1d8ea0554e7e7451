"""The configuration as one service, workspace, user or agent sees it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from netra_core.configuration.assembly import invalid
from netra_core.configuration.audit import override_change, stored_form
from netra_core.configuration.core import ConfigurationCore, Outcome, Overrides, Plan
from netra_core.configuration.errors import (
    EncryptionError,
    InvalidConfigurationError,
    ScopeError,
    WrongTypeError,
)
from netra_core.configuration.findings import Finding, blocking, by_severity
from netra_core.configuration.keys import Key, KeyTable, Value, all_keys
from netra_core.configuration.layers import Entry, Source
from netra_core.configuration.revisions import Action, Change, Stored, Tampering
from netra_core.configuration.schema import Reload, Settings
from netra_core.configuration.scopes import GLOBAL, Chain, ScopeKey
from netra_core.configuration.snapshot import Snapshot
from netra_core.configuration.store import MemoryRevisionStore, RevisionStore
from netra_core.configuration.stored import Address, StoredState, changes_between
from netra_core.configuration.subscribers import Listener, Subscriber
from netra_core.configuration.views import (
    ChangeResult,
    Explanation,
    HistoryRow,
    ShownChange,
    changes_of,
    explain,
    show_revision,
)
from netra_core.environment import Environment, IsolatedEnvironment, Redactor

if TYPE_CHECKING:
    from netra_core.configuration.watch import ConfigurationWatcher

T = TypeVar("T")


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def _source(name: Source | str) -> Source:
    try:
        return Source(name)
    except ValueError:
        raise ScopeError(
            f"{str(name)[:60]!r} is no source.", hint="Use database or override."
        ) from None


class UnifiedConfigurationManager:
    """All settings: typed, layered, audited; safe to use from many threads.

    Reading never waits and never mixes two revisions: `settings` is one immutable revision.
    What is written goes to the database layer for everybody, unless the manager was made for a
    narrower scope by ConfigurationManagerFactory.
    """

    def __init__(
        self,
        env: IsolatedEnvironment,
        *,
        service: str = "",
        overrides: Mapping[str, Value] | None = None,
        generated: Mapping[str, str] | None = None,
        store: RevisionStore | None = None,
        file: Path | None = None,
        keys: KeyTable | None = None,
        clock: Callable[[], datetime] = utc_now,
        strict: bool = True,
        found: Sequence[Finding] = (),
    ) -> None:
        """Reads all sources.

        `service` stands in the history. `generated` secrets count where none is set, in
        development and test. `file` is the TOML file, in place of the one the settings name.
        With `strict` False values that cannot be used are left out and found by `validate`.
        `found` is what was wrong before this was made.

        Raises:
            InvalidConfigurationError, ConfigurationFileError, TamperedHistoryError, StoreError
        """
        core = ConfigurationCore(
            env,
            service=str(service),
            overrides=overrides or {},
            generated=generated or {},
            store=store if store is not None else MemoryRevisionStore(),
            file=file,
            keys=keys or all_keys(),
            clock=clock,
            strict=strict,
            found=found,
        )
        self._connect(core, (GLOBAL,))

    @classmethod
    def for_scope(cls, core: ConfigurationCore, chain: Chain) -> "UnifiedConfigurationManager":
        """The same configuration as the narrowest scope of the chain sees it."""
        manager = cls.__new__(cls)
        manager._connect(core, chain)
        return manager

    def _connect(self, core: ConfigurationCore, chain: Chain) -> None:
        self._core = core
        self._chain = chain
        self._seen: tuple[Snapshot, dict[str, tuple[Entry, Value]]] | None = None
        self._made: tuple[Snapshot, Settings] | None = None

    @property
    def core(self) -> ConfigurationCore:
        """What the managers of all scopes share."""
        return self._core

    @property
    def redactor(self) -> Redactor:
        """Keeps every secret of this configuration, those to come too, out of logs."""
        return self._core.redactor

    @property
    def scope(self) -> ScopeKey:
        """The scope that is written to."""
        return self._chain[-1]

    @property
    def environment(self) -> Environment:
        """Where this runs."""
        return self._core.environment

    # -- reading -------------------------------------------------------------------------------

    def _view(self) -> tuple[Snapshot, dict[str, tuple[Entry, Value]]]:
        snapshot = self._core.snapshot
        seen = self._seen
        if seen is None or seen[0] is not snapshot:
            seen = self._seen = (snapshot, snapshot.overlay(self._chain))
        return seen

    @property
    def settings(self) -> Settings:
        """The typed settings in force; one whole revision that never changes."""
        snapshot, overlay = self._view()
        if not overlay:
            return snapshot.settings
        made = self._made
        if made is None or made[0] is not snapshot:
            made = self._made = (snapshot, snapshot.settings_of(overlay))
        return made[1]

    @property
    def revision(self) -> int:
        """The number of the last stored revision in force."""
        return self._core.snapshot.revision

    def get(self, key: str, default: Value = None) -> Value:
        """The typed value, or `default` where nothing is set. Secrets are SecretStr.

        Raises:
            UnknownKeyError: no setting has this name.
        """
        snapshot, overlay = self._view()
        if key in overlay:
            value = overlay[key][1]
        else:
            try:
                value = snapshot.values[key]
            except (KeyError, TypeError):
                value = snapshot.values[self._core.keys[key].name]
        return default if value is None else value

    def get_str(self, key: str) -> str:
        """The value of a text setting; names of choices are text as well."""
        return self._typed(key, str)

    def get_int(self, key: str) -> int:
        """The value of a whole-number setting."""
        return self._typed(key, int)

    def get_float(self, key: str) -> float:
        """The value of a number setting."""
        value = self.get(key)
        return float(value) if type(value) is int else self._typed(key, float)

    def get_bool(self, key: str) -> bool:
        """The value of a yes-or-no setting."""
        return self._typed(key, bool)

    def get_list(self, key: str) -> list[Value]:
        """The values of a list setting."""
        return list(self._typed(key, tuple))

    def get_path(self, key: str) -> Path:
        """The value of a path setting."""
        return self._typed(key, Path)

    def get_secret(self, key: str) -> str:
        """The value of a secret setting, in clear."""
        return self._typed(key, SecretStr).get_secret_value()

    def _typed(self, key: str, kind: type[T]) -> T:
        value = self.get(key)
        if isinstance(value, kind) and not (isinstance(value, bool) and kind is int):
            return value
        entry = self.entries(key)[0]
        state = "is not set" if value is None else f"is of type {type(value).__name__}"
        raise WrongTypeError(
            f"{key} ({entry.described}): {state}, and was asked for as {kind.__name__}."
        )

    def exists(self, key: str) -> bool:
        """True when the setting has a value, be it the default."""
        return key in self._core.keys and self.get(key) is not None

    def keys(self, prefix: str = "") -> list[str]:
        """The names of all settings that begin with `prefix`."""
        return [name for name in self._core.keys if name.startswith(prefix)]

    def show(self, *, service: str | None = None) -> dict[str, Value]:
        """All values by key, secrets masked; of one service's settings where it is named."""
        return {
            key.name: key.show(self.get(key.name))
            for key in self._core.keys.values()
            if service is None or service in key.setting.services
        }

    def explain(self, key: str) -> Explanation:
        """The value of one key, where it is from, and what it covers; a secret masked.

        Raises:
            UnknownKeyError: no setting has this name.
        """
        known = self._core.keys[key]
        return explain(
            known,
            self.entries(known.name),
            variable=known.variable(self.environment),
            started_with=self._core.started_with.values[known.name],
            value=self.get(known.name),
        )

    def entry(self, key: str) -> Entry:
        """Where the value of one key is from."""
        return self.entries(key)[0]

    def entries(self, key: str) -> list[Entry]:
        """What every source says about one key, the one that counts first.

        Raises:
            UnknownKeyError: no setting has this name.
        """
        return self._core.snapshot.covered(self._core.keys[key].name, self._chain)

    # -- checking ------------------------------------------------------------------------------

    def validate(self) -> tuple[Finding, ...]:
        """Everything that is wrong, most severe first."""
        return by_severity(dict.fromkeys((*self._core.snapshot.findings, *self._core.unresolved)))

    def require_sound(self) -> None:
        """Lets staging and production start on a configuration without critical findings alone.

        Raises:
            InvalidConfigurationError: there are some; says all of them.
        """
        if self.environment.deployed and (found := blocking(self.validate())):
            raise InvalidConfigurationError(found)

    @property
    def ready(self) -> bool:
        """False while a reload was refused and nothing mended it, and while a critical finding
        stands in staging or production.
        """
        unsound = self.environment.deployed and blocking(self._core.snapshot.findings)
        return not self._core.unresolved and not unsound

    @property
    def pending_restart(self) -> frozenset[str]:
        """The keys whose present value counts from the next start."""
        now, then = self._core.snapshot.values, self._core.started_with.values
        return frozenset(
            key.name
            for key in self._core.keys.values()
            if key.setting.reload is not Reload.LIVE and now[key.name] != then[key.name]
        )

    # -- writing -------------------------------------------------------------------------------

    def set(
        self,
        key: str,
        value: Value,
        source: Source | str = Source.DATABASE,
        actor: str = "",
        reason: str = "",
    ) -> ChangeResult:
        """Sets one key for this scope, in the database or as an override of this process.

        Raises:
            UnknownKeyError, InvalidConfigurationError, ScopeError, VetoError, StoreError:
            nothing changed.
        """
        return self.update({key: value}, source, actor, reason)

    def update(
        self,
        values: Mapping[str, Value],
        source: Source | str = Source.DATABASE,
        actor: str = "",
        reason: str = "",
    ) -> ChangeResult:
        """Sets several keys in one revision, all or none of them."""
        source = _source(source)
        parsed = {self._writable(name, source).name: value for name, value in values.items()}
        typed = {name: self._parse(name, value, source) for name, value in parsed.items()}
        action = Action.OVERRIDE if source is Source.OVERRIDE else Action.SET
        return self._write(typed, source, action, actor, reason)

    def delete(
        self, key: str, source: Source | str = Source.DATABASE, actor: str = "", reason: str = ""
    ) -> ChangeResult:
        """Takes away what was set for this scope; a wider scope or a weaker source counts then."""
        return self.delete_all([key], source, actor, reason)

    def delete_all(
        self,
        keys: Iterable[str],
        source: Source | str = Source.DATABASE,
        actor: str = "",
        reason: str = "",
    ) -> ChangeResult:
        """Takes several keys away in one revision, all or none of them."""
        source = _source(source)
        gone = {self._writable(key, source).name: None for key in keys}
        return self._write(gone, source, Action.DELETE, actor, reason)

    def _writable(self, name: str, source: Source) -> Key:
        key = self._core.keys[name]
        if source not in (Source.DATABASE, Source.OVERRIDE):
            raise ScopeError(
                f"{key.name} cannot be set in the {source} source from here.",
                hint="Use database or override; files and variables are changed where they are.",
            )
        if self.scope.scope not in key.setting.scopes:
            raise ScopeError(
                f"{key.name} is not set by {self.scope.scope}.",
                hint=f"Scopes: {', '.join(sorted(key.setting.scopes))}.",
            )
        if source is Source.DATABASE and not key.setting.stored:
            raise ScopeError(
                f"{key.name} must be known before the database is and cannot be stored there.",
                hint=f"Set {key.variable(self.environment)}.",
            )
        return key

    def _parse(self, name: str, value: Value, source: Source) -> Value:
        key = self._core.keys[name]
        entry = Entry(value, source)
        if value is None:
            raise InvalidConfigurationError([invalid(key, entry, "is None; delete it instead")])
        raw = value.get_secret_value() if isinstance(value, SecretStr) else value
        try:
            return key.parse(raw)
        except ValueError as error:
            raise InvalidConfigurationError([invalid(key, entry, str(error))]) from None

    def _write(
        self,
        values: Mapping[str, Value],
        source: Source,
        action: Action,
        actor: str,
        reason: str,
    ) -> ChangeResult:
        given = (v.get_secret_value() for v in values.values() if isinstance(v, SecretStr))
        secrets = frozenset(given)

        def plan(state: StoredState, overrides: Overrides) -> Plan:
            if source is Source.DATABASE:
                return Plan(tuple(self._stored_changes(state, values)), overrides, secrets)
            changes, after = self._overridden(overrides, values, actor)
            return Plan(changes, after, secrets)

        outcome = self._core.change(plan, action, actor=actor, reason=reason)
        return self._result(outcome, values, source)

    def _stored_changes(self, state: StoredState, values: Mapping[str, Value]) -> Iterable[Change]:
        for name, value in values.items():
            key = self._core.keys[name]
            standing = state.get((self.scope, name))
            if standing is None and value is None:
                continue
            if (
                standing is not None
                and value is not None
                and self._same(key, standing.value, value)
            ):
                continue
            yield Change(
                key=name,
                scope=self.scope.scope,
                owner=self.scope.owner,
                source=Source.DATABASE,
                previous=standing.value if standing else None,
                current=None if value is None else stored_form(key, value, self._core.cipher),
            )

    def _same(self, key: Key, stored: Stored, value: Value) -> bool:
        try:
            return self._core.builder.plain(stored) == key.dump(value)
        except EncryptionError:
            return False

    def _overridden(
        self, overrides: Overrides, values: Mapping[str, Value], actor: str
    ) -> tuple[tuple[Change, ...], Overrides]:
        layer = dict(overrides.get(self.scope, {}))
        changes: list[Change] = []
        for name, value in values.items():
            key, old = self._core.keys[name], layer.pop(name, None)
            if value is not None:
                layer[name] = Entry(
                    key.dump(value),
                    Source.OVERRIDE,
                    "set while running",
                    since=self._core.now(),
                    actor=actor,
                    scope=self.scope.scope,
                )
            changes.append(override_change(key, self.scope, old, layer.get(name)))
        return tuple(changes), {**overrides, self.scope: layer}

    def _result(self, outcome: Outcome, written: Iterable[str], source: Source) -> ChangeResult:
        covered: dict[str, Source] = {}
        for name in written:
            winner = self.entries(name)[0].source
            if winner.rank < source.rank:
                covered[name] = winner
        return ChangeResult(
            revision=outcome.revision,
            recorded=outcome.recorded,
            changed=outcome.changed,
            covered=covered,
            restart=outcome.changed & self.pending_restart,
        )

    def reload(self, actor: str = "", reason: str = "reload") -> ChangeResult:
        """Reads variables, file and database again; puts all of it in force, or nothing.

        Raises:
            InvalidConfigurationError, ConfigurationFileError, VetoError, TamperedHistoryError,
            StoreError: what was valid before stays in force.
        """
        return self._result(self._core.reload(actor=actor, reason=reason), (), Source.DEFAULT)

    # -- listening -----------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber, keys: Iterable[str] = ()) -> Callable[[], None]:
        """Asks `subscriber` before each change of these keys (patterns like `database.*`; all when
        none are given) as this scope sees them. Returns what ends the subscription.
        """
        return self._core.subscribers.subscribe(subscriber, self._chain, keys)

    def add_listener(self, listener: Listener, keys: Iterable[str] = ()) -> Callable[[], None]:
        """Calls `listener` after each change of these keys. Returns what removes it."""
        return self._core.subscribers.listen(listener, self._chain, keys)

    def watch(self, *, sighup: bool = False) -> "ConfigurationWatcher":
        """A watcher that reloads when the file changes, on SIGHUP where asked, and takes over what
        other nodes write. Used as a context manager, or by `start` and `stop`.
        """
        from netra_core.configuration.watch import ConfigurationWatcher

        return ConfigurationWatcher(self, sighup=sighup)

    # -- history -------------------------------------------------------------------------------

    def history(self, key: str | None = None, limit: int | None = None) -> list[HistoryRow]:
        """The revisions, the latest first, secrets masked; of one key where it is named."""
        rows = [
            show_revision(revision, self._core.keys)
            for revision in reversed(self._core.snapshot.sources.stored.revisions)
            if key is None or any(change.key == key for change in revision.changes)
        ]
        return rows[:limit]

    def diff(self, a: int, b: int | None = None) -> tuple[ShownChange, ...]:
        """What the database layer held differently after revision `b` (the last) than after `a`.

        Raises:
            HistoryError: there is no such revision.
        """
        state = self._core.snapshot.sources.stored
        after = state.values() if b is None else state.values_at(b)
        return changes_of(self._core.keys, changes_between(state.values_at(a), after))

    def rollback(self, revision: int, actor: str = "", reason: str = "") -> ChangeResult:
        """Makes the database layer what it was after `revision`, by a new revision.

        A manager for a narrower scope puts back what was set for that scope alone.

        Raises:
            HistoryError: there is no such revision.
            InvalidConfigurationError, VetoError, StoreError: nothing changed.
        """
        written: set[str] = set()

        def plan(state: StoredState, overrides: Overrides) -> Plan:
            target = self._own(state.values_at(revision))
            changes = tuple(changes_between(self._own(state.values()), target))
            written.update(change.key for change in changes)
            return Plan(changes, overrides)

        why = reason or f"back to revision {revision}"
        outcome = self._core.change(plan, Action.ROLLBACK, actor=actor, reason=why)
        return self._result(outcome, [k for k in written if k in self._core.keys], Source.DATABASE)

    def _own(self, values: dict[Address, Stored]) -> dict[Address, Stored]:
        if self.scope == GLOBAL:
            return values
        return {address: value for address, value in values.items() if address[0] == self.scope}

    def verify_history(self) -> tuple[Tampering, ...]:
        """Every place where the stored history is not what was written; empty when it is sound."""
        return self._core.verify()

    def backup(self, path: Path) -> int:
        """Writes the stored configuration, its history and its secrets, encrypted, to a file that
        only its owner may read; says up to which revision.

        Raises:
            BackupError, EncryptionError
        """
        from netra_core.configuration.backup import write_backup

        return write_backup(self._core, path)

    def restore(self, path: Path, actor: str = "", reason: str = "") -> ChangeResult:
        """Makes the database layer what it was when the backup was written, by a new revision.

        Raises:
            BackupError: the file is no backup, was changed, or needs another FERNET_KEY.
            InvalidConfigurationError, VetoError, StoreError: nothing changed.
        """
        from netra_core.configuration.backup import read_backup

        target = read_backup(self._core, path)
        written = {key for _, key in target}

        def plan(state: StoredState, overrides: Overrides) -> Plan:
            return Plan(tuple(changes_between(state.values(), target)), overrides)

        why = reason or f"restored from {path.name}"
        outcome = self._core.change(plan, Action.RESTORE, actor=actor, reason=why)
        return self._result(outcome, [k for k in written if k in self._core.keys], Source.DATABASE)

    def close(self) -> None:
        """Lets go of the store."""
        self._core.store.close()

    def __repr__(self) -> str:
        return (
            f"UnifiedConfigurationManager({self.scope}, {self.environment}, "
            f"revision {self.revision})"
        )
