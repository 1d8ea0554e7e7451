"""Invitations into workspaces: mailed, single-use, for one address and one role."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.changes import ChangeFeed, ChangeKind
from netra_auth.database.tables import AnyRow, invitations, workspaces
from netra_auth.deps import AuthDeps
from netra_auth.errors import LinkInvalid, NotFound
from netra_auth.memberships import Membership, Memberships
from netra_auth.people import Person
from netra_auth.secret import digest, new_secret
from netra_core import Role

PREFIX = "apxi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation that is still good. Times are Unix seconds."""

    id: str
    workspace_id: str
    workspace_name: str
    email: str
    role: Role
    created_at: float
    expires_at: float


class Invitations:
    """Makes, lists, withdraws and accepts invitations within the caller's transaction."""

    def __init__(self, deps: AuthDeps, memberships: Memberships, changes: ChangeFeed) -> None:
        self._options = deps.options
        self._clock = deps.clock
        self._new_id = deps.new_id
        self._random_bytes = deps.random_bytes
        self._memberships = memberships
        self._changes = changes

    async def add(
        self,
        connection: AsyncSession,
        workspace: Membership,
        *,
        email: str,
        role: Role,
        invited_by: str,
    ) -> tuple[Invitation, str]:
        """A new invitation and its token; earlier ones for the same address are withdrawn."""
        now = self._clock()
        mine = (invitations.c.workspace_id == workspace.id) & (invitations.c.email == email)
        await connection.execute(
            update(invitations).where(mine, _open(now)).values(revoked_at=round(now * 1000))
        )
        token = new_secret(PREFIX, self._random_bytes)
        made = Invitation(
            id=self._new_id("inv"),
            workspace_id=workspace.id,
            workspace_name=workspace.name,
            email=email,
            role=role,
            created_at=now,
            expires_at=now + self._options.invitation_ttl_s,
        )
        await connection.execute(
            insert(invitations).values(
                id=made.id,
                workspace_id=workspace.id,
                email=email,
                role=role.value,
                digest=digest(token),
                invited_by=invited_by,
                created_at=round(now * 1000),
                expires_at=round(made.expires_at * 1000),
            )
        )
        return made, token

    async def open(self, connection: AsyncSession, workspace_id: str) -> list[Invitation]:
        """Open invitations of a workspace, oldest first."""
        query = _select().where(invitations.c.workspace_id == workspace_id, _open(self._clock()))
        rows = await connection.execute(query.order_by(invitations.c.created_at))
        return [_invitation(row) for row in rows]

    async def find(self, connection: AsyncSession, token: str) -> Invitation:
        """The open invitation of a token; LinkInvalid when there is none."""
        query = _select().where(invitations.c.digest == digest(token), _open(self._clock()))
        row = (await connection.execute(query.with_for_update(of=invitations))).one_or_none()
        if row is None:
            raise LinkInvalid("This invitation does not work any more.", hint="Ask for a new one.")
        return _invitation(row)

    async def accept(self, connection: AsyncSession, person: Person, token: str) -> Membership:
        """Take the person into the workspace. The address must be theirs."""
        found = await self.find(connection, token)
        if found.email != person.email:
            raise LinkInvalid("This invitation is for another address.")
        await connection.execute(
            update(invitations)
            .where(invitations.c.id == found.id)
            .values(accepted_at=round(self._clock() * 1000))
        )
        place = await self._memberships.find(connection, found.workspace_id, person.id)
        if place is not None:
            return place
        await self._memberships.add(connection, found.workspace_id, person.id, found.role)
        await self._changes.add(
            connection,
            ChangeKind.MEMBERSHIP_CHANGED,
            user_id=person.id,
            workspace_id=found.workspace_id,
        )
        return Membership(found.workspace_id, found.workspace_name, found.role)

    async def withdraw(
        self, connection: AsyncSession, workspace_id: str, invitation_id: str
    ) -> None:
        """Make an open invitation useless; NotFound where this workspace has no such one."""
        now = self._clock()
        changed = await connection.execute(
            update(invitations)
            .where(
                invitations.c.id == invitation_id,
                invitations.c.workspace_id == workspace_id,
                _open(now),
            )
            .values(revoked_at=round(now * 1000))
            .returning(invitations.c.id)
        )
        if changed.one_or_none() is None:
            raise NotFound("There is no such invitation.")


def _open(now: float) -> ColumnElement[bool]:
    return (
        invitations.c.accepted_at.is_(None)
        & invitations.c.revoked_at.is_(None)
        & (invitations.c.expires_at > round(now * 1000))
    )


def _select() -> Select[*tuple[Any, ...]]:  # Any: columns are read by name
    return select(invitations, workspaces.c.name.label("workspace_name")).join(
        workspaces, workspaces.c.id == invitations.c.workspace_id
    )


def _invitation(row: AnyRow) -> Invitation:
    return Invitation(
        id=row.id,
        workspace_id=row.workspace_id,
        workspace_name=row.workspace_name,
        email=row.email,
        role=Role(row.role),
        created_at=row.created_at / 1000,
        expires_at=row.expires_at / 1000,
    )
