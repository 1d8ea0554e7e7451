"""What the operators of an installation may do from its own machine."""

import email
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage

from sqlalchemy import Column, select
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database.tables import heads, users, workspaces
from netra_auth.deps import AuthDeps
from netra_auth.email_address import normal_email
from netra_auth.errors import AlreadyExists, AuditBroken, NotAllowedNow, NotFound
from netra_auth.mail_queue import Letter
from netra_auth.parts import build_parts
from netra_auth.people import Person
from netra_auth.service_credentials import ServiceScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An account as operators see it. Time in Unix seconds."""

    id: str
    email: str
    name: str
    state: str
    created_at: float


class Operators:
    """Works on the database directly; running services notice within a second.

    No password passes through an operator's hands: accounts are made and reset by one-time links.
    """

    def __init__(self, deps: AuthDeps) -> None:
        self._deps = deps
        self._parts = build_parts(deps)

    async def people(self) -> list[Listed]:
        """All accounts, oldest first."""
        async with self._deps.database.session(read_only=True) as connection:
            rows = await connection.execute(select(users).order_by(users.c.created_at, users.c.id))
            return [
                Listed(
                    id=row.id,
                    email=row.email,
                    name=row.name,
                    state=_state(row.disabled_at, row.email_verified_at),
                    created_at=row.created_at / 1000,
                )
                for row in rows
            ]

    async def has_person(self, user_id: str) -> bool:
        """Whether anybody has an account with this id."""
        return await self._has(users.c.id, user_id)

    async def has_workspace(self, workspace_id: str) -> bool:
        """Whether there is a workspace with this id."""
        return await self._has(workspaces.c.id, workspace_id)

    async def _has(self, column: Column[str], value: str) -> bool:
        async with self._deps.database.session(read_only=True) as connection:
            return await connection.scalar(select(column).where(column == value)) is not None

    async def create(self, address: str, name: str | None) -> str:
        """Make an account without a password; the link by which its owner chooses one."""
        normal = normal_email(address)
        async with self._deps.database.session() as connection:
            if await self._parts.people.by_email(connection, normal) is not None:
                raise AlreadyExists(f"{normal!r} has an account.")
            person, _ = await self._parts.accounts.create(
                connection,
                email=normal,
                name=name or normal.partition("@")[0],
                password_hash=None,
                verified=True,
            )
            token = await self._parts.accounts.issue_reset(connection, person)
        return self._parts.letters.link("reset", token)

    async def reset(self, address: str) -> str:
        """End all sessions of a person; the link by which they choose a new password."""
        async with self._deps.database.session() as connection:
            person = await self._person(connection, address)
            await self._parts.sessions.end_all(connection, person.id, reason="operator_reset")
            await self._parts.audit.write(
                connection, "password.reset_by_operator", subject=person.id
            )
            token = await self._parts.accounts.issue_reset(connection, person)
        return self._parts.letters.link("reset", token)

    async def set_disabled(self, address: str, *, disabled: bool) -> None:
        """Shut an account or open it again."""
        async with self._deps.database.session(read_only=True) as connection:
            person = await self._person(connection, address)
        await self._parts.accounts.set_disabled(person.id, disabled=disabled, actor=None)

    async def erase(self, address: str) -> None:
        """Delete a person for good."""
        async with self._deps.database.session(read_only=True) as connection:
            person = await self._person(connection, address)
        await self._parts.accounts.erase(person.id)

    async def setup_link(self) -> str:
        """A new one-time link for the first account; NotAllowedNow once there is one."""
        link = await self._parts.setup.link()
        if link is None:
            raise NotAllowedNow("There are accounts already.", hint="Use `apex users create`.")
        return link

    def rotate_keys(self, *, leaked: bool) -> str:
        """Publish a new signing key; with `leaked` drop the others now. The new key's id."""
        return self._parts.keys.rotate(at_once=leaked)

    def outbox(self, last: int) -> list[Letter]:
        """The newest letters that no mail server took, oldest first."""
        paths = sorted(self._deps.folders.outbox.glob("*.eml"))[-last:]
        return [_letter(path.read_bytes()) for path in paths]

    async def check_audit(self) -> int:
        """How many entries the audit log has; AuditBroken at the first that does not fit."""
        async with self._deps.database.session() as connection:
            broken = await self._parts.audit.verify(connection)
            count = await connection.scalar(select(heads.c.seq).where(heads.c.name == "audit"))
        if broken is not None:
            raise AuditBroken(f"The audit log is broken at entry {broken.seq}: {broken.reason}.")
        return count or 0

    async def create_service(self, name: str) -> str:
        """A credential for another service; its one sight."""
        return await self._parts.services.create(name, frozenset(ServiceScope))

    async def revoke_service(self, name: str) -> None:
        """End a credential at once."""
        await self._parts.services.revoke(name)

    async def _person(self, connection: AsyncSession, address: str) -> Person:
        person = await self._parts.people.by_email(connection, normal_email(address))
        if person is None:
            raise NotFound(f"{address!r} has no account.")
        return person


def _state(disabled_at: int | None, verified_at: int | None) -> str:
    if disabled_at is not None:
        return "disabled"
    return "active" if verified_at is not None else "address not confirmed"


def _letter(data: bytes) -> Letter:
    message = email.message_from_bytes(data, EmailMessage, policy=policy.default)
    return Letter(str(message["To"]), str(message["Subject"]), str(message.get_content()))
