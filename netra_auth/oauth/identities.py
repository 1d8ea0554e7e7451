"""Accounts elsewhere that people sign in with, keyed by (issuer, subject)."""

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database.insert import insert_if_absent
from netra_auth.database.tables import AnyRow, identities
from netra_auth.deps import AuthDeps
from netra_auth.errors import SignInFailed
from netra_auth.oauth.provider import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """An account elsewhere that opens this person's account. Time in Unix seconds."""

    id: str
    user_id: str
    provider: str
    email: str | None
    created_at: float


class Identities:
    """Reads and writes links within the caller's transaction."""

    def __init__(self, deps: AuthDeps) -> None:
        self._clock = deps.clock
        self._new_id = deps.new_id

    async def find(self, connection: AsyncSession, identity: Identity) -> Linked | None:
        """The link of exactly this issuer and subject; the e-mail address never counts."""
        query = select(identities).where(
            identities.c.issuer == identity.issuer, identities.c.subject == identity.subject
        )
        row = (await connection.execute(query)).one_or_none()
        return None if row is None else _linked(row)

    async def of_person(self, connection: AsyncSession, user_id: str) -> list[Linked]:
        """All links of a person, oldest first."""
        query = select(identities).where(identities.c.user_id == user_id)
        rows = await connection.execute(query.order_by(identities.c.created_at, identities.c.id))
        return [_linked(row) for row in rows]

    async def add(
        self, connection: AsyncSession, user_id: str, identity: Identity, provider: str
    ) -> None:
        """Link; SignInFailed where somebody has linked this identity in the meantime."""
        values = {
            "id": self._new_id("idn"),
            "user_id": user_id,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "provider": provider,
            "email": identity.email,
            "created_at": round(self._clock() * 1000),
        }
        if not await insert_if_absent(connection, identities, values):
            raise SignInFailed("That account is linked to somebody else here.")

    async def remove(self, connection: AsyncSession, identity_id: str) -> None:
        """Unlink."""
        await connection.execute(delete(identities).where(identities.c.id == identity_id))


def _linked(row: AnyRow) -> Linked:
    return Linked(
        id=row.id,
        user_id=row.user_id,
        provider=row.provider,
        email=row.email,
        created_at=row.created_at / 1000,
    )
