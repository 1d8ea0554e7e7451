"""The one holder of the configuration of a process: reads sources, decides, swaps, records."""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from netra_core.configuration.audit import (
    changed_keys,
    environment_changed,
    outside_changes,
    secret_text,
    secrets_of,
    tampering_finding,
    unreadable_file,
)
from netra_core.configuration.encryption import Cipher
from netra_core.configuration.errors import (
    ConfigurationFileError,
    InvalidConfigurationError,
    RevisionConflictError,
    TamperedHistoryError,
)
from netra_core.configuration.findings import Finding, blocking
from netra_core.configuration.keys import Key, KeyTable, Value
from netra_core.configuration.layers import Entry, Source
from netra_core.configuration.load import environment_of, settings_file
from netra_core.configuration.revisions import (
    Action,
    Change,
    Revision,
    Tampering,
    find_tampering,
    head_of,
)
from netra_core.configuration.rules import configuration_findings
from netra_core.configuration.schema import Severity
from netra_core.configuration.scopes import GLOBAL, ScopeKey
from netra_core.configuration.snapshot import Snapshot, SnapshotBuilder, Sources
from netra_core.configuration.sources import (
    FileLayers,
    default_layer,
    environment_layer,
    file_layers,
)
from netra_core.configuration.store import RevisionStore
from netra_core.configuration.stored import StoredState
from netra_core.configuration.subscribers import Subscribers
from netra_core.environment import IsolatedEnvironment, Redactor
from netra_core.errors import ConfigurationError

MAX_ATTEMPTS: Final = 20
"""How often a change is tried again when other nodes write first."""

FERNET_KEY: Final = "auth.fernet_key"

