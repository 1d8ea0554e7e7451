"""Sessions: opened by a proven identity, kept alive by rotating refresh tokens, ended at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.audit import AuditLog
from netra_auth.changes import ChangeFeed, ChangeKind
from netra_auth.database import AuthDatabaseManager
from netra_auth.database.tables import AnyRow, refresh_tokens, sessions
from netra_auth.deps import AuthDeps
from netra_auth.errors import NotFound, NotSignedIn, SessionEnded
from netra_auth.memberships import Membership, Memberships
from netra_auth.people import People, Person
from netra_auth.rotation import Chain, Presented, Verdict, judge
from netra_auth.sealing import seal, unseal
from netra_auth.secret import digest, new_secret
from netra_auth.tokens import AccessClaims, AccessTokens

REFRESH_PREFIX = "apxr"
_KEPT_GENERATIONS = 500
_SHOWN_AGENT = 200


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request came from: network address and what the client calls itself."""

    source: str
    agent: str


class Pair(msgspec.Struct, frozen=True):
    """An access token, the refresh token that follows it, and when the access token ends."""

    access_token: str
    refresh_token: str
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a client gets when it has proven who it is."""

    person: Person
    workspace: Membership
    session_id: str
    pair: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A live session as its owner sees it. Times are Unix seconds."""

    id: str
    method: str
    client: str
    created_at: float
    used_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who makes a request to this service, proven by an access token of a live session."""

    person: Person
    workspace_id: str
    session_id: str
    auth_time: int


class Sessions:
    """The life of sessions. Every end is told to the change feed in the same transaction."""

    def __init__(
        self,
        deps: AuthDeps,
        *,
        tokens: AccessTokens,
        people: People,
        memberships: Memberships,
        changes: ChangeFeed,
        audit: AuditLog,
    ) -> None:
        self._deps = deps
        self._database: AuthDatabaseManager = deps.database
        self._clock = deps.clock
        self._new_id = deps.new_id
        self._random_bytes = deps.random_bytes
        self._tokens = tokens
        self._people = people
        self._memberships = memberships
        self._changes = changes
        self._audit = audit

    async def open(
        self,
        connection: AsyncSession,
        person: Person,
        workspace: Membership,
        client: Client,
        *,
        method: str,
    ) -> SignedIn:
        """Start a session for a person who has just proven who they are."""
        now = self._clock()
        session_id = self._new_id("ses")
        absolute = now + self._deps.options.refresh_absolute_ttl_s
        await connection.execute(
            insert(sessions).values(
                id=session_id,
                user_id=person.id,
                workspace_id=workspace.id,
                method=method,
                client=client.agent[:_SHOWN_AGENT],
                generation=1,
                auth_time=_ms(now),
                created_at=_ms(now),
                used_at=_ms(now),
                idle_expires_at=_ms(now + self._deps.options.refresh_idle_ttl_s),
                absolute_expires_at=_ms(absolute),
            )
        )
        refresh = await self._add_refresh(connection, session_id, generation=1)
        pair = self._pair(person, workspace, session_id, int(now), absolute, refresh)
        await self._audit.write(
            connection,
            "session.opened",
            actor=person.id,
            workspace_id=workspace.id,
            source=client.source,
            method=method,
        )
        return SignedIn(person=person, workspace=workspace, session_id=session_id, pair=pair)

    async def refresh(self, token: str, client: Client) -> SignedIn:
        """Spend a refresh token for a new pair, or repeat the pair within the grace.

        Raises SessionEnded for anything else, having ended the session when the token was spent
        before: then somebody else holds it too.
        """
        signed_in = None
        if await self._is_ours(token):
            async with self._database.session() as connection:
                signed_in = await self._refresh(connection, token, client)
            self._changes.tell()
        if signed_in is None:
            raise SessionEnded("This session has ended.", hint="Sign in again.")
        return signed_in

    async def authenticate(self, access_token: str) -> tuple[AccessClaims, Principal]:
        """Who holds this access token, checked against the live session and account."""
        claims = self._tokens.verify(access_token)
        async with self._database.session(read_only=True) as connection:
            query = select(sessions.c.ended_at, sessions.c.user_id).where(
                sessions.c.id == claims.sid
            )
            row = (await connection.execute(query)).one_or_none()
            person = await self._people.by_id(connection, claims.sub)
        live = row is not None and row.ended_at is None and row.user_id == claims.sub
        if not live or person is None or person.disabled:
            raise NotSignedIn("This session has ended.", hint="Sign in again.")
        return claims, Principal(
            person=person,
            workspace_id=claims.ws,
            session_id=claims.sid,
            auth_time=claims.auth_time,
        )

    async def enter(
        self, connection: AsyncSession, principal: Principal, workspace: Membership
    ) -> tuple[str, float]:
        """An access token for another workspace of this person; the session stays there."""
        moved = await connection.execute(
            update(sessions)
            .where(sessions.c.id == principal.session_id, sessions.c.ended_at.is_(None))
            .values(workspace_id=workspace.id)
            .returning(sessions.c.absolute_expires_at)
        )
        absolute = moved.scalar_one_or_none()
        if absolute is None:
            raise NotSignedIn("This session has ended.", hint="Sign in again.")
        return self._access(
            principal.person,
            workspace,
            principal.session_id,
            principal.auth_time,
            absolute / 1000,
        )

    async def live(self, connection: AsyncSession, user_id: str) -> list[SessionInfo]:
        """Live sessions of a person, newest use first."""
        now = _ms(self._clock())
        query = (
            select(sessions)
            .where(
                sessions.c.user_id == user_id,
                sessions.c.ended_at.is_(None),
                sessions.c.idle_expires_at > now,
                sessions.c.absolute_expires_at > now,
            )
            .order_by(sessions.c.used_at.desc(), sessions.c.id)
        )
        return [_info(row) for row in await connection.execute(query)]

    async def end_by_refresh_token(self, token: str) -> None:
        """Sign out with a refresh token; an unknown one is no error."""
        async with self._database.session() as connection:
            query = select(refresh_tokens.c.session_id).where(
                refresh_tokens.c.digest == digest(token)
            )
            session_id = await connection.scalar(query)
            if session_id is not None:
                await self._end_where(connection, [session_id], reason="logout")
        self._changes.tell()

    async def end(
        self, connection: AsyncSession, user_id: str, session_id: str, *, reason: str
    ) -> None:
        """End one session of this person; NotFound where they have no such live session."""
        query = select(sessions.c.id).where(
            sessions.c.id == session_id,
            sessions.c.user_id == user_id,
            sessions.c.ended_at.is_(None),
        )
        if await connection.scalar(query) is None:
            raise NotFound("There is no such session.")
        await self._end_where(connection, [session_id], reason=reason)

    async def end_all(
        self,
        connection: AsyncSession,
        user_id: str,
        *,
        reason: str,
        but: str | None = None,
    ) -> int:
        """End every live session of a person, except `but`; how many there were."""
        query = select(sessions.c.id).where(
            sessions.c.user_id == user_id, sessions.c.ended_at.is_(None)
        )
        found = [row.id for row in await connection.execute(query) if row.id != but]
        await self._end_where(connection, found, reason=reason)
        return len(found)

    async def _is_ours(self, token: str) -> bool:
        """Made-up tokens are told apart by a read, so that a flood of them blocks no writer."""
        query = select(refresh_tokens.c.generation).where(refresh_tokens.c.digest == digest(token))
        async with self._database.session(read_only=True) as connection:
            return await connection.scalar(query) is not None

    async def _refresh(
        self, connection: AsyncSession, token: str, client: Client
    ) -> SignedIn | None:
        row = await self._find(connection, token)
        if row is None:
            return None
        person = await self._people.by_id(connection, row.user_id)
        if person is None or person.disabled:
            return None
        workspace = await self._place(connection, row)
        now = self._clock()
        verdict = judge(
            Chain(
                generation=row.current,
                idle_expires_at=row.idle_expires_at / 1000,
                absolute_expires_at=row.absolute_expires_at / 1000,
                ended=row.ended_at is not None or workspace is None,
            ),
            Presented(
                generation=row.generation,
                spent_at=None if row.spent_at is None else row.spent_at / 1000,
            ),
            now=now,
            grace_s=self._deps.options.refresh_grace_s,
        )
        match verdict:
            case Verdict.ROTATE if workspace is not None:
                return await self._rotate(connection, row, token, person, workspace, now)
            case Verdict.REPEAT if workspace is not None:
                return _repeat(row, token, person, workspace)
            case Verdict.REUSED | Verdict.EXPIRED:
                await self._end_where(connection, [row.session_id], reason=verdict.value)
                await self._audit.write(
                    connection,
                    f"session.{verdict.value}",
                    subject=person.id,
                    source=client.source,
                )
                return None
            case Verdict.ENDED | Verdict.ROTATE | Verdict.REPEAT:
                return None
            case _:
                assert_never(verdict)

    async def _find(self, connection: AsyncSession, token: str) -> AnyRow | None:
        query = (
            select(
                refresh_tokens.c.session_id,
                refresh_tokens.c.generation,
                refresh_tokens.c.spent_at,
                refresh_tokens.c.sealed,
                sessions.c.user_id,
                sessions.c.workspace_id,
                sessions.c.generation.label("current"),
                sessions.c.auth_time,
                sessions.c.idle_expires_at,
                sessions.c.absolute_expires_at,
                sessions.c.ended_at,
            )
            .join(sessions, sessions.c.id == refresh_tokens.c.session_id)
            .where(refresh_tokens.c.digest == digest(token))
        )
        row = (await connection.execute(query)).one_or_none()
        if row is None or self._database.dialect == "sqlite":
            return row
        # Lock the session first, then read again: the answer must not be from before the lock.
        lock = select(sessions.c.id).where(sessions.c.id == row.session_id).with_for_update()
        await connection.execute(lock)
        return (await connection.execute(query)).one_or_none()

    async def _place(self, connection: AsyncSession, row: AnyRow) -> Membership | None:
        """The session's workspace, or another one when the person is no longer in it."""
        found = await self._memberships.find(connection, row.workspace_id, row.user_id)
        if found is not None:
            return found
        others = await self._memberships.of_person(connection, row.user_id)
        return others[0] if others else None

    async def _rotate(
        self,
        connection: AsyncSession,
        row: AnyRow,
        token: str,
        person: Person,
        workspace: Membership,
        now: float,
    ) -> SignedIn:
        session_id, generation = str(row.session_id), row.current + 1
        refresh = await self._add_refresh(connection, session_id, generation=generation)
        absolute = row.absolute_expires_at / 1000
        auth_time = row.auth_time // 1000
        pair = self._pair(person, workspace, session_id, auth_time, absolute, refresh)
        sealed = seal(
            msgspec.json.encode(pair).decode(), secret=token, random_bytes=self._random_bytes
        )
        chain = refresh_tokens.c.session_id == session_id
        await connection.execute(
            update(refresh_tokens)
            .where(chain, refresh_tokens.c.generation == row.current)
            .values(spent_at=_ms(now), sealed=sealed)
        )
        await connection.execute(
            update(refresh_tokens)
            .where(chain, refresh_tokens.c.generation == row.current - 1)
            .values(sealed=None)
        )
        await connection.execute(
            delete(refresh_tokens).where(
                chain, refresh_tokens.c.generation < generation - _KEPT_GENERATIONS
            )
        )
        await connection.execute(
            update(sessions)
            .where(sessions.c.id == session_id)
            .values(
                generation=generation,
                workspace_id=workspace.id,
                used_at=_ms(now),
                idle_expires_at=_ms(now + self._deps.options.refresh_idle_ttl_s),
            )
        )
        return SignedIn(person=person, workspace=workspace, session_id=session_id, pair=pair)

    async def _add_refresh(
        self, connection: AsyncSession, session_id: str, *, generation: int
    ) -> str:
        token = new_secret(REFRESH_PREFIX, self._random_bytes)
        await connection.execute(
            insert(refresh_tokens).values(
                digest=digest(token), session_id=session_id, generation=generation
            )
        )
        return token

    def _pair(
        self,
        person: Person,
        workspace: Membership,
        session_id: str,
        auth_time: int,
        absolute: float,
        refresh: str,
    ) -> Pair:
        access, expires_at = self._access(person, workspace, session_id, auth_time, absolute)
        return Pair(access_token=access, refresh_token=refresh, expires_at=expires_at)

    def _access(
        self,
        person: Person,
        workspace: Membership,
        session_id: str,
        auth_time: int,
        absolute: float,
    ) -> tuple[str, float]:
        return self._tokens.issue(
            user_id=person.id,
            workspace_id=workspace.id,
            role=workspace.role.value,
            session_id=session_id,
            jti=self._new_id("tok"),
            auth_time=auth_time,
            not_after=absolute,
        )

    async def _end_where(
        self, connection: AsyncSession, ids: Sequence[str], *, reason: str
    ) -> None:
        now = _ms(self._clock())
        for session_id in ids:
            ended = await connection.execute(
                update(sessions)
                .where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
                .values(ended_at=now, end_reason=reason)
                .returning(sessions.c.user_id)
            )
            user_id = ended.scalar_one_or_none()
            if user_id is not None:
                await self._changes.add(
                    connection,
                    ChangeKind.SESSION_REVOKED,
                    user_id=user_id,
                    session_id=session_id,
                )


def _repeat(row: AnyRow, token: str, person: Person, workspace: Membership) -> SignedIn | None:
    text = None if row.sealed is None else unseal(bytes(row.sealed), secret=token)
    if text is None:
        return None
    pair = msgspec.json.decode(text, type=Pair)
    return SignedIn(person=person, workspace=workspace, session_id=str(row.session_id), pair=pair)


def _info(row: AnyRow) -> SessionInfo:
    return SessionInfo(
        id=row.id,
        method=row.method,
        client=row.client,
        created_at=row.created_at / 1000,
        used_at=row.used_at / 1000,
        expires_at=min(row.idle_expires_at, row.absolute_expires_at) / 1000,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
