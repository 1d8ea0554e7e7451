"""The auth service as an ASGI app."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from netra_auth.api import (
    account,
    api_keys,
    internal,
    oauth,
    problems,
    public,
    sign_in,
    workspaces,
)
from netra_auth.api.cookies import OWN_HEADER
from netra_auth.api.guard import GuardMiddleware
from netra_auth.deps import AuthDeps
from netra_auth.parts import AuthParts, build_parts


def create_app(deps: AuthDeps) -> FastAPI:
    """The auth service: its routes have full paths, `/auth/…` and `/.well-known/jwks.json`.

    Starting it (ASGI lifespan) brings the database to the newest schema, announces the one-time
    setup link of an empty production installation, and starts the mail task; stopping it lets
    both go. The database belongs to the caller.
    """
    parts = build_parts(deps)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await start(parts)
        try:
            yield
        finally:
            await stop(parts)

    app = FastAPI(
        title="Netra Apex auth",
        version="1",
        lifespan=lifespan,
        openapi_url="/auth/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.parts = parts
    problems.install(app)
    for module in (sign_in, account, workspaces, api_keys, oauth, internal, public):
        app.include_router(module.router)
    problems.describe(app)
    app.add_middleware(GuardMiddleware)
    if deps.options.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(deps.options.cors_origins),
            allow_credentials=True,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", OWN_HEADER],
            max_age=600,
        )
    return app


async def start(parts: AuthParts) -> None:
    """What must be done before the first request."""
    await parts.deps.database.migrate()
    parts.keys.signer()
    parts.mail.start()
    parts.housekeeping.start()
    if parts.deps.options.production:
        link = await parts.setup.link()
        if link is not None:
            parts.deps.announce(f"Set up the first account (works once, for a day): {link}")


async def stop(parts: AuthParts) -> None:
    """Send what mail is waiting and let the threads go."""
    await parts.housekeeping.aclose()
    await parts.mail.aclose()
    parts.passwords.close()
