"""Rows that nobody needs any more go away, a little at a time."""

import asyncio
import logging
from contextlib import suppress
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
_KEEP_S = 30 * 86_400


class Housekeeping:
    """Deletes spent links, finished sign-ins and long dead sessions every hour."""

    def __init__(self, deps: AuthDeps) -> None:
        self._database = deps.database
        self._clock = deps.clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="auth-housekeeping")

    async def aclose(self) -> None:
        """End the task."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

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

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.sweep()
            except ApexError as error:
                _LOG.warning("housekeeping failed, next try in an hour: %s", error)
