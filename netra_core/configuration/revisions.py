"""Revisions of the configuration: numbered, chained by hash, sealed. No I/O here."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from netra_core.configuration.encryption import Cipher
from netra_core.configuration.layers import Source
from netra_core.configuration.schema import Scope

GENESIS_HASH: Final = "0" * 64

Json = Any  # Any: a JSON value


class Action(StrEnum):
    """What made a revision."""

    SET = "set"
    DELETE = "delete"
    ROLLBACK = "rollback"
    RESTORE = "restore"
    OVERRIDE = "override"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class Stored:
    """A value as it is stored: JSON, or a ciphertext when `encrypted`."""

    value: Json
    encrypted: bool = False

    def to_json(self) -> dict[str, Json]:
        """Its form in a row."""
        return {"c" if self.encrypted else "v": self.value}

    @classmethod
    def from_json(cls, raw: dict[str, Json] | None) -> "Stored | None":
        """What `to_json` gave, or None."""
        if raw is None:
            return None
        return cls(raw["c"], True) if "c" in raw else cls(raw["v"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key before and after; None means not set."""

    key: str
    scope: Scope
    owner: str
    source: Source
    previous: Stored | None
    current: Stored | None

    def to_json(self) -> dict[str, Json]:
        """Its form in a row."""
        return {
            "key": self.key,
            "scope": str(self.scope),
            "owner": self.owner,
            "source": str(self.source),
            "previous": self.previous.to_json() if self.previous else None,
            "current": self.current.to_json() if self.current else None,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Json]) -> "Change":
        """What `to_json` gave."""
        return cls(
            key=raw["key"],
            scope=Scope(raw["scope"]),
            owner=raw["owner"],
            source=Source(raw["source"]),
            previous=Stored.from_json(raw["previous"]),
            current=Stored.from_json(raw["current"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One change of the configuration, for ever. Only changes of the database source count for
    what is stored; those of files, variables and overrides are there to be seen.

    `actor` and owners are opaque ids, never names or addresses.
    """

    number: int
    at: datetime
    actor: str
    reason: str
    service: str
    action: Action
    changes: tuple[Change, ...]
    previous_hash: str
    hash: str = ""
    seal: str = ""
    key_id: str = ""

    def body(self) -> str:
        """What the hash covers: everything but hash and seal, ciphertexts as they are stored."""
        return json.dumps(
            {
                "number": self.number,
                "at": self.at.isoformat(),
                "actor": self.actor,
                "reason": self.reason,
                "service": self.service,
                "action": str(self.action),
                "changes": [change.to_json() for change in self.changes],
                "previous_hash": self.previous_hash,
                "key_id": self.key_id,
            },
            sort_keys=True,
            ensure_ascii=True,
            separators=(",", ":"),
        )

    def closed(self, cipher: Cipher | None) -> "Revision":
        """The revision with its hash, and its seal where there is a key."""
        named = replace(self, key_id=cipher.key_id if cipher else "")
        digest = hashlib.sha256(named.body().encode()).hexdigest()
        return replace(named, hash=digest, seal=cipher.seal(digest) if cipher else "")


@dataclass(frozen=True, slots=True)
class Head:
    """The last revision, as the store remembers it apart from the rows."""

    number: int
    hash: str
    seal: str = ""


@dataclass(frozen=True, slots=True)
class Tampering:
    """One place where the stored history is not what was written."""

    revision: int
    reason: str

    def __str__(self) -> str:
        return f"revision {self.revision}: {self.reason}"


def find_tampering(
    revisions: Iterable[Revision], head: Head | None, cipher: Cipher | None
) -> tuple[Tampering, ...]:
    """Every place where rows were changed, removed, inserted or reordered; empty when sound.

    Without the key that sealed them rows can be checked for consistency, not for forgery.
    """
    return tuple(_tampering(list(revisions), head, cipher))


def _tampering(
    revisions: list[Revision], head: Head | None, cipher: Cipher | None
) -> Iterator[Tampering]:
    expected, previous = 1, GENESIS_HASH
    sealed = False
    for revision in revisions:
        if revision.number != expected:
            missing = f"{expected}" if revision.number == expected + 1 else f"{expected} and more"
            yield Tampering(revision.number, f"does not follow: {missing} missing before it")
        elif revision.previous_hash != previous:
            yield Tampering(revision.number, "does not continue the revision before it")
        if hashlib.sha256(revision.body().encode()).hexdigest() != revision.hash:
            yield Tampering(revision.number, "its content was changed")
        elif revision.seal:
            if cipher and not cipher.seal_holds(revision.hash, revision.seal):
                yield Tampering(revision.number, "its seal was not made with FERNET_KEY")
        elif sealed:
            yield Tampering(revision.number, "has no seal")
        sealed = sealed or bool(revision.seal)
        expected, previous = revision.number + 1, revision.hash
    yield from _head_tampering(revisions, head, cipher)


def _head_tampering(
    revisions: list[Revision], head: Head | None, cipher: Cipher | None
) -> Iterator[Tampering]:
    last = revisions[-1] if revisions else None
    if head is None:
        if last is not None:
            yield Tampering(last.number, "the record of the last revision is missing")
        return
    if last is None or last.number < head.number:
        first_lost = last.number + 1 if last else 1
        yield Tampering(first_lost, f"missing, like all up to {head.number}")
    elif (last.number, last.hash) != (head.number, head.hash):
        yield Tampering(last.number, "is not the revision that was recorded as the last")
    if cipher and last and last.seal and not cipher.seal_holds(_head_text(head), head.seal):
        yield Tampering(head.number, "the record of the last revision was changed")


def _head_text(head: Head) -> str:
    return f"head:{head.number}:{head.hash}"


def head_of(revision: Revision, cipher: Cipher | None) -> Head:
    """The record that this revision is the last."""
    head = Head(revision.number, revision.hash)
    return replace(head, seal=cipher.seal(_head_text(head)) if cipher else "")
