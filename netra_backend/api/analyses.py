"""What was found in the workspace."""

from typing import Annotated

from fastapi import APIRouter, Query

from netra_backend.analyses import AnalysisRecord
from netra_backend.api.edge import Person, PlatformDep
from netra_backend.api.models import (
    AnalysisOut,
    AnalysisPage,
    FoundOpportunityOut,
    OpportunityPage,
    WholeAnalysisOut,
)
from netra_backend.api.problems import RESPONSES

router = APIRouter(prefix="/api", tags=["analyses"], responses=RESPONSES)
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/analyses")
async def list_analyses(
    caller: Person, platform: PlatformDep, limit: Limit = 50, after: str | None = None
) -> AnalysisPage:
    """List the workspace's analyses, newest first."""
    page = await platform.analyses.page(caller.ctx, limit=limit, after=after)
    items = [AnalysisOut.model_validate(_fields(record)) for record in page.items]
    return AnalysisPage(items=items, next=page.next)


@router.get("/analyses/{analysis_id}")
async def get_analysis(analysis_id: str, caller: Person, platform: PlatformDep) -> WholeAnalysisOut:
    """Give one analysis with its whole report."""
    record = await platform.analyses.get(caller.ctx, analysis_id)
    return WholeAnalysisOut.model_validate({**_fields(record), "report": record.report})


@router.get("/opportunities")
async def list_opportunities(
    caller: Person, platform: PlatformDep, limit: Limit = 50, after: str | None = None
) -> OpportunityPage:
    """List the workspace's opportunities, those of the newest analysis first."""
    page = await platform.analyses.opportunities(caller.ctx, limit=limit, after=after)
    items = [
        FoundOpportunityOut(
            analysis_id=found.analysis_id,
            created_at=found.created_at,
            **found.opportunity.model_dump(),
        )
        for found in page.items
    ]
    return OpportunityPage(items=items, next=page.next)


def _fields(record: AnalysisRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in AnalysisOut.model_fields}
