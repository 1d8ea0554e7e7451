"""The audit log: every auth event, append-only, hash-chained, free of personal data."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database.tables import audit_log, pseudonyms
from netra_auth.deps import Clock, RandomBytes
from netra_auth.sequence import ZERO_DIGEST, Head, lock_head, move_head

_SEQUENCE = "audit"


@dataclass(frozen=True, slots=True)
class Tampered:
    """Where the chain breaks first, and how."""

    seq: int
    reason: str


class AuditLog:
    """Writes events in the transaction of what they tell of.

    People appear under random pseudonyms; the one table that links them is emptied of a person
    who is erased, and the chain still verifies. Network addresses appear as keyed digests.
    """

    def __init__(self, clock: Clock, random_bytes: RandomBytes, source_key: bytes) -> None:
        self._clock = clock
        self._random_bytes = random_bytes
        self._source_key = source_key

    async def write(
        self,
        connection: AsyncSession,
        event: str,
        *,
        actor: str | None = None,
        subject: str | None = None,
        workspace_id: str | None = None,
        source: str | None = None,
        **detail: str | int | bool,
    ) -> None:
        """Append one event. `actor` and `subject` are user ids, `source` a network address."""
        actor_name = await self._pseudonym(connection, actor)
        subject_name = await self._pseudonym(connection, subject)
        head = await lock_head(connection, _SEQUENCE)
        entry: dict[str, object] = {
            "seq": head.seq + 1,
            "at": round(self._clock() * 1000),
            "event": event,
            "actor": actor_name,
            "subject": subject_name,
            "workspace": workspace_id,
            "source": self._source(source),
            "detail": msgspec.json.encode(detail, order="sorted").decode(),
        }
        digest = _digest(head.digest, entry)
        await connection.execute(
            insert(audit_log).values(**entry, previous=head.digest, digest=digest)
        )
        await move_head(connection, _SEQUENCE, Head(seq=head.seq + 1, digest=digest))

    async def forget(self, connection: AsyncSession, user_id: str) -> None:
        """Cut the only link between a person and their events."""
        await connection.execute(delete(pseudonyms).where(pseudonyms.c.user_id == user_id))

    async def verify(self, connection: AsyncSession) -> Tampered | None:
        """None when every entry is there, unchanged and in order; else the first that is not."""
        head = await lock_head(connection, _SEQUENCE)
        previous, expected = ZERO_DIGEST, 0
        rows = await connection.stream(select(audit_log).order_by(audit_log.c.seq))
        async for row in rows:
            expected += 1
            if row.seq != expected:
                return Tampered(seq=expected, reason="an entry is missing")
            entry = {name: getattr(row, name) for name in _CHAINED}
            if bytes(row.previous) != previous or bytes(row.digest) != _digest(previous, entry):
                return Tampered(seq=expected, reason="an entry was changed")
            previous = bytes(row.digest)
        if expected != head.seq or previous != head.digest:
            return Tampered(seq=expected + 1, reason="entries at the end are missing")
        return None

    async def _pseudonym(self, connection: AsyncSession, user_id: str | None) -> str | None:
        if user_id is None:
            return None
        query = select(pseudonyms.c.pseudonym).where(pseudonyms.c.user_id == user_id)
        found = await connection.scalar(query)
        if found is None:
            found = "p_" + self._random_bytes(12).hex()
            await connection.execute(insert(pseudonyms).values(user_id=user_id, pseudonym=found))
        return found

    def _source(self, address: str | None) -> str | None:
        if address is None:
            return None
        return hmac.new(self._source_key, address.encode(), hashlib.sha256).hexdigest()[:24]


_CHAINED = ("seq", "at", "event", "actor", "subject", "workspace", "source", "detail")


def _digest(previous: bytes, entry: Mapping[str, object]) -> bytes:
    ordered = msgspec.json.encode([entry[name] for name in _CHAINED])
    return hashlib.sha256(previous + ordered).digest()
