"""The agents: BaseAgent, its context, the registry, and the six that answer questions."""

from netra_backend.agents.base import AgentHealth, BaseAgent, Lifecycle
from netra_backend.agents.context import AgentContext, ToolPolicy
from netra_backend.agents.registry import AgentRegistry, RegistryState
from netra_backend.agents.session import AgentSession

__all__ = [
    "AgentContext",
    "AgentHealth",
    "AgentRegistry",
    "AgentSession",
    "BaseAgent",
    "Lifecycle",
    "RegistryState",
    "ToolPolicy",
]
