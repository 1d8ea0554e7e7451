"""Sign-ins under way at an identity provider: single-use, bound to browser and provider."""

import base64
from dataclasses import dataclass

from sqlalchemy import insert, update

from netra_auth.database.tables import oauth_logins
from netra_auth.deps import AuthDeps, RandomBytes
from netra_auth.errors import SignInFailed
from netra_auth.secret import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Secrets of a sign-in that has just begun."""

    state: str
    browser: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What was stored for the answer that has come back."""

    nonce: str
    verifier: str
    next_path: str
    link_user_id: str | None


class OAuthLogins:
    """Stores what an answer must match; only digests of state and browser secret."""

    def __init__(self, deps: AuthDeps) -> None:
        self._options = deps.options
        self._database = deps.database
        self._clock = deps.clock
        self._random_bytes = deps.random_bytes

    async def begin(
        self, *, provider: str, issuer: str, next_path: str, link_user_id: str | None
    ) -> Begun:
        """Make state, nonce, PKCE verifier and the browser's secret, 256 bits each."""
        begun = Begun(
            state=_text(self._random_bytes),
            browser=_text(self._random_bytes),
            nonce=_text(self._random_bytes),
            verifier=_text(self._random_bytes),
        )
        expires = self._clock() + self._options.oauth_state_ttl_s
        async with self._database.session() as connection:
            await connection.execute(
                insert(oauth_logins).values(
                    digest=digest(begun.state),
                    browser=digest(begun.browser),
                    provider=provider,
                    issuer=issuer,
                    nonce=begun.nonce,
                    verifier=begun.verifier,
                    next_path=next_path,
                    link_user_id=link_user_id,
                    expires_at=round(expires * 1000),
                )
            )
        return begun

    async def resume(
        self, *, state: str, browser: str | None, provider: str, issuer: str
    ) -> Resumed:
        """Spend a state, or SignInFailed when it is unknown, spent, old or somebody else's."""
        now = round(self._clock() * 1000)
        async with self._database.session() as connection:
            spent = await connection.execute(
                update(oauth_logins)
                .where(
                    oauth_logins.c.digest == digest(state),
                    oauth_logins.c.browser == digest(browser or ""),
                    oauth_logins.c.provider == provider,
                    oauth_logins.c.issuer == issuer,
                    oauth_logins.c.used_at.is_(None),
                    oauth_logins.c.expires_at > now,
                )
                .values(used_at=now)
                .returning(
                    oauth_logins.c.nonce,
                    oauth_logins.c.verifier,
                    oauth_logins.c.next_path,
                    oauth_logins.c.link_user_id,
                )
            )
            row = spent.one_or_none()
        if row is None:
            raise SignInFailed("This sign-in was not begun here, or took too long.")
        return Resumed(
            nonce=row.nonce,
            verifier=row.verifier,
            next_path=row.next_path,
            link_user_id=row.link_user_id,
        )


def _text(random_bytes: RandomBytes) -> str:
    return base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode()
