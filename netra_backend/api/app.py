"""The backend as one ASGI application."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from netra_backend.api import (
    analyses,
    config,
    health,
    operations,
    problems,
    removals,
    runs,
    sockets,
    threads,
    traces,
    usage,
)
from netra_backend.api.metrics import BackendMetrics
from netra_backend.composition import Platform
from netra_backend.dependencies import BackendDependencies
from netra_core.private_answers import PrivateAnswers

_ROUTES = (
    threads,
    runs,
    usage,
    removals,
    traces,
    analyses,
    operations,
    config,
    sockets,
    health,
)


def create_app(deps: BackendDependencies) -> FastAPI:
    """The app; its lifespan starts and stops runs, sockets and the feed of revocations.

    An app that is mounted has no lifespan of its own: enter `app.router.lifespan_context(app)`.
    """
    platform = Platform(deps)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        try:
            await platform.start()
            yield
        finally:
            await platform.stop()

    app = FastAPI(
        title="Netra Apex",
        version="1",
        summary="FinOps for AI: usage, runs, live events.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.platform = platform
    app.state.metrics = BackendMetrics(platform)
    app.add_middleware(PrivateAnswers)
    problems.install(app)
    for module in _ROUTES:
        app.include_router(module.router)
    problems.describe(app)
    return app
