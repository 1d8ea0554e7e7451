"""AgentRegistry: kinds of agents by name, and one session for each user."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.session import AgentSession, AnyAgent
from netra_core.context import UserExecutionContext
from netra_core.registry import RejectedItemError, UniversalRegistry

AGENTS_PER_USER: Final = 40

AgentFactory = Callable[[AgentSession], AnyAgent]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryState:
    """What the registry holds: kinds, sessions, agents at work, and broken factories by name."""

    kinds: int
    sessions: int
    agents: int
    healthy: bool
    problems: dict[str, str]


class AgentRegistry(UniversalRegistry[AnyAgent]):
    """Makes agents for users.

    Agents are registered as factories, each called with the session of one user. A made agent
    that is no BaseAgent, or that another user was given, is refused.
    """

    def __init__(self, name: str = "agents", *, agents_per_user: int = AGENTS_PER_USER) -> None:
        super().__init__(name)
        self._agents_per_user = agents_per_user
        self._sessions: dict[tuple[str, str], AgentSession] = {}
        self._given: weakref.WeakSet[AnyAgent] = weakref.WeakSet()
        self.add_validation_handler(self._check)

    def session(self, user: UserExecutionContext) -> AgentSession:
        """The session of this user in this workspace; the same until it is closed."""
        found = self._sessions.get(user.stream)
        if found is None:
            found = self._sessions[user.stream] = AgentSession(
                user, make=self.create_instance, limit=self._agents_per_user
            )
        return found

    async def close_session(self, user: UserExecutionContext) -> list[BaseException]:
        """End this user's session; nobody else's is touched. Returns what clean-ups raised."""
        session = self._sessions.pop(user.stream, None)
        return [] if session is None else await session.close()

    def release_idle(self, user: UserExecutionContext) -> None:
        """Forget the session when it holds no agent any more."""
        session = self._sessions.get(user.stream)
        if session is not None and len(session) == 0:
            del self._sessions[user.stream]

    async def close(self) -> list[BaseException]:
        """End every session. Returns what clean-ups raised."""
        problems: list[BaseException] = []
        for session in list(self._sessions.values()):
            problems += await session.close()
        self._sessions.clear()
        return problems

    def state(self) -> RegistryState:
        """Counts and health as they are."""
        health = self.validate_health()
        return RegistryState(
            kinds=len(self),
            sessions=len(self._sessions),
            agents=sum(len(session) for session in self._sessions.values()),
            healthy=health.healthy,
            problems=dict(health.problems),
        )

    def _check(self, key: str, agent: AnyAgent) -> None:
        if not isinstance(agent, BaseAgent):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RejectedItemError(f"{key!r} made a {type(agent).__name__}, which is no agent.")
        if agent in self._given:
            raise RejectedItemError(f"{key!r} gave the same agent out twice.")
        self._given.add(agent)
