"""The built web app: its files, its security headers, and index.html for its own routes."""

from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Netra Apex</title>
<body><h1>Netra Apex is running</h1><p>The web app is not built into this installation.
In a checkout, <code>make web</code> builds it. The API and the command line work without it.</p>"""


def default_folder() -> Path:
    """Where `netra_apex.build_web` puts the build."""
    return Path(__file__).parent / "web"


def create_web_app(folder: Path | None = None) -> ASGIApp:
    """Serve the build in `folder`; unknown paths get index.html, missing assets get 404."""
    root = folder or default_folder()
    index = root / "index.html"

    async def page(request: Request) -> Response:
        if request.url.path.startswith("/assets/"):
            raise HTTPException(404)
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, headers=SECURITY_HEADERS)
        wanted = (root / request.url.path.lstrip("/")).resolve()
        is_file = wanted.is_relative_to(root.resolve()) and wanted.is_file()
        return FileResponse(
            wanted if is_file else index,
            headers={**SECURITY_HEADERS, "Cache-Control": "no-cache"},
        )

    routes: list[Route] = [Route("/{path:path}", page, methods=["GET", "HEAD"])]
    app = Starlette(routes=routes)
    if (root / "assets").is_dir():
        app.router.routes.insert(0, _assets(root / "assets"))
    return app


def _assets(folder: Path) -> Route:
    files = StaticFiles(directory=folder)

    async def asset(request: Request) -> Response:
        response = await files.get_response(request.path_params["path"], request.scope)
        # Names hold a hash of the content: a file never changes under its name.
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return Route("/assets/{path:path}", asset, methods=["GET", "HEAD"])
