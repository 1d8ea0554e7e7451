"""The first account of an installation: by a one-time link, never by default credentials."""

from sqlalchemy import select

from netra_auth.accounts import Accounts
from netra_auth.audit import AuditLog
from netra_auth.database.tables import users
from netra_auth.deps import AuthDeps
from netra_auth.email_address import normal_email
from netra_auth.errors import LinkInvalid
from netra_auth.letters import Letters
from netra_auth.mail_tokens import MailTokens, Purpose
from netra_auth.passwords import Passwords
from netra_auth.sessions import Client, SignedIn


class Setup:
    """Makes and redeems the setup link. It works once, for a day, while there is no account."""

    def __init__(
        self,
        deps: AuthDeps,
        *,
        accounts: Accounts,
        passwords: Passwords,
        mail_tokens: MailTokens,
        letters: Letters,
        audit: AuditLog,
    ) -> None:
        self._options = deps.options
        self._database = deps.database
        self._accounts = accounts
        self._passwords = passwords
        self._mail_tokens = mail_tokens
        self._letters = letters
        self._audit = audit

    async def link(self) -> str | None:
        """A new setup link, which makes earlier ones useless; None once an account exists."""
        async with self._database.session() as connection:
            if await connection.scalar(select(users.c.id).limit(1)) is not None:
                return None
            token = await self._mail_tokens.issue(
                connection,
                Purpose.SETUP,
                user_id=None,
                email=None,
                ttl_s=self._options.setup_ttl_s,
            )
            await self._audit.write(connection, "setup.link_made")
        return self._letters.link("setup", token)

    async def claim(
        self, *, token: str, email: str, password: str, name: str, client: Client
    ) -> SignedIn:
        """Spend the link for the first account, whose address counts as proven."""
        address = normal_email(email)
        await self._passwords.require_strong(password, about=(address, name))
        password_hash = await self._passwords.hash(password)
        async with self._database.session() as connection:
            await self._mail_tokens.redeem(connection, Purpose.SETUP, token)
            if await connection.scalar(select(users.c.id).limit(1)) is not None:
                raise LinkInvalid("This installation is set up already.")
            person, _ = await self._accounts.create(
                connection, email=address, name=name, password_hash=password_hash, verified=True
            )
            return await self._accounts.open_session(connection, person, client, method="setup")
