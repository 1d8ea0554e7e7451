"""The agents: BaseAgent, its context, the registry, and the six that answer questions."""
