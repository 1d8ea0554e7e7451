"""Locks by key, made when needed and gone when not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class KeyLocks:
    """Fair locks by key that exist only while somebody holds or awaits them."""

    def __init__(self) -> None:
        self._locks: dict[object, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def held(self, key: object) -> AsyncGenerator[None]:
        """Hold the lock of `key` for a block."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)
