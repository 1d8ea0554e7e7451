"""Sign in with an account elsewhere, link one, unlink one."""

import re
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.accounts import Accounts
from netra_auth.audit import AuditLog
from netra_auth.deps import AuthDeps
from netra_auth.email_address import normal_email
from netra_auth.errors import InvalidRequest, NotAllowedNow, NotFound, SignInFailed
from netra_auth.oauth.identities import Identities, Linked
from netra_auth.oauth.logins import OAuthLogins, Resumed
from netra_auth.oauth.provider import Identity, ProviderClient
from netra_auth.options import OidcProvider, Registration
from netra_auth.people import People, Person
from netra_auth.sessions import Client, Principal, SignedIn

DEFAULT_NEXT = "/"
_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_LONGEST_PATH = 500


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and the secret that it must bring back in a cookie."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A finished sign-in, or a finished link (then without a session), and where to go on."""

    next_path: str
    signed_in: SignedIn | None


class OAuthFlow:
    """Authorization code with PKCE S256, state, nonce and issuer check, one redirect a provider.

    People are known by (issuer, subject) alone. An account with the same e-mail address is never
    taken over: its owner signs in and links.
    """

    def __init__(
        self,
        deps: AuthDeps,
        *,
        accounts: Accounts,
        people: People,
        audit: AuditLog,
    ) -> None:
        self._deps = deps
        self._database = deps.database
        self._accounts = accounts
        self._people = people
        self._audit = audit
        self._logins = OAuthLogins(deps)
        self._identities = Identities(deps)
        self._clients = {
            provider.name: ProviderClient(provider, deps.clock)
            for provider in deps.options.oidc_providers
        }

    async def depart(
        self, name: str, *, next_path: str, link: Principal | None = None
    ) -> Departure:
        """Begin a sign-in, or with `link` the linking of an account elsewhere."""
        client = self._client(name)
        begun = await self._logins.begin(
            provider=name,
            issuer=client.provider.issuer,
            next_path=own_path(next_path),
            link_user_id=None if link is None else link.person.id,
        )
        url = await client.authorization_url(
            redirect_uri=self.redirect_uri(client.provider),
            state=begun.state,
            nonce=begun.nonce,
            verifier=begun.verifier,
        )
        return Departure(url=url, browser=begun.browser)

    async def arrive(
        self,
        name: str,
        *,
        state: str | None,
        code: str | None,
        issuer: str | None,
        browser: str | None,
        client: Client,
    ) -> Arrival:
        """Finish what `depart` began. The state is spent before anything else is looked at."""
        provider = self._client(name)
        resumed = await self._logins.resume(
            state=state or "", browser=browser, provider=name, issuer=provider.provider.issuer
        )
        metadata = await provider.metadata()
        missing = issuer is None and metadata.authorization_response_iss_parameter_supported
        if missing or issuer not in {None, metadata.issuer}:
            raise SignInFailed("The answer comes from another identity provider.")
        if not code:
            raise SignInFailed("The identity provider did not sign you in.")
        identity = await provider.exchange(
            code=code,
            redirect_uri=self.redirect_uri(provider.provider),
            verifier=resumed.verifier,
            nonce=resumed.nonce,
        )
        if resumed.link_user_id is not None:
            await self._link(resumed.link_user_id, identity, name)
            return Arrival(resumed.next_path, None)
        return await self._sign_in(provider.provider, identity, resumed, client)

    def redirect_uri(self, provider: OidcProvider) -> str:
        """The one address that this provider may send people back to."""
        base = self._deps.options.public_url.rstrip("/")
        return provider.redirect_url or f"{base}/auth/oauth/{provider.name}/callback"

    async def linked(self, principal: Principal) -> list[Linked]:
        """Accounts elsewhere that open this person's account."""
        async with self._database.session(read_only=True) as connection:
            return await self._identities.of_person(connection, principal.person.id)

    async def unlink(self, principal: Principal, identity_id: str) -> None:
        """Take a link away; never the last way in."""
        async with self._database.session() as connection:
            person = await self._people.by_id(connection, principal.person.id, lock=True)
            found = await self._identities.of_person(connection, principal.person.id)
            if person is None or identity_id not in {linked.id for linked in found}:
                raise NotFound("There is no such link.")
            if person.password_hash is None and len(found) == 1:
                raise NotAllowedNow(
                    "This is your only way to sign in.", hint="Choose a password first."
                )
            await self._identities.remove(connection, identity_id)
            await self._audit.write(connection, "identity.unlinked", actor=person.id)

    async def _sign_in(
        self, provider: OidcProvider, identity: Identity, resumed: Resumed, client: Client
    ) -> Arrival:
        async with self._database.session() as connection:
            linked = await self._identities.find(connection, identity)
            if linked is None:
                person = await self._create(connection, provider, identity)
            else:
                person = await self._people.by_id(connection, linked.user_id, lock=True)
            if person is None or person.disabled:
                raise SignInFailed("This account cannot sign in.")
            signed_in = await self._accounts.open_session(
                connection, person, client, method=f"oidc:{provider.name}"
            )
        return Arrival(resumed.next_path, signed_in)

    async def _create(
        self, connection: AsyncSession, provider: OidcProvider, identity: Identity
    ) -> Person:
        if self._deps.options.registration not in {Registration.OPEN, Registration.VERIFIED}:
            raise SignInFailed("New accounts need an invitation here.")
        if identity.email is None or not (identity.email_verified and provider.trust_email):
            raise SignInFailed("The identity provider does not vouch for an e-mail address.")
        email = normal_email(identity.email)
        if await self._people.by_email(connection, email) is not None:
            raise SignInFailed(
                "This address has an account here.", hint="Sign in with it, then link."
            )
        person, _ = await self._accounts.create(
            connection,
            email=email,
            name=(identity.name or email.partition("@")[0])[:200],
            password_hash=None,
            verified=True,
        )
        await self._identities.add(connection, person.id, identity, provider.name)
        return person

    async def _link(self, user_id: str, identity: Identity, provider: str) -> None:
        async with self._database.session() as connection:
            person = await self._people.by_id(connection, user_id, lock=True)
            if person is None or person.disabled:
                raise SignInFailed("This account cannot sign in.")
            linked = await self._identities.find(connection, identity)
            if linked is not None:
                if linked.user_id != user_id:
                    raise SignInFailed("That account is linked to somebody else here.")
                return
            await self._identities.add(connection, user_id, identity, provider)
            await self._audit.write(connection, "identity.linked", actor=user_id, provider=provider)

    def _client(self, name: str) -> ProviderClient:
        found = self._clients.get(name)
        if found is None:
            raise NotFound("There is no such identity provider.")
        return found


def own_path(path: str) -> str:
    """The path if it leads into this site, else InvalidRequest: no open redirect."""
    if len(path) > _LONGEST_PATH or not _OWN_PATH.fullmatch(path):
        raise InvalidRequest("`next` must be a path of this site.")
    return path
