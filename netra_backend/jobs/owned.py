"""What rows of durable work have in common: a status, and the node that has taken them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, update

from netra_core.database import DatabaseSessionManager, SystemContext


async def adopt(
    sessions: DatabaseSessionManager,
    ctx: SystemContext,
    table: Table,
    *,
    still_open: Sequence[str],
    ended: Sequence[str],
    node: str,
) -> None:
    """Give `node` what ended nodes have begun and not ended."""
    async with sessions.session(ctx) as session:
        await session.execute(
            update(table)
            .where(table.c.status.in_(still_open), table.c.node.in_(ended))
            .values(node=node)
        )


async def claim(
    sessions: DatabaseSessionManager,
    ctx: SystemContext,
    table: Table,
    row_id: str,
    *,
    still_open: Sequence[str],
    running: str,
    node: str,
    also: Mapping[str, ColumnElement[Any]] | None = None,
) -> RowMapping | None:
    """Begin an execution on `node`; None when the work has ended or is gone.

    `also` are columns to set beside status and node.
    """
    begin = (
        update(table)
        .where(table.c.id == row_id, table.c.status.in_(still_open))
        .values(status=running, node=node, **(also or {}))
        .returning(table)
    )
    async with sessions.session(ctx) as session:
        return (await session.execute(begin)).mappings().one_or_none()
