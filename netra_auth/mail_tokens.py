"""Single-use, expiring tokens for mailed links; only their digests are stored."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database.tables import AnyRow, mail_tokens
from netra_auth.deps import Clock, RandomBytes
from netra_auth.errors import LinkInvalid
from netra_auth.secret import digest, new_secret

PREFIX = "apxm"


class Purpose(StrEnum):
    """What a token is good for; it is good for nothing else."""

    VERIFY = "verify"
    RESET = "reset"
    SETUP = "setup"


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a spent token stood for. A setup token stands for nobody yet."""

    user_id: str | None
    email: str | None


class MailTokens:
    """Makes and redeems tokens within the caller's transaction."""

    def __init__(self, clock: Clock, random_bytes: RandomBytes) -> None:
        self._clock = clock
        self._random_bytes = random_bytes

    async def issue(
        self,
        connection: AsyncSession,
        purpose: Purpose,
        *,
        user_id: str | None,
        email: str | None,
        ttl_s: float,
    ) -> str:
        """A new token; earlier ones of the same purpose and person stop working."""
        await self.void(connection, purpose, user_id=user_id)
        token = new_secret(PREFIX, self._random_bytes)
        await connection.execute(
            insert(mail_tokens).values(
                digest=digest(token),
                purpose=purpose.value,
                user_id=user_id,
                email=email,
                expires_at=round((self._clock() + ttl_s) * 1000),
            )
        )
        return token

    async def peek(self, connection: AsyncSession, purpose: Purpose, token: str) -> Redeemed:
        """What a token stands for, unspent; LinkInvalid as in `redeem`."""
        query = select(mail_tokens.c.user_id, mail_tokens.c.email)
        row = (await connection.execute(query.where(self._good(purpose, token)))).one_or_none()
        return _redeemed(row)

    async def redeem(self, connection: AsyncSession, purpose: Purpose, token: str) -> Redeemed:
        """Spend a token; LinkInvalid when unknown, spent, expired or for another purpose."""
        now = round(self._clock() * 1000)
        spent = await connection.execute(
            update(mail_tokens)
            .where(self._good(purpose, token))
            .values(used_at=now)
            .returning(mail_tokens.c.user_id, mail_tokens.c.email)
        )
        return _redeemed(spent.one_or_none())

    async def void(
        self, connection: AsyncSession, purpose: Purpose, *, user_id: str | None
    ) -> None:
        """Make every outstanding token of this purpose and person useless."""
        mine = (mail_tokens.c.purpose == purpose.value) & (
            mail_tokens.c.user_id.is_(None) if user_id is None else mail_tokens.c.user_id == user_id
        )
        await connection.execute(delete(mail_tokens).where(mine))

    def _good(self, purpose: Purpose, token: str) -> ColumnElement[bool]:
        return (
            (mail_tokens.c.digest == digest(token))
            & (mail_tokens.c.purpose == purpose.value)
            & mail_tokens.c.used_at.is_(None)
            & (mail_tokens.c.expires_at > round(self._clock() * 1000))
        )


def _redeemed(row: AnyRow | None) -> Redeemed:
    if row is None:
        raise LinkInvalid("This link does not work any more.", hint="Ask for a new one.")
    return Redeemed(user_id=row.user_id, email=row.email)
