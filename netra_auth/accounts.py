"""What people do with their accounts: register, sign in, prove an address, change a password."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.audit import AuditLog
from netra_auth.changes import ChangeFeed, ChangeKind
from netra_auth.deps import AuthDeps
from netra_auth.email_address import normal_email
from netra_auth.errors import (
    AlreadyExists,
    InvalidCredentials,
    InvalidRequest,
    LinkInvalid,
    NotAllowedNow,
    NotFound,
    RegistrationClosed,
    StepUpNeeded,
)
from netra_auth.invitations import Invitations
from netra_auth.letters import Letters
from netra_auth.mail_queue import Letter, MailQueue
from netra_auth.mail_tokens import MailTokens, Purpose
from netra_auth.memberships import Membership, Memberships
from netra_auth.options import Registration
from netra_auth.passwords import Passwords
from netra_auth.people import People, Person
from netra_auth.sessions import Client, Principal, Sessions, SignedIn
from netra_auth.throttle import LoginGuard

_FRESH_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountParts:
    """The parts that accounts are made of."""

    people: People
    memberships: Memberships
    invitations: Invitations
    sessions: Sessions
    passwords: Passwords
    mail_tokens: MailTokens
    mail: MailQueue
    letters: Letters
    guard: LoginGuard
    changes: ChangeFeed
    audit: AuditLog


class Accounts:
    """The life of an account. Answers never tell whether somebody else's address has one."""

    def __init__(self, deps: AuthDeps, parts: AccountParts) -> None:
        self._deps = deps
        self._database = deps.database
        self._clock = deps.clock
        self._new_id = deps.new_id
        self._parts = parts

    async def register(
        self,
        *,
        email: str,
        password: str,
        name: str | None,
        invitation: str | None,
        client: Client,
    ) -> SignedIn | None:
        """Make an account.

        Returns the first session where registration is open or an invitation proves the address;
        otherwise None: the rest goes on by mail, and the answer is the same for an address that
        has an account.
        """
        address = normal_email(email)
        mode = self._deps.options.registration
        if mode not in {Registration.OPEN, Registration.VERIFIED} and invitation is None:
            raise RegistrationClosed("New accounts need an invitation here.")
        shown = (name or "").strip() or address.partition("@")[0]
        await self._parts.passwords.require_strong(password, about=(address, shown))
        password_hash = await self._parts.passwords.hash(password)
        try:
            return await self._register(address, shown, password_hash, invitation, client)
        except AlreadyExists:
            if mode is Registration.OPEN or invitation is not None:
                raise
            self._parts.mail.put(self._parts.letters.exists(address))
            return None

    async def _register(
        self, email: str, name: str, password_hash: str, invitation: str | None, client: Client
    ) -> SignedIn | None:
        async with self._database.session() as connection:
            proven = await self._proven_by_invitation(connection, email, invitation)
            person, workspace = await self.create(
                connection, email=email, name=name, password_hash=password_hash, verified=proven
            )
            if proven and invitation is not None:
                workspace = await self._parts.invitations.accept(connection, person, invitation)
            letter = None if proven else await self._verification(connection, person)
            signed_in = (
                await self._parts.sessions.open(
                    connection, person, workspace, client, method="password"
                )
                if proven or self._deps.options.registration is Registration.OPEN
                else None
            )
        self._parts.changes.tell()
        if letter is not None:
            self._parts.mail.put(letter)
        return signed_in

    async def create(
        self,
        connection: AsyncSession,
        *,
        email: str,
        name: str,
        password_hash: str | None,
        verified: bool,
    ) -> tuple[Person, Membership]:
        """A person with a workspace of their own; the address is normalized.

        AlreadyExists where the address has an account.
        """
        person = await self._parts.people.add(
            connection,
            user_id=self._new_id("usr"),
            email=email,
            name=name,
            password_hash=password_hash,
            email_verified=verified,
        )
        workspace = await self._parts.memberships.create(
            connection,
            workspace_id=self._new_id("ws"),
            name=f"{name}'s workspace",
            owner_id=person.id,
        )
        await self._parts.audit.write(
            connection, "account.created", subject=person.id, workspace_id=workspace.id
        )
        return person, workspace

    async def sign_in(
        self, *, email: str, password: str, client: Client, device: str | None
    ) -> SignedIn:
        """Open a session; InvalidCredentials for every reason but too many attempts."""
        address = normal_email(email)
        attempt = await self._parts.guard.admit(
            account=address, source=client.source, device=device
        )
        async with self._database.session(read_only=True) as connection:
            person = await self._parts.people.by_email(connection, address)
        stored = person.password_hash if person is not None else None
        checked = await self._parts.passwords.check(password, stored)
        refused = person is None or person.disabled or not checked.matches
        unproven = (
            person is not None
            and not person.email_verified
            and self._deps.options.registration is not Registration.OPEN
        )
        if person is None or refused or unproven:
            async with self._database.session() as connection:
                await self._parts.audit.write(
                    connection,
                    "signin.failed",
                    subject=person.id if person is not None else None,
                    source=client.source,
                )
            raise InvalidCredentials(
                "E-mail or password is not right.",
                hint="New accounts sign in after confirming their address.",
            )
        renewed = await self._parts.passwords.hash(password) if checked.outdated else None
        async with self._database.session() as connection:
            current = await self._parts.people.by_id(connection, person.id, lock=True)
            if current is None or current.disabled or current.password_hash != stored:
                raise InvalidCredentials("E-mail or password is not right.")
            if renewed is not None:
                await self._parts.people.set_password(connection, person.id, renewed)
            await self._parts.guard.succeed(connection, attempt)
            return await self.open_session(connection, current, client, method="password")

    async def open_session(
        self, connection: AsyncSession, person: Person, client: Client, *, method: str
    ) -> SignedIn:
        """A session in the person's first workspace; one is made where they have none."""
        found = await self._parts.memberships.of_person(connection, person.id)
        workspace = (
            found[0]
            if found
            else await self._parts.memberships.create(
                connection,
                workspace_id=self._new_id("ws"),
                name=f"{person.name}'s workspace",
                owner_id=person.id,
            )
        )
        return await self._parts.sessions.open(connection, person, workspace, client, method=method)

    async def verify_email(
        self, token: str, *, password: str | None, signed_in: Principal | None, client: Client
    ) -> None:
        """Spend a mailed token: the address is proven.

        The link alone is not enough: whoever confirms must also be the one who registered, shown
        by the password or by a session. Otherwise a stranger could register somebody's address
        and wait for the owner to confirm the stranger's password.
        """
        async with self._database.session(read_only=True) as connection:
            peeked = await self._parts.mail_tokens.peek(connection, Purpose.VERIFY, token)
            person = await self._person_of(connection, peeked.user_id)
        if signed_in is None or signed_in.person.id != person.id:
            attempt = await self._parts.guard.admit(
                account=person.email, source=client.source, device=None
            )
            checked = await self._parts.passwords.check(password or "", person.password_hash)
            if not checked.matches:
                raise InvalidCredentials("The password is not right.")
            async with self._database.session() as connection:
                await self._parts.guard.succeed(connection, attempt)
        async with self._database.session() as connection:
            redeemed = await self._parts.mail_tokens.redeem(connection, Purpose.VERIFY, token)
            current = await self._parts.people.by_id(connection, person.id, lock=True)
            if (
                current is None
                or current.email != redeemed.email
                or current.password_hash != person.password_hash
            ):
                raise LinkInvalid("This link does not work any more.", hint="Ask for a new one.")
            await self._parts.people.set_verified(connection, person.id)
            await self._parts.audit.write(connection, "email.verified", subject=person.id)

    async def resend_verification(self, principal: Principal) -> None:
        """Mail a new link to a person whose address is not proven yet."""
        if principal.person.email_verified:
            return
        async with self._database.session() as connection:
            letter = await self._verification(connection, principal.person)
        self._parts.mail.put(letter)

    async def forgot_password(self, email: str, client: Client) -> None:
        """Mail a reset link where there is an account; silent where there is none."""
        address = normal_email(email)
        async with self._database.session() as connection:
            person = await self._parts.people.by_email(connection, address)
            await self._parts.audit.write(
                connection,
                "password.reset_asked",
                subject=person.id if person is not None else None,
                source=client.source,
            )
            if person is None or person.disabled:
                return
            token = await self.issue_reset(connection, person)
        self._parts.mail.put(self._parts.letters.reset(person.email, token))

    async def issue_reset(self, connection: AsyncSession, person: Person) -> str:
        """A token that sets a new password once."""
        return await self._parts.mail_tokens.issue(
            connection,
            Purpose.RESET,
            user_id=person.id,
            email=person.email,
            ttl_s=self._deps.options.reset_ttl_s,
        )

    async def reset_password(self, token: str, password: str) -> Person:
        """Spend a reset token for a new password; every session of the person ends."""
        await self._parts.passwords.require_strong(password, about=())
        password_hash = await self._parts.passwords.hash(password)
        async with self._database.session() as connection:
            redeemed = await self._parts.mail_tokens.redeem(connection, Purpose.RESET, token)
            person = await self._person_of(connection, redeemed.user_id)
            if person.disabled:
                raise LinkInvalid("This link does not work any more.")
            await self._parts.people.set_password(connection, person.id, password_hash)
            if person.email == redeemed.email and not person.email_verified:
                await self._parts.people.set_verified(connection, person.id)
            await self._parts.sessions.end_all(connection, person.id, reason="password_reset")
            await self._parts.audit.write(connection, "password.reset", subject=person.id)
        self._parts.changes.tell()
        self._parts.mail.put(self._parts.letters.password_changed(person.email))
        return person

    async def change_password(
        self, principal: Principal, *, current: str, new: str, client: Client
    ) -> None:
        """Replace a known password; every other session of the person ends."""
        person = principal.person
        await self.confirm(principal, current, client)
        await self._parts.passwords.require_strong(new, about=(person.email, person.name))
        password_hash = await self._parts.passwords.hash(new)
        async with self._database.session() as connection:
            await self._parts.people.set_password(connection, person.id, password_hash)
            await self._parts.mail_tokens.void(connection, Purpose.RESET, user_id=person.id)
            await self._parts.sessions.end_all(
                connection, person.id, reason="password_changed", but=principal.session_id
            )
            await self._parts.audit.write(
                connection, "password.changed", actor=person.id, source=client.source
            )
        self._parts.changes.tell()
        self._parts.mail.put(self._parts.letters.password_changed(person.email))

    async def reauthenticate(
        self, principal: Principal, password: str | None, client: Client
    ) -> None:
        """Prove again who sits there before something that changes who may come in.

        By password; a person without one must have signed in within the last quarter of an hour.
        """
        if principal.person.password_hash is not None:
            await self.confirm(principal, password or "", client)
        elif self._clock() - principal.auth_time > _FRESH_S:
            raise StepUpNeeded("This needs a fresh sign-in.", hint="Sign in again, then repeat.")

    async def confirm(self, principal: Principal, password: str, client: Client) -> None:
        """Prove again who sits there, by password; counted like a sign-in."""
        person = principal.person
        attempt = await self._parts.guard.admit(
            account=f"confirm:{person.id}", source=client.source, device=None
        )
        checked = await self._parts.passwords.check(password, person.password_hash)
        if not checked.matches:
            raise InvalidCredentials("The password is not right.")
        async with self._database.session() as connection:
            await self._parts.guard.succeed(connection, attempt)

    async def end_session(self, principal: Principal, session_id: str) -> None:
        """End one of one's own sessions at once."""
        person = principal.person
        async with self._database.session() as connection:
            await self._parts.sessions.end(connection, person.id, session_id, reason="ended")
            await self._parts.audit.write(connection, "session.ended", actor=person.id)
        self._parts.changes.tell()

    async def end_other_sessions(self, principal: Principal) -> int:
        """End all of one's own sessions but the one that asks; how many there were."""
        person = principal.person
        async with self._database.session() as connection:
            count = await self._parts.sessions.end_all(
                connection, person.id, reason="ended", but=principal.session_id
            )
            await self._parts.audit.write(
                connection, "session.ended_others", actor=person.id, count=count
            )
        self._parts.changes.tell()
        return count

    async def rename(self, principal: Principal, name: str) -> Person:
        """Change the shown name."""
        async with self._database.session() as connection:
            await self._parts.people.set_name(connection, principal.person.id, name)
            return await self._person_of(connection, principal.person.id)

    async def set_disabled(self, user_id: str, *, disabled: bool, actor: str | None) -> None:
        """Shut an account, which ends all its sessions at once, or open it again."""
        async with self._database.session() as connection:
            person = await self._parts.people.by_id(connection, user_id, lock=True)
            if person is None:
                raise NotFound("There is no such account.")
            await self._parts.people.set_disabled(connection, user_id, disabled=disabled)
            if disabled:
                await self._parts.changes.add(connection, ChangeKind.USER_DISABLED, user_id=user_id)
                await self._parts.sessions.end_all(connection, user_id, reason="disabled")
            await self._parts.audit.write(
                connection,
                "account.disabled" if disabled else "account.enabled",
                actor=actor,
                subject=user_id,
            )
        self._parts.changes.tell()

    async def erase(self, user_id: str) -> None:
        """Delete a person: account, sessions, keys, own workspaces, link to the audit log.

        NotAllowedNow while the person is the only owner of a workspace with other members.
        """
        async with self._database.session() as connection:
            person = await self._parts.people.by_id(connection, user_id, lock=True)
            if person is None:
                raise NotFound("There is no such account.")
            alone = await self._own_workspaces(connection, user_id)
            await self._parts.changes.add(connection, ChangeKind.USER_DISABLED, user_id=user_id)
            await self._parts.sessions.end_all(connection, user_id, reason="erased")
            await self._parts.audit.write(connection, "account.erased", subject=user_id)
            for workspace_id in alone:
                await self._parts.memberships.erase(connection, workspace_id)
                await self._parts.changes.add(
                    connection,
                    ChangeKind.WORKSPACE_ERASED,
                    user_id=user_id,
                    workspace_id=workspace_id,
                )
            await self._parts.changes.add(connection, ChangeKind.PERSON_ERASED, user_id=user_id)
            await self._parts.people.erase(connection, user_id)
            await self._parts.audit.forget(connection, user_id)
        self._parts.changes.tell()

    async def _own_workspaces(self, connection: AsyncSession, user_id: str) -> list[str]:
        alone: list[str] = []
        for workspace in await self._parts.memberships.of_person(connection, user_id):
            if await self._parts.memberships.size(connection, workspace.id) == 1:
                alone.append(workspace.id)
            elif await self._parts.memberships.lock_owners(connection, workspace.id) == {user_id}:
                raise NotAllowedNow(
                    f"The workspace {workspace.name!r} has no other owner.",
                    hint="Make another member its owner first.",
                )
        return alone

    async def _proven_by_invitation(
        self, connection: AsyncSession, address: str, invitation: str | None
    ) -> bool:
        if invitation is None:
            return False
        found = await self._parts.invitations.find(connection, invitation)
        if found.email != address:
            raise InvalidRequest("The invitation is for another address.")
        return True

    async def _verification(self, connection: AsyncSession, person: Person) -> Letter:
        token = await self._parts.mail_tokens.issue(
            connection,
            Purpose.VERIFY,
            user_id=person.id,
            email=person.email,
            ttl_s=self._deps.options.verify_ttl_s,
        )
        return self._parts.letters.verify(person.email, token)

    async def _person_of(self, connection: AsyncSession, user_id: str | None) -> Person:
        person = await self._parts.people.by_id(connection, user_id) if user_id else None
        if person is None:
            raise LinkInvalid("This link does not work any more.")
        return person
