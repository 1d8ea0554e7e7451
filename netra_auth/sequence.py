"""Numbers without gaps that become visible in order, across processes."""

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database.tables import heads

ZERO_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class Head:
    """Last number given out in a sequence and the digest kept beside it."""

    seq: int
    digest: bytes


async def lock_head(connection: AsyncSession, name: str) -> Head:
    """Read the head and keep others from moving it until this transaction ends.

    Because the next number is given out under this lock, a reader that has seen number n has
    seen all before n.
    """
    query = select(heads.c.seq, heads.c.digest).where(heads.c.name == name).with_for_update()
    row = (await connection.execute(query)).one()  # the migration made the rows
    return Head(seq=row.seq, digest=bytes(row.digest))


async def move_head(connection: AsyncSession, name: str, head: Head) -> None:
    """Store the new head; the caller holds the lock."""
    await connection.execute(
        update(heads).where(heads.c.name == name).values(seq=head.seq, digest=head.digest)
    )
