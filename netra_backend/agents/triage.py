"""Triage: what is asked."""

from collections.abc import Callable

import msgspec

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext
from netra_backend.agents.findings import Question
from netra_backend.reasoner import Intent, Reasoner
from netra_core.context import UserExecutionContext
from netra_core.events.types import Usage


class TriageAgent(BaseAgent[Question, Intent]):
    """Has the reasoner read the question, and says how it was understood."""

    name = "triage"
    timeout_s = 60.0

    def __init__(self, reasoner_of: Callable[[UserExecutionContext], Reasoner]) -> None:
        super().__init__()
        self._reasoner_of = reasoner_of

    def announce(self, request: Question) -> str:
        """What `agent_started` says."""
        return "Reading the question"

    async def run(self, ctx: AgentContext, request: Question) -> Intent:
        """Understand the question."""
        reasoner = self._reasoner_of(ctx.user)

        shown = ""

        async def hear(so_far: Intent) -> None:
            nonlocal shown
            text = _understood(so_far)
            if not shown.startswith(text):
                shown = text
                await ctx.write(text)

        async def read_question(question: str) -> Intent:
            return await reasoner.understand(question, heard=hear)

        intent = await ctx.tool(
            "read_question", read_question, returns=Intent, show=_said, question=request.text
        )
        if intent.call is not None:
            call = intent.call
            ctx.tally.add(
                Usage(call.requests, call.input_tokens, call.output_tokens, call.cost_usd)
            )
        if intent.note:
            await ctx.think(intent.note)
        await ctx.think(f"{_understood(intent)}.")
        return intent


def _said(intent: Intent) -> object:
    """What the question holds; nothing of what it does not."""
    return {key: value for key, value in msgspec.to_builtins(intent).items() if value is not False}


def _understood(intent: Intent) -> str:
    """In words; more of the same the more is understood."""
    parts = [f"This asks about {intent.topic.value.replace('_', ' ')}"]
    if intent.features:
        parts.append(f"names {', '.join(intent.features)}")
    if intent.models:
        parts.append(f"considers {', '.join(intent.models)}")
    parts.extend(f"bounds latency: {wish.text}" for wish in intent.latency)
    return "; ".join(parts)
