"""Triage: what is asked."""

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext
from netra_backend.agents.findings import Question
from netra_backend.reasoner import Intent, Reasoner


class TriageAgent(BaseAgent[Question, Intent]):
    """Has the reasoner read the question, and says how it was understood."""

    name = "triage"
    timeout_s = 60.0

    def __init__(self, reasoner: Reasoner) -> None:
        super().__init__()
        self._reasoner = reasoner

    def announce(self, request: Question) -> str:
        """What `agent_started` says."""
        return "Reading the question"

    async def run(self, ctx: AgentContext, request: Question) -> Intent:
        """Understand the question."""
        intent = await ctx.tool(
            "read_question", self._reasoner.understand, returns=Intent, question=request.text
        )
        await ctx.think(_understood(intent))
        return intent


def _understood(intent: Intent) -> str:
    parts = [f"This asks about {intent.topic.value.replace('_', ' ')}"]
    if intent.features:
        parts.append(f"names {', '.join(intent.features)}")
    if intent.models:
        parts.append(f"considers {', '.join(intent.models)}")
    parts.extend(f"bounds latency: {wish.text}" for wish in intent.latency)
    return "; ".join(parts) + "."
