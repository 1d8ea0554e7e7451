"""The agents of one user: made for this user alone, counted, cleaned up."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import structlog

from netra_backend.agents.base import AgentHealth, BaseAgent, Lifecycle
from netra_backend.errors import AgentLimitError
from netra_core.context import UserExecutionContext

AnyAgent: TypeAlias = BaseAgent[Any, Any]  # Any: a session holds agents of all kinds

_log = structlog.get_logger(__name__)


class AgentSession:
    """Holds at most `limit` agents of one user at once."""

    def __init__(
        self,
        user: UserExecutionContext,
        *,
        make: "Callable[[str, AgentSession], AnyAgent]",
        limit: int,
    ) -> None:
        self.user = user
        self._make = make
        self._limit = limit
        self._agents: list[AnyAgent] = []
        self._closed = False

    def __len__(self) -> int:
        return len(self._agents)

    async def create(self, name: str) -> AnyAgent:
        """A new agent of this kind. Raises AgentLimitError, and the registry's errors."""
        if self._closed or len(self._agents) >= self._limit:
            raise AgentLimitError(
                f"{self._limit} agents work for this user already.",
                hint="Wait until a run has ended, or cancel one.",
            )
        agent = self._make(name, self)
        self._agents.append(agent)
        return agent

    async def release(self, agent: AnyAgent) -> None:
        """Shut an agent down and forget it; one that is not of this session is left alone."""
        if agent in self._agents:
            self._agents.remove(agent)
            await agent.shutdown()

    def health(self) -> list[AgentHealth]:
        """Every agent as it is."""
        return [agent.health() for agent in self._agents]

    async def close(self) -> list[BaseException]:
        """Shut every idle agent down; one whose clean-up fails costs the others nothing.

        Returns what went wrong.
        """
        self._closed = True
        idle = [agent for agent in self._agents if agent.state is not Lifecycle.RUNNING]
        outcomes = await asyncio.gather(
            *(agent.shutdown() for agent in idle), return_exceptions=True
        )
        self._agents = [agent for agent in self._agents if agent not in idle]
        problems = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for problem in problems:
            _log.error("agent_cleanup_failed", error=repr(problem))
        return problems
