"""Reporting: the answer in figures with their evidence, kept as an analysis of the workspace."""

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext
from netra_backend.agents.findings import Evidence
from netra_backend.analyses import AnalysisStore
from netra_backend.answers import write_report
from netra_backend.report import Report


class ReportingAgent(BaseAgent[Evidence, Report]):
    """Writes the report and keeps the whole of it."""

    name = "reporting"
    timeout_s = 120.0

    def __init__(self, analyses: AnalysisStore) -> None:
        super().__init__()
        self._analyses = analyses

    def announce(self, request: Evidence) -> str:
        """What `agent_started` says."""
        return "Writing the answer"

    def show(self, result: Report) -> object:
        """Where the report is; the supervisor carries it."""
        return {"headline": result.headline, "analysis_id": result.analysis_id}

    async def run(self, ctx: AgentContext, request: Evidence) -> Report:
        """Write, keep, hand over."""
        report = write_report(request)
        await ctx.think(report.headline)

        async def save_analysis(kind: str) -> str:
            return await self._analyses.save(ctx.user, report)

        analysis_id = await ctx.tool("save_analysis", save_analysis, returns=str, kind=report.kind)
        return report.model_copy(update={"analysis_id": analysis_id})
