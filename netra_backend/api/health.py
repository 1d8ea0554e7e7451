"""Health and metrics."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from netra_backend.api.models import Health
from netra_backend.composition import Platform

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> Health:
    """Say that the process answers."""
    return Health(status="ok", parts={})


@router.get("/health/ready", responses={503: {"model": Health, "description": "Not ready."}})
async def ready(request: Request) -> Response:
    """Say whether requests can be served: runs, database, knowledge of revocations."""
    platform: Platform = request.app.state.platform
    parts = {"runs": "ok" if platform.ready else "starting or stopping"}
    database = await platform.deps.sessions.health_check()
    parts["database"] = "ok" if database.ok else (database.error or "does not answer")
    parts["revocations"] = "stale" if platform.revocations.stale else "ok"
    configuration = platform.deps.configuration
    if configuration is not None:
        sound = configuration.ready
        parts["configuration"] = "ok" if sound else "a reload left a critical finding"
    good = all(part == "ok" for part in parts.values())
    body = Health(status="ok" if good else "not_ready", parts=parts)
    return JSONResponse(body.model_dump(), 200 if good else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Give the metrics in Prometheus' text format."""
    body, media_type = request.app.state.metrics.render()
    return Response(body, media_type=media_type)
