"""Fan-out over Redis publish/subscribe, for more nodes than PostgreSQL should notify."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from netra_core.events.fanout_relay import CHANNEL, RelayedFanOut

SOCKET_TIMEOUT_S = 5.0


class RedisFanOut(RelayedFanOut):
    """Notices over Redis. The driver's own retries are off: what it would hide may be missed."""

    def __init__(self, url: str, **options: Any) -> None:  # Any: those of RelayedFanOut
        super().__init__(**options)
        self._url = url
        self._redis: Redis | None = None
        self._listener: asyncio.Task[None] | None = None

    def _where(self) -> str:
        return f"Redis at {urlsplit(self._url).hostname or 'its socket'}"

    async def _session(self) -> None:
        redis = Redis.from_url(
            self._url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            socket_timeout=SOCKET_TIMEOUT_S,
            protocol=2,
        )
        self._redis = redis
        async with redis, redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(CHANNEL)
            # The subscription holds once its confirmation has been read.
            await pubsub.get_message(timeout=SOCKET_TIMEOUT_S)
            self._ready()
            # No TaskGroup: the driver may swallow the cancellation that would end its other task.
            self._listener = asyncio.create_task(
                self._listen(pubsub), name="event fan-out listener"
            )
            self._listener.add_done_callback(lambda _: self._wake())
            try:
                await self._send_forever(self._publish)
            finally:
                while not self._listener.done():
                    self._listener.cancel()
                    await asyncio.wait([self._listener], timeout=1)

    async def _listen(self, pubsub: PubSub) -> None:
        while not self._closing:
            message = await pubsub.get_message(
                ignore_subscribe_messages=True, timeout=self._check_s
            )
            if message is None:
                await pubsub.ping()
            elif message["type"] == "message":
                self._received(message["data"] or "")

    async def _publish(self, payload: str) -> None:
        assert self._redis is not None
        await self._redis.publish(CHANNEL, payload)

    def _look(self) -> None:
        if self._listener is not None and self._listener.done():
            self._listener.result()

    async def _check(self) -> None:
        assert self._redis is not None
        await self._redis.ping()
