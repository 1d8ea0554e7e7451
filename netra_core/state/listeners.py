"""Telling listeners what changed: after the commit, in order, without holding up writers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from netra_core.state.types import Owner, StateChange

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChangesLost:
    """A listener was too slow: changes after `revision` were dropped; changes_since has them."""

    revision: int


Notification: TypeAlias = StateChange | ChangesLost
Listener: TypeAlias = Callable[[Notification], Awaitable[None] | None]


@dataclass(slots=True, eq=False)
class Subscription:
    """One listener and what waits for it."""

    listener: Listener
    owners: frozenset[Owner] | None
    prefix: str
    waiting: deque[StateChange] = field(default_factory=deque)
    lost_after: int | None = None
    task: "asyncio.Task[None] | None" = None

    def wants(self, change: StateChange) -> bool:
        """True when the listener asked for such a change."""
        return (self.owners is None or change.owner in self.owners) and change.key.startswith(
            self.prefix
        )

    def miss(self, after: int) -> None:
        """Note that changes after this revision are dropped. Those of other processes come late:
        the lowest counts, and not that of the first.
        """
        self.lost_after = after if self.lost_after is None else min(after, self.lost_after)


class Listeners:
    """All listeners of one manager. Each is called by a task of its own, one change at a time, in
    order; a slow or broken one costs the others nothing. Built anywhere: tasks begin with the first
    change, which only happens inside a running loop.
    """

    def __init__(self, *, max_waiting: int = 1024, patience_s: float = 5.0) -> None:
        self._max_waiting = max_waiting
        self._patience_s = patience_s
        self._subscriptions: dict[int, Subscription] = {}

    def __len__(self) -> int:
        return len(self._subscriptions)

    def add(
        self, listener: Listener, *, owners: frozenset[Owner] | None, prefix: str
    ) -> Callable[[], None]:
        """Call `listener` for each change from now on; the answer ends that."""
        subscription = Subscription(listener, owners, prefix)
        key = id(subscription)
        self._subscriptions[key] = subscription

        def end() -> None:
            """No further call; one that is under way comes to its own end."""
            self._subscriptions.pop(key, None)
            subscription.waiting.clear()
            subscription.lost_after = None

        return end

    def tell(self, changes: Sequence[StateChange]) -> None:
        """Queue committed changes for whoever wants them."""
        for subscription in tuple(self._subscriptions.values()):
            wanted = [change for change in changes if subscription.wants(change)]
            if not wanted:
                continue
            for change in wanted:
                if subscription.lost_after is None and (
                    len(subscription.waiting) < self._max_waiting
                ):
                    subscription.waiting.append(change)
                else:
                    subscription.miss(change.revision - 1)
            self._wake(subscription)

    def lose(self, revision: int) -> None:
        """Tell every listener that changes after `revision` cannot be had one by one."""
        for subscription in tuple(self._subscriptions.values()):
            subscription.miss(revision)
            self._wake(subscription)

    def _wake(self, subscription: Subscription) -> None:
        if subscription.task is None:
            subscription.task = asyncio.create_task(
                _serve(subscription),
                name="apex-listener",
                context=Context(),  # not the writer's request: the listener may be another's
            )

    async def close(self) -> None:
        """Let every listener finish what waits, then forget them; one that takes longer than
        `patience_s` is cancelled.
        """
        tasks = [s.task for s in self._subscriptions.values() if s.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._subscriptions.clear()


async def _serve(subscription: Subscription) -> None:
    try:
        while subscription.waiting or subscription.lost_after is not None:
            if subscription.waiting:
                await _call(subscription, subscription.waiting.popleft())
            else:
                lost, subscription.lost_after = subscription.lost_after, None
                await _call(subscription, ChangesLost(lost or 0))
    finally:
        subscription.task = None


async def _call(subscription: Subscription, notification: Notification) -> None:
    try:
        result = subscription.listener(notification)
        if result is not None:
            await result
    except Exception as error:  # a listener's fault is its owner's; the others hear on
        _log.warning(
            "state_listener_failed", listener=repr(subscription.listener), error=repr(error)
        )
