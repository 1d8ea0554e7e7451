"""The feed by which other services learn within a second that rights have changed."""

import asyncio
from enum import StrEnum

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database import AuthDatabaseManager
from netra_auth.database.tables import changes, heads
from netra_auth.deps import Clock
from netra_auth.sequence import Head, lock_head, move_head

BATCH = 1000
_SEQUENCE = "changes"
_LOOK_AGAIN_S = 0.25


class ChangeKind(StrEnum):
    """What happened, and what a verifier of access tokens must refuse from then on."""

    SESSION_REVOKED = "session_revoked"
    """Tokens of this session (or API key, by its id)."""
    USER_DISABLED = "user_disabled"
    """Tokens of this person issued at or before `at`."""
    MEMBERSHIP_CHANGED = "membership_changed"
    """Tokens of this person for this workspace issued at or before `at`."""
    PERSON_ERASED = "person_erased"
    """Whatever other services keep of this person; never forgotten, so that none misses it."""
    WORKSPACE_ERASED = "workspace_erased"
    """Whatever other services keep of this workspace; as above."""


_FOR_EVER = (ChangeKind.PERSON_ERASED.value, ChangeKind.WORKSPACE_ERASED.value)


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the feed; `at` in Unix seconds."""

    id: int
    kind: ChangeKind
    user_id: str
    at: float
    session_id: str | None = None
    workspace_id: str | None = None


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of the feed: entries after the asked number, the newest number, the time."""

    changes: list[Change]
    last: int
    now: float


class ChangeFeed:
    """Append-only, numbered without gaps, kept while an access token from before may live; what
    was erased for ever.
    """

    def __init__(self, database: AuthDatabaseManager, clock: Clock, *, keep_s: float) -> None:
        self._database = database
        self._clock = clock
        self._keep_s = keep_s
        self._told = asyncio.Event()

    async def add(
        self,
        connection: AsyncSession,
        kind: ChangeKind,
        *,
        user_id: str,
        session_id: str | None = None,
        workspace_id: str | None = None,
    ) -> None:
        """Write the change within the transaction that makes it true.

        `at` is read while the sequence is locked, hence after the rows that the change is about
        were locked.
        """
        head = await lock_head(connection, _SEQUENCE)
        now = self._clock()
        await connection.execute(
            insert(changes).values(
                id=head.seq + 1,
                kind=kind.value,
                user_id=user_id,
                session_id=session_id,
                workspace_id=workspace_id,
                at=round(now * 1000),
            )
        )
        oldest = round((now - self._keep_s) * 1000)
        await connection.execute(
            delete(changes).where(changes.c.at < oldest, changes.c.kind.not_in(_FOR_EVER))
        )
        await move_head(connection, _SEQUENCE, Head(seq=head.seq + 1, digest=head.digest))

    def tell(self) -> None:
        """Wake waiting readers; call after the transaction has ended."""
        told, self._told = self._told, asyncio.Event()
        told.set()

    async def read(self, *, after: int) -> Feed:
        """What came after the given number, at most `BATCH` entries, without waiting."""
        async with self._database.session(read_only=True) as connection:
            last = await connection.scalar(select(heads.c.seq).where(heads.c.name == _SEQUENCE))
            rows = await connection.execute(
                select(changes).where(changes.c.id > after).order_by(changes.c.id).limit(BATCH)
            )
            found = [
                Change(
                    id=row.id,
                    kind=ChangeKind(row.kind),
                    user_id=row.user_id,
                    at=row.at / 1000,
                    session_id=row.session_id,
                    workspace_id=row.workspace_id,
                )
                for row in rows
            ]
        return Feed(changes=found, last=last or 0, now=self._clock())

    async def wait(self, *, after: int, wait_s: float) -> Feed:
        """Like `read`, but waits up to `wait_s` for something new.

        A change made in this process is seen at once, one made by another process (an operator's
        command, a second node) within a quarter of a second. A reader whose number is beyond the
        newest, as after a restore of the database, is answered at once.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            told = self._told
            feed = await self.read(after=after)
            left = deadline - loop.time()
            if feed.changes or feed.last < after or left <= 0:
                return feed
            try:
                await asyncio.wait_for(told.wait(), min(_LOOK_AGAIN_S, left))
            except TimeoutError:
                continue
