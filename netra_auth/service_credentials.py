"""Credentials by which other services of the installation prove themselves."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import insert, select, update

from netra_auth.audit import AuditLog
from netra_auth.database.tables import service_credentials
from netra_auth.deps import AuthDeps
from netra_auth.errors import AlreadyExists, NotFound, NotPermitted, NotSignedIn
from netra_auth.secret import digest, new_secret, same_secret

PREFIX = "apxs"


class ServiceScope(StrEnum):
    """What a service may ask for."""

    CHANGES = "changes:read"
    INTROSPECT = "keys:introspect"


@dataclass(frozen=True, slots=True)
class Service:
    """A proven service."""

    name: str
    scopes: frozenset[ServiceScope]


class ServiceCredentials:
    """The installation's own SERVICE_SECRET, and further credentials made by operators."""

    def __init__(self, deps: AuthDeps, audit: AuditLog) -> None:
        self._secret = deps.options.service_secret
        self._database = deps.database
        self._clock = deps.clock
        self._new_id = deps.new_id
        self._random_bytes = deps.random_bytes
        self._audit = audit

    async def require(self, credential: str, scope: ServiceScope) -> Service:
        """The service that holds this credential; NotSignedIn or NotPermitted otherwise."""
        service = await self._find(credential)
        if service is None:
            raise NotSignedIn("This is not a service credential.")
        if scope not in service.scopes:
            raise NotPermitted("This service credential is not for that.")
        return service

    async def create(
        self, name: str, scopes: frozenset[ServiceScope], *, ttl_s: float | None = None
    ) -> str:
        """A new credential under a free name; its one sight."""
        secret = new_secret(PREFIX, self._random_bytes)
        now = self._clock()
        async with self._database.session() as connection:
            taken = select(service_credentials.c.id).where(service_credentials.c.name == name)
            if await connection.scalar(taken) is not None:
                raise AlreadyExists(f"There is a service credential {name!r}.")
            await connection.execute(
                insert(service_credentials).values(
                    id=self._new_id("svc"),
                    name=name,
                    digest=digest(secret),
                    scopes=" ".join(sorted(scopes)),
                    created_at=round(now * 1000),
                    expires_at=None if ttl_s is None else round((now + ttl_s) * 1000),
                )
            )
            await self._audit.write(connection, "service.created", name=name)
        return secret

    async def revoke(self, name: str) -> None:
        """End a credential at once."""
        async with self._database.session() as connection:
            changed = await connection.execute(
                update(service_credentials)
                .where(
                    service_credentials.c.name == name, service_credentials.c.revoked_at.is_(None)
                )
                .values(revoked_at=round(self._clock() * 1000))
                .returning(service_credentials.c.id)
            )
            if changed.one_or_none() is None:
                raise NotFound(f"There is no live service credential {name!r}.")
            await self._audit.write(connection, "service.revoked", name=name)

    async def _find(self, credential: str) -> Service | None:
        if self._secret and same_secret(credential, self._secret):
            return Service("installation", frozenset(ServiceScope))
        if not credential.startswith(PREFIX + "_"):
            return None
        query = select(service_credentials).where(
            service_credentials.c.digest == digest(credential),
            service_credentials.c.revoked_at.is_(None),
        )
        async with self._database.session(read_only=True) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None or (row.expires_at is not None and row.expires_at <= self._clock() * 1000):
            return None
        return Service(row.name, frozenset(ServiceScope(part) for part in row.scopes.split()))
