"""Usage: bring it, look at it."""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from netra_backend.api.edge import Person, PlatformDep, UsageWriter
from netra_backend.api.models import (
    ImportOut,
    ImportPage,
    UsageRowOut,
    UsageRowPage,
    UsageTotalsOut,
)
from netra_backend.api.problems import RESPONSES, Problem
from netra_backend.api.upload import UPLOAD_SCHEMA, receive_upload

router = APIRouter(prefix="/api/usage", tags=["usage"], responses=RESPONSES)
Moment = Annotated[str | None, Query(description="RFC 3339; UTC without a zone.")]
By = Literal["model", "feature", "provider", "user", "team", "status", "day", "hour"]


@router.post(
    "/import",
    status_code=202,
    responses={413: {"model": Problem, "description": "The file is too large."}},
    openapi_extra=UPLOAD_SCHEMA,
)
async def import_usage(request: Request, caller: UsageWriter, platform: PlatformDep) -> ImportOut:
    """Upload a file of LLM calls; it is read in the background."""
    upload = await receive_upload(
        request,
        folder=platform.options.uploads,
        name=platform.deps.ids(),
        max_bytes=platform.max_upload_bytes(caller.ctx),
    )
    record = await platform.imports.begin(
        caller.ctx,
        file_name=Path(upload.file_name).name,
        path=upload.path,
        size=upload.size,
        options=upload.fields,
    )
    return ImportOut.of(record)


@router.get("/imports")
async def list_imports(
    caller: Person,
    platform: PlatformDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: str | None = None,
) -> ImportPage:
    """List the workspace's imports, newest first."""
    page = await platform.import_store.page(caller.ctx, limit=limit, after=after)
    return ImportPage(items=[ImportOut.of(record) for record in page.items], next=page.next)


@router.get("/imports/{import_id}")
async def get_import(import_id: str, caller: UsageWriter, platform: PlatformDep) -> ImportOut:
    """Give one import: how far it is, or its audit."""
    return ImportOut.of(await platform.import_store.get(caller.ctx, import_id))


@router.post("/imports/{import_id}/cancel")
async def cancel_import(import_id: str, caller: UsageWriter, platform: PlatformDep) -> ImportOut:
    """Stop an import; what it has stored stays."""
    return ImportOut.of(await platform.imports.cancel(caller.ctx, import_id))


@router.get("/summary")
async def usage_summary(
    caller: Person,
    platform: PlatformDep,
    start: Annotated[Moment, Query(alias="from")] = None,
    end: Annotated[Moment, Query(alias="to")] = None,
) -> UsageTotalsOut:
    """Total the workspace's usage of a period; zeros where there is none."""
    totals = await platform.usage.totals(caller.ctx, start=start, end=end)
    return UsageTotalsOut.model_validate(totals, from_attributes=True)


@router.get("/breakdown")
async def usage_breakdown(
    caller: Person,
    platform: PlatformDep,
    by: By = "model",
    start: Annotated[Moment, Query(alias="from")] = None,
    end: Annotated[Moment, Query(alias="to")] = None,
) -> UsageRowPage:
    """Split the workspace's usage of a period."""
    rows = await platform.usage.breakdown(caller.ctx, by, start=start, end=end)
    return UsageRowPage(items=[UsageRowOut.of(row) for row in rows], next=None)
