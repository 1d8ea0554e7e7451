"""Rows that nobody needs any more go away, a little at a time; so do forgotten transactions."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Column, ColumnElement, delete, or_

from netra_auth.database.tables import (
    invitations,
    login_failures,
    mail_tokens,
    oauth_logins,
    sessions,
)
from netra_auth.deps import AuthDeps
from netra_core.errors import ApexError

_LOG = logging.getLogger("netra.auth.housekeeping")
_EVERY_S = 3600.0
_LEAKS_EVERY_S = 30.0
_KEEP_S = 30 * 86_400


class Housekeeping:
    """Deletes spent links, finished sign-ins and long dead sessions of people every hour, and
    closes database sessions that somebody left open every `leaks_every_s`.
    """

    def __init__(self, deps: AuthDeps, *, leaks_every_s: float = _LEAKS_EVERY_S) -> None:
        self._database = deps.database
        self._clock = deps.clock
        self._leaks_every_s = leaks_every_s
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; needs a running loop."""
        if not self._tasks:
            leaks = self._database.sessions.close_leaks
            for name, seconds, work in (
                ("auth-housekeeping", _EVERY_S, self.sweep),
                ("auth-leaks", self._leaks_every_s, leaks),
            ):
                self._tasks.append(asyncio.create_task(_every(seconds, work), name=name))

    async def aclose(self) -> None:
        """End the tasks."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def sweep(self) -> int:
        """Delete what is over; how many rows went."""
        now = round(self._clock() * 1000)
        old = now - _KEEP_S * 1000
        gone = 0
        over: list[tuple[Column[Any], ColumnElement[bool]]] = [  # Any: keys of several types
            (oauth_logins.c.digest, oauth_logins.c.expires_at < now),
            (mail_tokens.c.digest, mail_tokens.c.expires_at < now),
            (login_failures.c.key, login_failures.c.forget_at < now),
            (invitations.c.id, invitations.c.expires_at < old),
            (
                sessions.c.id,
                or_(
                    sessions.c.ended_at < old,
                    sessions.c.idle_expires_at < old,
                    sessions.c.absolute_expires_at < old,
                ),
            ),
        ]
        for key, condition in over:
            async with self._database.session() as connection:
                rows = await connection.execute(delete(key.table).where(condition).returning(key))
                gone += len(rows.all())
        return gone


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except ApexError as error:
            _LOG.warning("housekeeping failed, next try in %g s: %s", seconds, error)