Overrides = Mapping[ScopeKey, Mapping[str, Entry]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change wants: changes to record, and the overrides of this process afterwards.

    `secrets` are the secret values it brings, so that they can be kept out of what is recorded.
    """

    changes: tuple[Change, ...]
    overrides: Overrides
    secrets: frozenset[str] = field(default_factory=frozenset[str], repr=False)


Planner = Callable[[StoredState, Overrides], Plan]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: `changed` keys have other values now, for somebody."""

    revision: int
    recorded: bool
    changed: frozenset[str] = field(default_factory=frozenset[str])


class ConfigurationCore:
    """Sources, snapshot, history and subscribers of one process.

    Readers take `snapshot` and hold a whole revision. Changes go one at a time.
    """

    def __init__(
        self,
        env: IsolatedEnvironment,
        *,
        service: str,
        overrides: Mapping[str, Value],
        generated: Mapping[str, str],
        store: RevisionStore,
        file: Path | None,
        keys: KeyTable,
        clock: Callable[[], datetime],
        strict: bool,
        found: Sequence[Finding] = (),
    ) -> None:
        self._strict = strict
        self._found = tuple(found)
        self.keys = keys
        self.service = service
        self.store = store
        self._env = env
        self._clock = clock
        self._named_file = file
        self._generated = generated
        self._writer = threading.Lock()
        self._changing_thread: int | None = None
        initial = {keys[n].name: Entry(v, Source.OVERRIDE, "start") for n, v in overrides.items()}
        self.environment: Final = environment_of(env, initial)
        self.cipher: Final = self._find_cipher(initial)
        self.builder: Final = SnapshotBuilder(keys, self.cipher)
        self.redactor: Final = Redactor()
        self.subscribers: Final = Subscribers(self.redactor.text)
        self._unresolved: tuple[Finding, ...] = ()
        state, tampering = self._first_state()
        sources = replace(self._read_sources({GLOBAL: initial}), stored=state)
        self._snapshot = self._build(sources, None, tampering)
        self.started_with: Final = self._snapshot

    # -- reading -------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The whole revision in force."""
        return self._snapshot

    @property
    def unresolved(self) -> tuple[Finding, ...]:
        """Why the last reload was refused; empty since one succeeded."""
        return self._unresolved

    @property
    def file(self) -> Path | None:
        """The TOML file in force, if there is one."""
        if self._named_file is not None:
            return self._named_file
        overrides = self._snapshot.sources.overrides.get(GLOBAL, {})
        return settings_file(overrides, self._snapshot.sources.environment, self.keys)

    def now(self) -> datetime:
        """The time by the clock that was handed in."""
        return self._clock()

    def secrets(self) -> set[str]:
        """Every secret value that any scope holds."""
        return secrets_of(self._snapshot, self.keys)

    def verify(self) -> tuple[Tampering, ...]:
        """Every place where the stored history is not what was written."""
        try:
            rows = self.store.read()
        except TamperedHistoryError as error:
            number = next((int(w) for w in error.message.split() if w.isdigit()), 0)
            return (Tampering(number, "its row cannot be read"),)
        found = list(find_tampering(rows, self.store.head(), self.cipher))
        known = {r.number: r.hash for r in self._snapshot.sources.stored.revisions}
        places = {tampering.revision for tampering in found}
        present = {row.number: row.hash for row in rows}
        for number, digest in known.items():
            if present.get(number) != digest and number not in places:
                found.append(Tampering(number, "is not what this process read before"))
        return tuple(sorted(found, key=lambda t: t.revision))

    # -- changing ------------------------------------------------------------------------------

    def reload(self, *, actor: str, reason: str) -> Outcome:
        """Reads every source again and puts what they say in force, all of it or nothing.

        Raises:
            InvalidConfigurationError, ConfigurationFileError, VetoError, TamperedHistoryError,
            StoreError: nothing changed.
        """
        with self._changing():
            try:
                sources = self._read_sources(self._snapshot.sources.overrides)
                outcome = self._attempt(
                    lambda state, overrides: Plan(
                        outside_changes(self._snapshot.sources, sources, self.keys), overrides
                    ),
                    sources,
                    Action.RELOAD,
                    actor,
                    reason,
                )
            except ConfigurationError as error:
                self._unresolved = self._why_refused(error)
                raise
            self._unresolved = ()
        self.subscribers.drain()
        return outcome

    def change(self, plan: Planner, action: Action, *, actor: str, reason: str) -> Outcome:
        """Records and puts in force what `plan` wants, all of it or nothing.

        Raises:
            InvalidConfigurationError, VetoError, TamperedHistoryError, StoreError: nothing changed.
        """
        with self._changing():
            outcome = self._attempt(plan, self._snapshot.sources, action, actor, reason)
        self.subscribers.drain()
        return outcome

    def follow(self) -> Outcome:
        """Takes over what other nodes wrote since; cheap when they wrote nothing."""
        head = self.store.head()
        if (head.number if head else 0) == self._snapshot.revision:
            return Outcome(self._snapshot.revision, recorded=False)
        return self.change(
            lambda _, overrides: Plan((), overrides), Action.RELOAD, actor="", reason=""
        )

    def _attempt(
        self, plan: Planner, sources: Sources, action: Action, actor: str, reason: str
    ) -> Outcome:
        for _ in range(MAX_ATTEMPTS):
            try:
                return self._attempt_once(plan, sources, action, actor, reason)
            except RevisionConflictError:
                continue
        raise RevisionConflictError("Other nodes change the configuration without pause.")

    def _attempt_once(
        self, plan: Planner, sources: Sources, action: Action, actor: str, reason: str
    ) -> Outcome:
        old = self._snapshot
        state = self._synced(old.sources.stored)
        planned = plan(state, sources.overrides)
        revision: Revision | None = None
        if planned.changes:
            self.redactor.know(planned.secrets)
            clean = self.redactor.text(reason)
            revision = self._revision(state, planned.changes, action, actor, clean)
            state = state.after([revision], cipher=self.cipher, trust=True)
        new = self._build(replace(sources, stored=state, overrides=planned.overrides), old, ())
        prepared = self.subscribers.prepare(old, new)
        try:
            if revision is not None:
                self.store.append(revision, head_of(revision, self.cipher))
        except BaseException:
            self.subscribers.abort(prepared)
            raise
        self._snapshot = new
        self.subscribers.commit(prepared)
        self.subscribers.enqueue(old, new)
        return Outcome(new.revision, revision is not None, changed_keys(old, new))

    def _synced(self, state: StoredState) -> StoredState:
        head = self.store.head()
        number = head.number if head else 0
        if number < state.number:
            raise TamperedHistoryError(
                f"Revision {number + 1} and later are gone from the configuration store.",
                hint="Restore the configuration from a backup.",
            )
        if number == state.number:
            return state
        return state.after(self.store.read(after=state.number), cipher=self.cipher, trust=False)

    def _revision(
        self,
        state: StoredState,
        changes: tuple[Change, ...],
        action: Action,
        actor: str,
        reason: str,
    ) -> Revision:
        return Revision(
            number=state.number + 1,
            at=self._clock(),
            actor=actor,
            reason=reason,
            service=self.service,
            action=action,
            changes=changes,
            previous_hash=state.hash,
        ).closed(self.cipher)

    def _build(self, sources: Sources, last: Snapshot | None, more: Sequence[Finding]) -> Snapshot:
        new = self.builder.build(sources, last, self._clock())
        # before anybody can log a new one
        self.redactor.know(secrets_of(new, self.keys, since=last))
        findings = (*new.findings, *more, *configuration_findings(new, self.keys))
        known = {(f.rule, f.key) for f in last.findings} if last else set[tuple[str, str]]()
        fresh = tuple(f for f in blocking(findings) if (f.rule, f.key) not in known)
        if last is not None:
            fresh = (*fresh, *self._frozen_changes(last, new))
        if last is None:
            fresh = blocking(new.findings) if self._strict else ()
            fresh = blocking(findings) if fresh else ()  # when it fails, it says everything
        if fresh:
            raise InvalidConfigurationError(fresh)
        return replace(new, findings=findings)

    def _frozen_changes(self, last: Snapshot, new: Snapshot) -> list[Finding]:
        return [
            Finding(
                rule="never_reloads",
                severity=Severity.CRITICAL,
                key=key.name,
                source=new.entries[key.name].described,
                reason="cannot change while the service runs",
                remedy="Stop the service, change it, start again.",
            )
            for key in self.keys.values()
            if key.setting.reload == "never" and last.values[key.name] != new.values[key.name]
        ]

    # -- sources -------------------------------------------------------------------------------

    def _read_sources(self, overrides: Overrides) -> Sources:
        own = overrides.get(GLOBAL, {})
        if environment_of(self._env, own) is not self.environment:
            raise InvalidConfigurationError([environment_changed()])
        from_env, findings = environment_layer(self._env, self.keys, self.environment)
        path = self._named_file or settings_file(own, from_env, self.keys)
        layers = self._read_file(path)
        return Sources(
            defaults=default_layer(
                self.keys, None if self.environment.deployed else self._generated
            ),
            environment=from_env,
            file=layers,
            stored=StoredState(),
            overrides=overrides,
            findings=(*self._found, *findings, *layers.findings),
        )

    def _read_file(self, path: Path | None) -> FileLayers:
        if path is None:
            return FileLayers()
        try:
            return file_layers(path, self.keys)
        except ConfigurationFileError as error:
            if self._strict:
                raise
            return FileLayers(findings=[unreadable_file(path.name, error)])

    def _first_state(self) -> tuple[StoredState, tuple[Finding, ...]]:
        try:
            rows = self.store.read()
        except TamperedHistoryError as error:
            if self._strict:
                raise
            return StoredState(), (tampering_finding(error.message, error.hint),)
        places = find_tampering(rows, self.store.head(), self.cipher)
        state = StoredState().after(rows, cipher=self.cipher, trust=True)
        return state, tuple(tampering_finding(str(place)) for place in places)

    def _find_cipher(self, overrides: Mapping[str, Entry]) -> Cipher | None:
        if FERNET_KEY not in self.keys:
            return None
        key = self.keys[FERNET_KEY]
        entry = overrides.get(key.name)
        generated = None if self.environment.deployed else self._generated.get(key.name)
        text = (
            (secret_text(entry.raw) if entry else None)
            or self._env.get(key.variable(self.environment))
            or self._fernet_key_of_file(key, overrides)
            or generated
        )
        return Cipher.of_setting(text) if text and text.strip(" ,") else None

    def _fernet_key_of_file(self, key: Key, overrides: Mapping[str, Entry]) -> str | None:
        from_env, _ = environment_layer(self._env, self.keys, self.environment)
        path = self._named_file or settings_file(overrides, from_env, self.keys)
        if path is None:
            return None
        entry = self._read_file(path).common.get(key.name)
        return secret_text(entry.raw) if entry else None

    # -- going one at a time -------------------------------------------------------------------

    @contextmanager
    def _changing(self) -> Generator[None]:
        if self._changing_thread == threading.get_ident():
            raise ConfigurationError(
                "A subscriber tried to change the configuration while it is being changed.",
                hint="Use a listener: it is called afterwards.",
            )
        with self._writer:
            self._changing_thread = threading.get_ident()
            try:
                yield
            finally:
                self._changing_thread = None

    @staticmethod
    def _why_refused(error: ConfigurationError) -> tuple[Finding, ...]:
        if isinstance(error, InvalidConfigurationError):
            return error.findings
        return (
            Finding(
                rule="reload_refused",
                severity=Severity.CRITICAL,
                key="configuration",
                reason=error.message,
                remedy=error.hint,
            ),
        )
