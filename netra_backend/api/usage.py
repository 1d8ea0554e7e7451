"""Usage: bring it, look at it."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

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
from netra_backend.api.usage_query import BreakdownQuery, ExportQuery, UsageQuery
from netra_backend.errors import UnauthenticatedError

_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "focus": "text/csv; charset=utf-8",
}
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {
            kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for kind in _MEDIA.values()
        },
    }
}
router = APIRouter(prefix="/api/usage", tags=["usage"], responses=RESPONSES)


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
        folder=platform.spool.folder,
        name=platform.spool.name(platform.deps.ids()),
        max_bytes=platform.max_upload_bytes(caller.ctx),
        check=platform.usage.check_reading,
    )
    try:
        # A large file takes its time, and its workspace may have been deleted meanwhile.
        platform.verifier.require_still(caller.identity)
    except UnauthenticatedError:
        await asyncio.to_thread(upload.path.unlink, missing_ok=True)
        raise
    record = await platform.imports.begin(
        caller.ctx,
        file_name=Path(upload.file_name).name,
        path=upload.path,
        size=upload.size,
        options=upload.options,
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
    caller: Person, platform: PlatformDep, chosen: Annotated[UsageQuery, Query()]
) -> UsageTotalsOut:
    """Total the chosen calls of the workspace; zeros where there are none."""
    totals = await platform.usage.totals(caller.ctx, chosen.choice())
    return UsageTotalsOut.model_validate(totals, from_attributes=True)


@router.get("/breakdown")
async def usage_breakdown(
    caller: Person, platform: PlatformDep, chosen: Annotated[BreakdownQuery, Query()]
) -> UsageRowPage:
    """Split the chosen calls of the workspace. By tag, a call counts under each of its tags."""
    rows = await platform.usage.breakdown(
        caller.ctx, chosen.by, chosen.choice(), limit=chosen.limit
    )
    return UsageRowPage(items=[UsageRowOut.of(row) for row in rows], next=None)


@router.get("/export", response_class=FileResponse, responses=_FILES)
async def export_usage(
    caller: Person, platform: PlatformDep, chosen: Annotated[ExportQuery, Query()]
) -> FileResponse:
    """Download the chosen calls as CSV or Parquet, or their cost in FOCUS 1.2 columns (CSV)."""
    path = platform.spool.folder / platform.spool.name(f"{platform.deps.ids()}.export")
    await platform.usage.export(caller.ctx, path, chosen.format, chosen.choice())
    name = {"csv": "usage.csv", "parquet": "usage.parquet", "focus": "usage-focus-1.2.csv"}
    return _FileOnce(
        path,
        media_type=_MEDIA[chosen.format],
        filename=name[chosen.format],
    )


class _FileOnce(FileResponse):
    """A file that goes with the answer, however it ends: sent, refused as a range, broken off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send and remove it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._remove()

    def _remove(self) -> None:
        Path(self.path).unlink(missing_ok=True)
