"""Workspaces and who belongs to them, within the caller's transaction."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database.insert import insert_if_absent
from netra_auth.database.tables import AnyRow, memberships, users, workspaces
from netra_auth.deps import Clock
from netra_core import Role


@dataclass(frozen=True, slots=True)
class Membership:
    """A workspace as one of its members sees it."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Member:
    """A person as the other members of a workspace see them."""

    user_id: str
    email: str
    name: str
    role: Role


class Memberships:
    """Reads and writes workspaces and their members."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def create(
        self, connection: AsyncSession, *, workspace_id: str, name: str, owner_id: str
    ) -> Membership:
        """A new workspace with one owner."""
        now = round(self._clock() * 1000)
        await connection.execute(
            insert(workspaces).values(id=workspace_id, name=name, created_at=now)
        )
        await self.add(connection, workspace_id, owner_id, Role.OWNER)
        return Membership(id=workspace_id, name=name, role=Role.OWNER)

    async def add(
        self, connection: AsyncSession, workspace_id: str, user_id: str, role: Role
    ) -> None:
        """Take a person in; one who is in stays as they are."""
        values = {
            "workspace_id": workspace_id,
            "user_id": user_id,
            "role": role.value,
            "created_at": round(self._clock() * 1000),
        }
        await insert_if_absent(connection, memberships, values)

    async def of_person(self, connection: AsyncSession, user_id: str) -> list[Membership]:
        """All workspaces of a person, oldest membership first."""
        query = _memberships().where(memberships.c.user_id == user_id)
        query = query.order_by(memberships.c.created_at, memberships.c.workspace_id)
        return [_membership(row) for row in await connection.execute(query)]

    async def find(
        self, connection: AsyncSession, workspace_id: str, user_id: str
    ) -> Membership | None:
        """A person's place in a workspace; None also where there is no such workspace.

        The row stays as it is until the transaction ends.
        """
        query = _memberships().where(
            memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id
        )
        locked = query.with_for_update(of=memberships)
        row = (await connection.execute(locked)).one_or_none()
        return None if row is None else _membership(row)

    async def members(self, connection: AsyncSession, workspace_id: str) -> list[Member]:
        """Everyone in a workspace, in the order they came."""
        query = (
            select(users.c.id, users.c.email, users.c.name, memberships.c.role)
            .join(memberships, memberships.c.user_id == users.c.id)
            .where(memberships.c.workspace_id == workspace_id)
            .order_by(memberships.c.created_at, users.c.id)
        )
        rows = await connection.execute(query)
        return [Member(row.id, row.email, row.name, Role(row.role)) for row in rows]

    async def lock_owners(self, connection: AsyncSession, workspace_id: str) -> set[str]:
        """Ids of the owners, who stay owners until the transaction ends."""
        query = select(memberships.c.user_id).where(
            memberships.c.workspace_id == workspace_id, memberships.c.role == Role.OWNER.value
        )
        rows = await connection.execute(query.order_by(memberships.c.user_id).with_for_update())
        return set(rows.scalars())

    async def size(self, connection: AsyncSession, workspace_id: str) -> int:
        """How many people belong to a workspace."""
        query = select(func.count()).where(memberships.c.workspace_id == workspace_id)
        return await connection.scalar(query) or 0

    async def set_role(
        self, connection: AsyncSession, workspace_id: str, user_id: str, role: Role
    ) -> None:
        """Give a member another role."""
        await connection.execute(
            update(memberships).where(_place(workspace_id, user_id)).values(role=role.value)
        )

    async def remove(self, connection: AsyncSession, workspace_id: str, user_id: str) -> None:
        """Take a person out."""
        await connection.execute(delete(memberships).where(_place(workspace_id, user_id)))

    async def rename(self, connection: AsyncSession, workspace_id: str, name: str) -> None:
        """Give a workspace another name."""
        await connection.execute(
            update(workspaces).where(workspaces.c.id == workspace_id).values(name=name)
        )

    async def erase(self, connection: AsyncSession, workspace_id: str) -> None:
        """Delete a workspace with its memberships, invitations and API keys."""
        await connection.execute(delete(workspaces).where(workspaces.c.id == workspace_id))


def _place(workspace_id: str, user_id: str) -> ColumnElement[bool]:
    return (memberships.c.workspace_id == workspace_id) & (memberships.c.user_id == user_id)


def _memberships() -> Select[*tuple[Any, ...]]:  # Any: columns are read by name
    return select(workspaces.c.id, workspaces.c.name, memberships.c.role).join(
        memberships, memberships.c.workspace_id == workspaces.c.id
    )


def _membership(row: AnyRow) -> Membership:
    return Membership(id=row.id, name=row.name, role=Role(row.role))
