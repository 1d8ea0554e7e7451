"""Nodes of one platform on one PostgreSQL: who lives, and who takes over what the dead left."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from netra_backend.runs.durable import DurableEngine
from netra_backend.tables import nodes
from netra_core.database import DatabaseSessionManager, SystemContext
from netra_core.websocket import SocketState

BEAT_EVERY_S: Final = 0.5
DEAD_AFTER_S: Final = 3.0
GONE_AFTER: Final = timedelta(minutes=5)
"""A node that is dead so long is not being started again: what it alone could do is given up."""
LOOKED_WITHIN: Final = timedelta(minutes=1)
"""After a longer pause without a look, or a clock set anew, nobody knows who lived meanwhile."""
TWIN_BEATS_WITHIN_S: Final = 1.5
"""A living node beats three times meanwhile."""
_LOOK_EVERY_S: Final = 0.1

_SYSTEM: Final = SystemContext(actor="nodes")
_log = structlog.get_logger(__name__)


class NodeWatch:
    """Beats for this node and watches the others; time is the database's own.

    `left` say which other nodes than the named one have work open that can be done here. A node
    that was silent for 3 seconds is dead: its work goes back to the queue, from which exactly
    one of the living takes each, with a new fence. One that was only stopped and wakes up finds the
    fence moved, and lets go. What the dead one's sockets kept in the shared state goes with them,
    by a fence as well: `sockets` holds this node's, `on_lost` is called when others have taken it.
    `stranded` says which other nodes have work open that they alone can do; `give_up` is told of
    those that are gone.
    """

    def __init__(
        self,
        *,
        sessions: DatabaseSessionManager,
        engine: DurableEngine,
        left: Sequence[Callable[[str], Awaitable[set[str]]]],
        stranded: Callable[[str], Awaitable[set[str]]],
        give_up: Callable[[Sequence[str]], Awaitable[None]],
        clock: Callable[[], datetime],
        incarnation: str,
        sockets: SocketState | None = None,
        on_lost: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._sessions = sessions
        self._engine = engine
        self._left = left
        self._stranded = stranded
        self._give_up = give_up
        self._clock = clock
        self._dead_since: dict[str, datetime] = {}
        self._looked_at = clock()
        self._incarnation = incarnation
        self._sockets = sockets
        self._on_lost = on_lost

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

    async def name_is_taken(self) -> bool:
        """Whether another process, alive, beats under this node's name.

        A home that was copied gives two machines one name. The last beat of this machine's own
        process that has just ended is told from a living one's by this, that no other follows.
        """
        query = select(nodes.c.beat_at).where(
            nodes.c.id == self._engine.node_id, nodes.c.beat_at > _dead_before()
        )

        async def latest() -> Any:  # Any: as the database has it, or None
            found = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).one_or_none())
            return None if found is None else found[0]

        first = now = await latest()
        for _ in range(round(TWIN_BEATS_WITHIN_S / _LOOK_EVERY_S)):
            if now is None or now != first:
                break
            await asyncio.sleep(_LOOK_EVERY_S)
            now = await latest()
        return now is not None and now != first

    async def living(self) -> dict[str, str]:
        """Incarnations of the nodes that beat lately, by name."""
        query = select(nodes.c.id, nodes.c.incarnation).where(nodes.c.beat_at > _dead_before())
        rows = await self._sessions.read(_SYSTEM, lambda c: c.execute(query).all())
        return {name: incarnation for name, incarnation in rows}

    async def begin(self) -> None:
        """Beat for the first time, and clear away what sockets of nobody who lives have left."""
        await self.beat()
        if self._sockets is not None:
            await self._sockets.sweep_all_but((await self.living()).values())

    async def turn(self) -> None:
        """Beat, then take over what dead nodes left."""
        await self.beat()
        await self._bury()
        others: set[str] = set()
        for open_on_other_nodes in self._left:
            others |= await open_on_other_nodes(self._engine.node_id)
        dead = sorted(others - (await self.living()).keys()) if others else []
        if dead:
            _log.warning("nodes_dead", nodes=dead)
            await self._engine.take_over(dead)
        await self._give_up_gone(await self._stranded(self._engine.node_id))

    async def _give_up_gone(self, stranded: set[str]) -> None:
        dead = stranded - (await self.living()).keys() if stranded else stranded
        before, now = self._looked_at, self._clock()
        self._looked_at = now
        known = self._dead_since if timedelta(0) <= now - before <= LOOKED_WITHIN else {}
        self._dead_since = {name: known.get(name, now) for name in dead}
        gone = sorted(n for n, since in self._dead_since.items() if now - since >= GONE_AFTER)
        if gone:
            _log.warning("nodes_gone", nodes=gone)
            await self._give_up(gone)

    async def _bury(self) -> None:
        """Forget nodes that died, with what their sockets kept; notice to have been buried."""
        if self._sockets is None:
            return
        if self._on_lost is not None and await self._sockets.lost():
            await self._on_lost()
        dead = select(nodes.c.id, nodes.c.incarnation).where(nodes.c.beat_at <= _dead_before())
        found = await self._sessions.read(_SYSTEM, lambda c: c.execute(dead).all())
        if not found:
            return
        await self._sockets.sweep([incarnation for _, incarnation in found])
        async with self._sessions.session(_SYSTEM) as session:
            for name, incarnation in found:
                await session.execute(
                    delete(nodes).where(
                        nodes.c.id == name,
                        nodes.c.incarnation == incarnation,
                        nodes.c.beat_at <= _dead_before(),
                    )
                )

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


def _dead_before() -> ColumnElement[Any]:
    return func.now() - timedelta(seconds=DEAD_AFTER_S)
