"""Analyses and opportunities: what was found in a workspace, kept for all its people."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, insert, select, tuple_

from netra_backend.errors import NotFoundError
from netra_backend.paging import MAX_PAGE, Cursor, Page
from netra_backend.report import OpportunityOut, Report
from netra_backend.tables import analyses, opportunities
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRecord:
    """One kept analysis."""

    id: str
    run_id: str
    kind: str
    question: str
    headline: str
    created_at: datetime
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOpportunity:
    """An opportunity and the analysis it comes from."""

    analysis_id: str
    created_at: datetime
    opportunity: OpportunityOut


class AnalysisStore:
    """Reads and writes for the context's workspace."""

    def __init__(self, sessions: DatabaseSessionManager, clock: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._clock = clock

    async def save(self, ctx: UserExecutionContext, report: Report) -> str:
        """Keep the whole report of the context's run; a run has one, however often it is saved."""
        analysis_id = f"an-{ctx.run_id}"
        now = self._clock()
        async with self._sessions.session(ctx) as session:
            found = await session.execute(select(analyses.c.id).where(analyses.c.id == analysis_id))
            if found.one_or_none() is not None:
                return analysis_id
            whole = report.model_copy(update={"analysis_id": analysis_id})
            await session.execute(
                insert(analyses).values(
                    id=analysis_id,
                    workspace_id=ctx.workspace_id,
                    user_id=ctx.user_id,
                    run_id=ctx.run_id,
                    kind=report.kind,
                    question=report.question,
                    headline=report.headline,
                    report=whole.model_dump(mode="json"),
                    created_at=now,
                )
            )
            for ordinal, opportunity in enumerate(report.opportunities):
                await session.execute(
                    insert(opportunities).values(
                        analysis_id=analysis_id,
                        ordinal=ordinal,
                        workspace_id=ctx.workspace_id,
                        lever=opportunity.lever,
                        status=opportunity.status,
                        body=opportunity.model_dump(mode="json"),
                        created_at=now,
                    )
                )
        return analysis_id

    async def get(self, ctx: UserExecutionContext, analysis_id: str) -> AnalysisRecord:
        """One analysis of this workspace. Raises NotFoundError."""
        query = _analyses(ctx).where(analyses.c.id == analysis_id)
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        if not rows:
            raise NotFoundError("There is no such analysis.")
        return _analysis(dict(rows[0]))

    async def page(
        self, ctx: UserExecutionContext, *, limit: int, after: str | None
    ) -> Page[AnalysisRecord]:
        """Analyses of this workspace, newest first."""
        limit = min(limit, MAX_PAGE)
        query = _analyses(ctx).order_by(analyses.c.created_at.desc(), analyses.c.id.desc())
        if (cursor := Cursor.decode(after)) is not None:
            query = query.where(
                tuple_(analyses.c.created_at, analyses.c.id) < (cursor.at, cursor.id)
            )
        query = query.limit(limit + 1)
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        items = [_analysis(dict(row)) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, Cursor(items[-1].created_at, items[-1].id).encode() if more else None)

    async def opportunities(
        self, ctx: UserExecutionContext, *, limit: int, after: str | None
    ) -> Page[FoundOpportunity]:
        """Opportunities of this workspace, those of the newest analysis first."""
        limit = min(limit, MAX_PAGE)
        key = (opportunities.c.created_at, opportunities.c.analysis_id, opportunities.c.ordinal)
        query = (
            select(opportunities)
            .where(opportunities.c.workspace_id == ctx.workspace_id)
            .order_by(key[0].desc(), key[1].desc(), key[2])
        )
        skip = int(after) if after and after.isascii() and after.isdigit() else 0
        query = query.offset(skip).limit(limit + 1)
        rows = await self._sessions.read(ctx, lambda c: c.execute(query).mappings().all())
        items = [
            FoundOpportunity(
                analysis_id=row["analysis_id"],
                created_at=row["created_at"],
                opportunity=OpportunityOut.model_validate(row["body"]),
            )
            for row in rows[:limit]
        ]
        return Page(items, str(skip + limit) if len(rows) > limit else None)


def _analyses(ctx: UserExecutionContext) -> Select[Any]:
    return select(analyses).where(analyses.c.workspace_id == ctx.workspace_id)


def _analysis(row: dict[str, object]) -> AnalysisRecord:
    report = Report.model_validate(row["report"])
    values = {name: row[name] for name in AnalysisRecord.__slots__ if name != "report"}
    return AnalysisRecord(report=report, **values)  # pyright: ignore[reportArgumentType]
