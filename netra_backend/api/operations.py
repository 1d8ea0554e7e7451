"""Holding new work, and deciding what runs ask for."""

from fastapi import APIRouter, Response

from netra_backend.api.edge import Analyst, Person, PlatformDep
from netra_backend.api.models import (
    ApprovalList,
    ApprovalOut,
    Decision,
    NewPause,
    PauseList,
    PauseOut,
)
from netra_backend.api.problems import RESPONSES, Problem
from netra_backend.runs.approvals import Approval
from netra_core.context import Role

router = APIRouter(prefix="/api", tags=["operations"], responses=RESPONSES)


@router.get("/pauses")
async def list_pauses(caller: Person, platform: PlatformDep) -> PauseList:
    """List what is held in the workspace."""
    found = await platform.pauses.all(caller.ctx)
    mine = platform.held_by(caller.ctx)
    return PauseList(items=[PauseOut.of(p, holds_me=(p.scope, p.key) in mine) for p in found])


@router.put("/pauses", status_code=204)
async def pause(body: NewPause, caller: Person, platform: PlatformDep) -> Response:
    """Hold new work of a user, an agent or a model; what runs already runs on."""
    caller.need_role(Role.OWNER, Role.ADMIN)
    await platform.pauses.put(caller.ctx, scope=body.scope, key=body.key, reason=body.reason)
    return Response(status_code=204)


@router.delete("/pauses/{scope}/{key}", status_code=204)
async def lift_pause(scope: str, key: str, caller: Person, platform: PlatformDep) -> Response:
    """Let new work begin again."""
    caller.need_role(Role.OWNER, Role.ADMIN)
    await platform.pauses.lift(caller.ctx, scope=scope, key=key)
    await platform.runs.dispatch()
    return Response(status_code=204)


@router.get("/approvals")
async def list_approvals(caller: Person, platform: PlatformDep) -> ApprovalList:
    """List the requests of my runs that wait for me."""
    return ApprovalList(
        items=[_out(found) for found in await platform.approvals.pending(caller.ctx)]
    )


@router.post(
    "/approvals/{request_id:path}",
    responses={409: {"model": Problem, "description": "It was decided before."}},
)
async def decide(
    request_id: str, body: Decision, caller: Analyst, platform: PlatformDep
) -> ApprovalOut:
    """Approve or refuse a request of one of my runs."""
    return _out(await platform.approvals.decide(caller.ctx, request_id, approve=body.approve))


def _out(found: Approval) -> ApprovalOut:
    return ApprovalOut.model_validate(found, from_attributes=True)
