"""Removing usage for good, and what was removed."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from netra_backend.api.edge import Person, PlatformDep
from netra_backend.api.models import RunErrorOut
from netra_backend.api.problems import RESPONSES
from netra_backend.api.usage_query import UsageQuery
from netra_backend.errors import InvalidRequestError
from netra_backend.jobs.removal_store import RemovalRecord
from netra_backend.usage.choice import UsageChoice
from netra_core.context import Role

router = APIRouter(prefix="/api/usage", tags=["usage"], responses=RESPONSES)


class EraseUsage(UsageQuery):
    """Which calls are to go; all of the workspace only where that is said."""

    everything: bool = False


class RemovalOut(BaseModel):
    """One removal. `calls_before`, `calls_removed` and `calls_after` count the workspace's calls.

    `asked_by` is a user's id; null where a setting asked.
    """

    removal_id: str
    kind: Literal["retention", "request"]
    status: Literal["queued", "running", "completed", "failed"]
    chosen: dict[str, str]
    calls_before: int | None
    calls_removed: int | None
    calls_after: int | None
    first_removed: str | None
    last_removed: str | None
    asked_by: str | None
    error: RunErrorOut | None
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, record: RemovalRecord) -> "RemovalOut":
        """As it is sent."""
        return cls(
            removal_id=record.id,
            kind=record.kind.value,
            status=record.status.value,
            chosen=record.chosen,
            calls_before=record.calls_before,
            calls_removed=record.calls_removed,
            calls_after=record.calls_after,
            first_removed=record.first_removed,
            last_removed=record.last_removed,
            asked_by=record.user_id or None,
            error=RunErrorOut(code=record.error_code, message=record.error_message or "")
            if record.error_code
            else None,
            created_at=record.created_at,
            ended_at=record.ended_at,
        )


class RemovalPage(BaseModel):
    """Removals, the newest first."""

    items: list[RemovalOut]
    next: str | None


class RetentionOut(BaseModel):
    """How long calls are kept: null for ever. Those before `kept_since` go; `calls_due` are there
    still.
    """

    keep_days: int | None
    kept_since: datetime | None
    calls_due: int = Field(ge=0)


@router.post("/erase", status_code=202)
async def erase_usage(body: EraseUsage, caller: Person, platform: PlatformDep) -> RemovalOut:
    """Remove the chosen calls of the workspace for good, in the background."""
    caller.need_role(Role.OWNER, Role.ADMIN)
    choice = body.choice()
    if (choice == UsageChoice()) is not body.everything:
        raise InvalidRequestError(
            "Either some calls are chosen, or everything is said to go.",
            hint='Give from, to, user, … or {"everything": true}.',
        )
    return RemovalOut.of(await platform.removals.begin(caller.ctx, choice))


@router.get("/removals")
async def list_removals(
    caller: Person,
    platform: PlatformDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: str | None = None,
) -> RemovalPage:
    """List what was removed from the workspace's usage, newest first."""
    page = await platform.removal_store.page(caller.ctx, limit=limit, after=after)
    return RemovalPage(items=[RemovalOut.of(record) for record in page.items], next=page.next)


@router.get("/removals/{removal_id}")
async def get_removal(removal_id: str, caller: Person, platform: PlatformDep) -> RemovalOut:
    """Give one removal: how far it is, or what it took."""
    return RemovalOut.of(await platform.removal_store.get(caller.ctx, removal_id))


@router.get("/retention")
async def usage_retention(caller: Person, platform: PlatformDep) -> RetentionOut:
    """Say how long the workspace's calls are kept, and what would go next."""
    workspace_id = caller.ctx.workspace_id
    return RetentionOut(
        keep_days=platform.keep_days(workspace_id),
        kept_since=platform.removals.kept_since(workspace_id),
        calls_due=await platform.removals.due(caller.ctx),
    )
