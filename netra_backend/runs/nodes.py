"""Nodes of one platform on one PostgreSQL: who lives, and who takes over what the dead left."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from netra_backend.runs.durable import DurableEngine
from netra_backend.tables import nodes
from netra_core.database import DatabaseSessionManager, SystemContext

BEAT_EVERY_S: Final = 0.5
DEAD_AFTER_S: Final = 3.0

_SYSTEM: Final = SystemContext(actor="nodes")
_log = structlog.get_logger(__name__)


class NodeWatch:
    """Beats for this node and watches the others; time is the database's own.

    `left` say which other nodes than the named one have work open that can be done here. A node
    that was silent for 3 seconds is dead: its work goes back to the queue, from which exactly
    one of the living takes each, with a new fence. One that was only stopped and wakes up finds the
    fence moved, and lets go.
    """

    def __init__(
        self,
        *,
        sessions: DatabaseSessionManager,
        engine: DurableEngine,
        left: Sequence[Callable[[str], Awaitable[set[str]]]],
        incarnation: str,
    ) -> None:
        self._sessions = sessions
        self._engine = engine
        self._left = left
        self._incarnation = incarnation

    async def beat(self) -> None:
        """Say that this node lives."""
        mine = insert(nodes).values(
            id=self._engine.node_id, incarnation=self._incarnation, beat_at=func.now()
        )
        async with self._sessions.session(_SYSTEM) as session:
            await session.execute(
                mine.on_conflict_do_update(
                    index_elements=[nodes.c.id],
                    set_={"incarnation": self._incarnation, "beat_at": func.now()},
                )
            )

    async def living(self) -> set[str]:
        """Names of the nodes that beat lately."""
        query = select(nodes.c.id).where(
            nodes.c.beat_at > func.now() - timedelta(seconds=DEAD_AFTER_S)
        )
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).scalars().all())
        return {str(name) for name in rows}

    async def turn(self) -> None:
        """Beat, then take over what dead nodes left."""
        await self.beat()
        others: set[str] = set()
        for open_on_other_nodes in self._left:
            others |= await open_on_other_nodes(self._engine.node_id)
        dead = sorted(others - await self.living()) if others else []
        if dead:
            _log.warning("nodes_dead", nodes=dead)
            await self._engine.take_over(dead)

    async def leave(self) -> None:
        """Say that this node is going, so that the others need not wait."""
        async with self._sessions.session(_SYSTEM) as session:
            await session.execute(delete(nodes).where(nodes.c.id == self._engine.node_id))

    async def watch(self) -> None:
        """Take turns until cancelled."""
        while True:
            try:
                await self.turn()
            except Exception:
                _log.exception("node_turn_failed")
            await asyncio.sleep(BEAT_EVERY_S)
