"""What members do with workspaces, and what each role may."""

from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.audit import AuditLog
from netra_auth.changes import ChangeFeed, ChangeKind
from netra_auth.deps import AuthDeps
from netra_auth.email_address import normal_email
from netra_auth.errors import NotAllowedNow, NotFound, NotPermitted
from netra_auth.invitations import Invitation, Invitations
from netra_auth.letters import Letters
from netra_auth.mail_queue import MailQueue
from netra_auth.memberships import Member, Membership, Memberships
from netra_auth.sessions import Principal, Sessions
from netra_core import Role

_MANAGERS = frozenset({Role.OWNER, Role.ADMIN})


class Workspaces:
    """Owners may do everything, admins everything but what touches owners, others only look.

    A workspace that the person is no member of does not exist for them (NotFound).
    """

    def __init__(
        self,
        deps: AuthDeps,
        *,
        memberships: Memberships,
        invitations: Invitations,
        sessions: Sessions,
        changes: ChangeFeed,
        audit: AuditLog,
        mail: MailQueue,
        letters: Letters,
    ) -> None:
        self._database = deps.database
        self._new_id = deps.new_id
        self._memberships = memberships
        self._invitations = invitations
        self._sessions = sessions
        self._changes = changes
        self._audit = audit
        self._mail = mail
        self._letters = letters

    async def mine(self, principal: Principal) -> list[Membership]:
        """The workspaces of this person."""
        async with self._database.session(read_only=True) as connection:
            return await self._memberships.of_person(connection, principal.person.id)

    async def get(self, principal: Principal, workspace_id: str) -> Membership:
        """One workspace of this person."""
        async with self._database.session(read_only=True) as connection:
            return await self._place(connection, principal, workspace_id)

    async def create(self, principal: Principal, name: str) -> Membership:
        """A new workspace that this person owns."""
        async with self._database.session() as connection:
            made = await self._memberships.create(
                connection,
                workspace_id=self._new_id("ws"),
                name=name,
                owner_id=principal.person.id,
            )
            await self._audit.write(
                connection,
                "workspace.created",
                actor=principal.person.id,
                workspace_id=made.id,
            )
        return made

    async def rename(self, principal: Principal, workspace_id: str, name: str) -> Membership:
        """Another name; for owners and admins."""
        async with self._database.session() as connection:
            place = await self._manage(connection, principal, workspace_id)
            await self._memberships.rename(connection, workspace_id, name)
        return Membership(place.id, name, place.role)

    async def erase(self, principal: Principal, workspace_id: str) -> None:
        """Delete a workspace for good, with everything in it; for its owners.

        NotAllowedNow for the last workspace of the one who asks.
        """
        async with self._database.session() as connection:
            place = await self._place(connection, principal, workspace_id)
            if place.role is not Role.OWNER:
                raise NotPermitted("Only owners delete a workspace.")
            if len(await self._memberships.of_person(connection, principal.person.id)) == 1:
                raise NotAllowedNow(
                    "This is your only workspace.",
                    hint="Make another first, or delete your account.",
                )
            for member in await self._memberships.members(connection, workspace_id):
                await self._tell(connection, workspace_id, member.user_id)
            await self._memberships.erase(connection, workspace_id)
            await self._changes.add(
                connection,
                ChangeKind.WORKSPACE_ERASED,
                user_id=principal.person.id,
                workspace_id=workspace_id,
            )
            await self._audit.write(
                connection,
                "workspace.erased",
                actor=principal.person.id,
                workspace_id=workspace_id,
            )
        self._changes.tell()

    async def enter(self, principal: Principal, workspace_id: str) -> tuple[Membership, str, float]:
        """An access token whose `ws` claim is this workspace, and when it ends."""
        async with self._database.session() as connection:
            place = await self._place(connection, principal, workspace_id)
            token, expires_at = await self._sessions.enter(connection, principal, place)
            await self._audit.write(
                connection,
                "workspace.entered",
                actor=principal.person.id,
                workspace_id=workspace_id,
            )
        return place, token, expires_at

    async def members(self, principal: Principal, workspace_id: str) -> list[Member]:
        """Everyone in it; every member may look."""
        async with self._database.session(read_only=True) as connection:
            await self._place(connection, principal, workspace_id)
            return await self._memberships.members(connection, workspace_id)

    async def set_role(
        self, principal: Principal, workspace_id: str, user_id: str, role: Role
    ) -> None:
        """Give a member another role. Only owners make or unmake owners; one always stays."""
        async with self._database.session() as connection:
            place = await self._manage(connection, principal, workspace_id)
            member = await self._member(connection, workspace_id, user_id)
            if Role.OWNER in {role, member.role} and place.role is not Role.OWNER:
                raise NotPermitted("Only owners make or unmake owners.")
            if role is not Role.OWNER:
                await self._keep_an_owner(connection, workspace_id, user_id)
            await self._memberships.set_role(connection, workspace_id, user_id, role)
            await self._tell(connection, workspace_id, user_id)
            await self._audit.write(
                connection,
                "member.role_set",
                actor=principal.person.id,
                subject=user_id,
                workspace_id=workspace_id,
                role=role.value,
            )
        self._changes.tell()

    async def remove(self, principal: Principal, workspace_id: str, user_id: str) -> None:
        """Take a member out, or leave. One owner always stays."""
        async with self._database.session() as connection:
            place = await self._place(connection, principal, workspace_id)
            if user_id != principal.person.id:
                self._require_manager(place)
            member = await self._member(connection, workspace_id, user_id)
            if member.role is Role.OWNER and place.role is not Role.OWNER:
                raise NotPermitted("Only owners take owners out.")
            await self._keep_an_owner(connection, workspace_id, user_id)
            await self._memberships.remove(connection, workspace_id, user_id)
            await self._tell(connection, workspace_id, user_id)
            await self._audit.write(
                connection,
                "member.removed",
                actor=principal.person.id,
                subject=user_id,
                workspace_id=workspace_id,
            )
        self._changes.tell()

    async def invite(
        self, principal: Principal, workspace_id: str, *, email: str, role: Role
    ) -> Invitation:
        """Mail an invitation; the answer does not tell whether the address has an account."""
        address = normal_email(email)
        async with self._database.session() as connection:
            place = await self._manage(connection, principal, workspace_id)
            if role is Role.OWNER and place.role is not Role.OWNER:
                raise NotPermitted("Only owners invite owners.")
            made, token = await self._invitations.add(
                connection, place, email=address, role=role, invited_by=principal.person.id
            )
            await self._audit.write(
                connection,
                "member.invited",
                actor=principal.person.id,
                workspace_id=workspace_id,
                role=role.value,
            )
        self._mail.put(self._letters.invitation(address, place.name, principal.person.name, token))
        return made

    async def invitations(self, principal: Principal, workspace_id: str) -> list[Invitation]:
        """Open invitations; for owners and admins."""
        async with self._database.session(read_only=True) as connection:
            await self._manage(connection, principal, workspace_id)
            return await self._invitations.open(connection, workspace_id)

    async def withdraw(self, principal: Principal, workspace_id: str, invitation_id: str) -> None:
        """Make an open invitation useless."""
        async with self._database.session() as connection:
            await self._manage(connection, principal, workspace_id)
            await self._invitations.withdraw(connection, workspace_id, invitation_id)

    async def accept(self, principal: Principal, token: str) -> Membership:
        """Join by invitation; the invitation must be for this person's address."""
        async with self._database.session() as connection:
            place = await self._invitations.accept(connection, principal.person, token)
            await self._audit.write(
                connection,
                "member.joined",
                actor=principal.person.id,
                workspace_id=place.id,
            )
        self._changes.tell()
        return place

    async def _place(
        self, connection: AsyncSession, principal: Principal, workspace_id: str
    ) -> Membership:
        found = await self._memberships.find(connection, workspace_id, principal.person.id)
        if found is None:
            raise NotFound("There is no such workspace.")
        return found

    async def _manage(
        self, connection: AsyncSession, principal: Principal, workspace_id: str
    ) -> Membership:
        place = await self._place(connection, principal, workspace_id)
        self._require_manager(place)
        return place

    def _require_manager(self, place: Membership) -> None:
        if place.role not in _MANAGERS:
            raise NotPermitted("Only owners and admins of the workspace may do that.")

    async def _member(
        self, connection: AsyncSession, workspace_id: str, user_id: str
    ) -> Membership:
        found = await self._memberships.find(connection, workspace_id, user_id)
        if found is None:
            raise NotFound("There is no such member.")
        return found

    async def _keep_an_owner(
        self, connection: AsyncSession, workspace_id: str, leaving: str
    ) -> None:
        owners = await self._memberships.lock_owners(connection, workspace_id)
        if owners == {leaving}:
            raise NotAllowedNow(
                "A workspace keeps at least one owner.", hint="Make another member an owner first."
            )

    async def _tell(self, connection: AsyncSession, workspace_id: str, user_id: str) -> None:
        await self._changes.add(
            connection,
            ChangeKind.MEMBERSHIP_CHANGED,
            user_id=user_id,
            workspace_id=workspace_id,
        )
