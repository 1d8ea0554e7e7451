"""Live settings reach the running services: each part follows the keys that it can change."""

import asyncio
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from netra_core.configuration import ConfigurationChange, Settings, UnifiedConfigurationManager

if TYPE_CHECKING:
    from netra_core.database import DatabaseSessionManager

LIVE_IN_AUTH: Final = ("auth.refresh_*", "auth.registration")
LIVE_IN_BACKEND: Final = ("websocket.*", "runs.max_*", "usage.max_upload_bytes")
LIVE_IN_POOLS: Final = (
    "database.pool_size",
    "database.pool_max_overflow",
    "database.pool_timeout_s",
    "database.statement_timeout_s",
)


@contextmanager
def followed(
    manager: UnifiedConfigurationManager,
    keys: Iterable[str],
    apply: Callable[[Settings], None],
) -> Generator[None]:
    """Within the block, `apply` is called in the running loop after each change of these keys."""
    loop = asyncio.get_running_loop()

    def tell(change: ConfigurationChange) -> None:
        loop.call_soon_threadsafe(apply, change.current)

    stop = manager.add_listener(tell, keys)
    try:
        yield
    finally:
        stop()


@contextmanager
def pool_followed(
    manager: UnifiedConfigurationManager, sessions: "DatabaseSessionManager", url: str
) -> Generator[None]:
    """Within the block, the pool moves to changed limits; requests under way finish in the old.

    Its address stays: what else speaks to that database would not move with it.
    """
    from netra_core.database.reload import ReconnectOnChange

    mover = ReconnectOnChange(sessions, lambda _: url, loop=asyncio.get_running_loop())
    stop = manager.subscribe(mover, LIVE_IN_POOLS)
    try:
        yield
    finally:
        stop()
