"""API keys: long-lived credentials of scripts, tied to one person in one workspace."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.audit import AuditLog
from netra_auth.changes import ChangeFeed, ChangeKind
from netra_auth.database.tables import AnyRow, api_keys, memberships, users
from netra_auth.deps import AuthDeps
from netra_auth.errors import NotAllowedNow, NotFound, NotPermitted
from netra_auth.memberships import Memberships
from netra_auth.secret import digest, new_secret
from netra_auth.sessions import Principal
from netra_core import Role

PREFIX = "apxk"
MAX_KEYS = 100
_TOUCH_S = 60
_HINT = 10


class Scope(StrEnum):
    """What a key is good for."""

    USAGE_WRITE = "usage:write"
    USAGE_READ = "usage:read"
    ANALYSIS_READ = "analysis:read"
    RUNS_WRITE = "runs:write"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as its owner sees it later: never the key itself. Times are Unix seconds."""

    id: str
    workspace_id: str
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    created_at: float
    expires_at: float
    used_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """Whom a live key stands for, with the role that this person has now."""

    key_id: str
    user_id: str
    workspace_id: str
    role: Role
    scopes: tuple[Scope, ...]
    expires_at: float


class ApiKeys:
    """Made by a person for their current workspace; shown once; stored as a digest.

    A key never has more rights than its maker has at the time it is used, and dies with the
    maker's account or membership.
    """

    def __init__(
        self, deps: AuthDeps, memberships_: Memberships, changes: ChangeFeed, audit: AuditLog
    ) -> None:
        self._database = deps.database
        self._clock = deps.clock
        self._new_id = deps.new_id
        self._random_bytes = deps.random_bytes
        self._memberships = memberships_
        self._changes = changes
        self._audit = audit

    async def create(
        self, principal: Principal, *, name: str, scopes: tuple[Scope, ...], ttl_s: float
    ) -> tuple[ApiKey, str]:
        """A new key and the one sight of its secret."""
        now = self._clock()
        secret = new_secret(PREFIX, self._random_bytes)
        made = ApiKey(
            id=self._new_id("key"),
            workspace_id=principal.workspace_id,
            name=name,
            hint=secret[:_HINT],
            scopes=scopes,
            created_at=now,
            expires_at=now + ttl_s,
            used_at=None,
        )
        async with self._database.session() as connection:
            place = await self._memberships.find(
                connection, principal.workspace_id, principal.person.id
            )
            if place is None:
                raise NotFound("There is no such workspace.")
            writes = {Scope.USAGE_WRITE, Scope.RUNS_WRITE}.intersection(scopes)
            if place.role is Role.VIEWER and writes:
                raise NotPermitted("Viewers make keys that read only.")
            if len(await self._live(principal.person.id, connection)) >= MAX_KEYS:
                raise NotAllowedNow(f"A person has at most {MAX_KEYS} keys.")
            await connection.execute(
                insert(api_keys).values(
                    id=made.id,
                    user_id=principal.person.id,
                    workspace_id=made.workspace_id,
                    name=name,
                    digest=digest(secret),
                    hint=made.hint,
                    scopes=" ".join(scopes),
                    created_at=round(now * 1000),
                    expires_at=round(made.expires_at * 1000),
                )
            )
            await self._audit.write(
                connection,
                "key.created",
                actor=principal.person.id,
                workspace_id=made.workspace_id,
                key=made.id,
            )
        return made, secret

    async def mine(self, principal: Principal) -> list[ApiKey]:
        """Live keys of this person in the current workspace, newest first."""
        async with self._database.session(read_only=True) as connection:
            found = await self._live(principal.person.id, connection)
        return [key for key in found if key.workspace_id == principal.workspace_id]

    async def revoke(self, principal: Principal, key_id: str) -> None:
        """End a key at once; NotFound where this person has no such live key."""
        async with self._database.session() as connection:
            changed = await connection.execute(
                update(api_keys)
                .where(
                    api_keys.c.id == key_id,
                    api_keys.c.user_id == principal.person.id,
                    api_keys.c.revoked_at.is_(None),
                )
                .values(revoked_at=round(self._clock() * 1000))
                .returning(api_keys.c.id)
            )
            if changed.one_or_none() is None:
                raise NotFound("There is no such key.")
            await self._changes.add(
                connection,
                ChangeKind.SESSION_REVOKED,
                user_id=principal.person.id,
                session_id=key_id,
            )
            await self._audit.write(
                connection, "key.revoked", actor=principal.person.id, key=key_id
            )
        self._changes.tell()

    async def introspect(self, secret: str) -> KeyHolder | None:
        """Whom the key stands for now; None for anything that is no live key."""
        now = round(self._clock() * 1000)
        query = (
            select(api_keys, memberships.c.role)
            .join(users, users.c.id == api_keys.c.user_id)
            .join(
                memberships,
                (memberships.c.user_id == api_keys.c.user_id)
                & (memberships.c.workspace_id == api_keys.c.workspace_id),
            )
            .where(
                api_keys.c.digest == digest(secret),
                api_keys.c.revoked_at.is_(None),
                api_keys.c.expires_at > now,
                users.c.disabled_at.is_(None),
            )
        )
        async with self._database.session(read_only=True) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        if row.used_at is None or now - row.used_at > _TOUCH_S * 1000:
            async with self._database.session() as connection:
                await connection.execute(
                    update(api_keys).where(api_keys.c.id == row.id).values(used_at=now)
                )
        return KeyHolder(
            key_id=row.id,
            user_id=row.user_id,
            workspace_id=row.workspace_id,
            role=Role(row.role),
            scopes=_scopes(row.scopes),
            expires_at=row.expires_at / 1000,
        )

    async def _live(self, user_id: str, connection: AsyncSession) -> list[ApiKey]:
        query = (
            select(api_keys)
            .where(
                api_keys.c.user_id == user_id,
                api_keys.c.revoked_at.is_(None),
                api_keys.c.expires_at > round(self._clock() * 1000),
            )
            .order_by(api_keys.c.created_at.desc(), api_keys.c.id)
        )
        return [_api_key(row) for row in await connection.execute(query)]


def _scopes(text: str) -> tuple[Scope, ...]:
    return tuple(Scope(part) for part in text.split())


def _api_key(row: AnyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        hint=row.hint,
        scopes=_scopes(row.scopes),
        created_at=row.created_at / 1000,
        expires_at=row.expires_at / 1000,
        used_at=None if row.used_at is None else row.used_at / 1000,
    )
