"""Runs: look, follow, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from netra_backend.api.edge import Analyst, Person, PlatformDep
from netra_backend.api.models import ForkRun, RunOut, RunPage
from netra_backend.api.problems import RESPONSES, Problem
from netra_core.websocket import run_events_response

router = APIRouter(prefix="/api/runs", tags=["runs"], responses=RESPONSES)
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "The run is not in a state for that."}
}


@router.get("")
async def list_runs(
    caller: Person,
    platform: PlatformDep,
    thread_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: str | None = None,
) -> RunPage:
    """List my runs, newest first."""
    page = await platform.run_store.page(caller.ctx, thread_id=thread_id, limit=limit, after=after)
    return RunPage(items=[RunOut.of(run) for run in page.items], next=page.next)


@router.get("/{run_id}")
async def get_run(run_id: str, caller: Person, platform: PlatformDep) -> RunOut:
    """Give one of my runs."""
    return RunOut.of(await platform.run_store.get(caller.ctx, run_id))


@router.post("/{run_id}/cancel")
async def cancel_run(run_id: str, caller: Analyst, platform: PlatformDep) -> RunOut:
    """Cancel one of my runs; a run that has ended stays as it is."""
    run = await platform.runs.cancel(caller.ctx, run_id, reason="cancelled by the user")
    return RunOut.of(run)


@router.post("/{run_id}/resume", status_code=202, responses=_CONFLICT)
async def resume_run(run_id: str, caller: Analyst, platform: PlatformDep) -> RunOut:
    """Go on where one of my runs failed or was cancelled, as a new run."""
    return RunOut.of(await platform.runs.resume(caller.ctx, run_id))


@router.post("/{run_id}/fork", status_code=202, responses=_CONFLICT)
async def fork_run(run_id: str, body: ForkRun, caller: Analyst, platform: PlatformDep) -> RunOut:
    """Ask again, the same or something else, as a new run that names this one."""
    return RunOut.of(await platform.runs.fork(caller.ctx, run_id, question=body.content))


@router.get(
    "/{run_id}/events",
    response_class=Response,
    responses={
        200: {
            "description": "The run's events as they happen, ended by its terminal event. `id` is "
            "the run_seq, `data` the event as on the socket.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def follow_run(
    run_id: str,
    caller: Person,
    platform: PlatformDep,
    last_event_id: Annotated[str | None, Header()] = None,
    after_run_seq: Annotated[int, Query(ge=0)] = 0,
    follow: Annotated[bool, Query(description="False: end with what has happened by now.")] = True,
) -> Response:
    """Follow one of my runs from its start, or after `Last-Event-ID` (or `after_run_seq`)."""
    await platform.run_store.get(caller.ctx, run_id)
    return await run_events_response(
        manager=platform.sockets,
        event_log=platform.deps.events,
        ctx=caller.ctx,
        run_id=run_id,
        last_event_id=last_event_id or str(after_run_seq),
        expires_at=caller.identity.expires_at,
        follow=follow,
    )
