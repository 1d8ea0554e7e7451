"""People: the rows behind an account."""

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database.insert import insert_if_absent
from netra_auth.database.tables import AnyRow, users
from netra_auth.deps import Clock
from netra_auth.errors import AlreadyExists


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One account. `password_hash` is None for people who sign in elsewhere only."""

    id: str
    email: str
    name: str
    email_verified: bool
    disabled: bool
    password_hash: str | None


class People:
    """Reads and writes accounts within the caller's transaction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def by_email(self, connection: AsyncSession, email: str) -> Person | None:
        """The account of a normalized address."""
        query = select(users).where(users.c.email == email)
        return _person((await connection.execute(query)).one_or_none())

    async def by_id(
        self, connection: AsyncSession, user_id: str, *, lock: bool = False
    ) -> Person | None:
        """The account under an id; `lock` keeps it unchanged until the transaction ends."""
        query = select(users).where(users.c.id == user_id)
        query = query.with_for_update() if lock else query
        return _person((await connection.execute(query)).one_or_none())

    async def add(
        self,
        connection: AsyncSession,
        *,
        user_id: str,
        email: str,
        name: str,
        password_hash: str | None,
        email_verified: bool,
    ) -> Person:
        """Insert an account; AlreadyExists where the address has one."""
        now = round(self._clock() * 1000)
        values = {
            "id": user_id,
            "email": email,
            "name": name,
            "password_hash": password_hash,
            "email_verified_at": now if email_verified else None,
            "created_at": now,
        }
        if not await insert_if_absent(connection, users, values):
            raise AlreadyExists("This address has an account.", hint="Sign in instead.")
        return Person(
            id=user_id,
            email=email,
            name=name,
            email_verified=email_verified,
            disabled=False,
            password_hash=password_hash,
        )

    async def set_password(
        self, connection: AsyncSession, user_id: str, password_hash: str
    ) -> None:
        """Replace the stored hash."""
        await self._set(connection, user_id, password_hash=password_hash)

    async def set_name(self, connection: AsyncSession, user_id: str, name: str) -> None:
        """Replace the shown name."""
        await self._set(connection, user_id, name=name)

    async def set_verified(self, connection: AsyncSession, user_id: str) -> None:
        """The address was proven now."""
        await self._set(connection, user_id, email_verified_at=round(self._clock() * 1000))

    async def set_disabled(self, connection: AsyncSession, user_id: str, *, disabled: bool) -> None:
        """Shut the account or open it again."""
        now = round(self._clock() * 1000)
        await self._set(connection, user_id, disabled_at=now if disabled else None)

    async def erase(self, connection: AsyncSession, user_id: str) -> None:
        """Delete the account with all that hangs on it."""
        await connection.execute(delete(users).where(users.c.id == user_id))

    async def _set(
        self, connection: AsyncSession, user_id: str, **values: str | int | None
    ) -> None:
        await connection.execute(update(users).where(users.c.id == user_id).values(**values))


def _person(row: AnyRow | None) -> Person | None:
    if row is None:
        return None
    return Person(
        id=row.id,
        email=row.email,
        name=row.name,
        email_verified=row.email_verified_at is not None,
        disabled=row.disabled_at is not None,
        password_hash=row.password_hash,
    )
