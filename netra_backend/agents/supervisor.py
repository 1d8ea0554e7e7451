"""The supervisor: has the others work, one after the other, and answers."""

import asyncio
import re
from typing import Any

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext
from netra_backend.agents.findings import (
    ActionPlan,
    Computed,
    DataFinding,
    DataRequest,
    Evidence,
    OptimizationRequest,
    Question,
)
from netra_backend.agents.session import AgentSession
from netra_backend.reasoner import Intent
from netra_backend.report import Report

_SENTENCE_ENDS = re.compile(r"[.!?:]\s|\n")


class SupervisorAgent(BaseAgent[Question, Report]):
    """triage → data → optimization → actions → reporting; no data shortens the way."""

    name = "supervisor"
    timeout_s = 900.0

    def __init__(self, session: AgentSession) -> None:
        super().__init__()
        self._session = session

    def announce(self, request: Question) -> str:
        """What `agent_started` says."""
        return request.text

    def show(self, result: Report) -> object:
        """The report, under the size of an event."""
        return {"report": result.fitted().model_dump(mode="json")}

    async def run(self, ctx: AgentContext, request: Question) -> Report:
        """Answer the question."""
        await ctx.think("Finding out what is asked and what your data can say about it.")
        intent: Intent = await self._ask(ctx, "triage", request)
        data: DataFinding = await self._ask(ctx, "data", DataRequest(intent))
        evidence = Evidence(intent=intent, data=data)
        if data.profile is not None:
            computed: Computed = await self._ask(
                ctx, "optimization", OptimizationRequest(intent, data)
            )
            evidence = Evidence(intent=intent, data=data, computed=computed)
            plan: ActionPlan = await self._ask(ctx, "actions", evidence)
            evidence = Evidence(intent=intent, data=data, computed=computed, next_steps=plan.steps)
        report: Report = await self._ask(ctx, "reporting", evidence)
        await self._answer(ctx, report.words())
        return report

    async def _answer(self, ctx: AgentContext, words: str) -> None:
        """Show the answer, sentence by sentence, before the event that carries the report."""
        for end in [*(found.end() for found in _SENTENCE_ENDS.finditer(words)), len(words)]:
            await ctx.write(words[:end])
            await asyncio.sleep(0)

    async def _ask(self, ctx: AgentContext, agent: str, request: Any) -> Any:
        # Any: each agent has its own request and result; the annotations above say which.
        made: BaseAgent[Any, Any] = await self._session.create(agent)
        try:
            return await ctx.delegate(made, request)
        finally:
            await self._session.release(made)
