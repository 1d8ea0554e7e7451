"""A platform whose people stay signed in until it ends."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netra_backend.composition import Platform
from netra_backend.tests.kit import Person, Stack, person, stack
from netra_core.database import DatabaseSessionManager
from netra_core.testing.servers import RunningServer


@dataclass(slots=True)
class LiveStack:
    """A running platform and the people on it."""

    inner: Stack
    exits: AsyncExitStack

    @property
    def server(self) -> RunningServer:
        """Where it listens."""
        return self.inner.server

    @property
    def platform(self) -> Platform:
        """Its parts."""
        return self.inner.platform

    @property
    def sessions(self) -> DatabaseSessionManager:
        """Its database."""
        return self.inner.sessions

    async def register(self, name: str) -> Person:
        """Someone new."""
        return await self.exits.enter_async_context(person(self.server.url, name))

    async def login(self, name: str) -> Person:
        """Someone known."""
        return await self.exits.enter_async_context(person(self.server.url, name, how="login"))


@asynccontextmanager
async def live_stack(home: Path, **options: Any) -> AsyncGenerator[LiveStack]:
    """The platform on files under `home`; started again on the same home it goes on."""
    async with stack(home, **options) as inner, AsyncExitStack() as exits:
        yield LiveStack(inner, exits)
