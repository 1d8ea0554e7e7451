"""Write the web app's types from the public API: `python -m netra_apex.web_types` in a checkout.

The OpenAPI documents of both services and the schemas of the live protocol are the source; nobody
writes by hand what the server sends.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from fastapi import APIRouter, FastAPI

from netra_apex.build_web import frontend_folder, install_packages, node_command
from netra_apex.errors import exit_with
from netra_auth.api import account, api_keys, problems, public, sign_in, workspaces
from netra_backend.api import analyses, operations, removals, runs, sockets, threads, usage
from netra_core.errors import ApexError, ConfigurationError
from netra_core.events.types import Event, Payload
from netra_core.websocket.messages import ClientMessage, ServerMessage

FOLDER: Final = Path("src") / "api" / "generated"
HEADER: Final = "// Made by `python -m netra_apex.web_types`; do not edit.\n"


class WebTypesError(ConfigurationError):
    """The types cannot be made."""

    code = "CFG-091"


def documents() -> dict[str, dict[str, Any]]:
    """OpenAPI documents by the name of their file: backend, auth, live."""
    return {
        "backend": _openapi(
            [m.router for m in (threads, runs, usage, removals, analyses, operations, sockets)]
        ),
        "auth": _openapi(
            [m.router for m in (sign_in, account, api_keys, workspaces, public)],
            describe=problems.describe,
        ),
        "live": _live(),
    }


def generate(frontend: Path) -> dict[Path, str]:
    """The text of each generated file."""
    install_packages(frontend)
    return {
        frontend / FOLDER / f"{name}.ts": _typescript(frontend, document)
        for name, document in documents().items()
    }


def _openapi(
    routers: list[APIRouter], *, describe: Callable[[FastAPI], None] | None = None
) -> dict[str, Any]:
    app = FastAPI(title="Netra Apex", version="1")
    for router in routers:
        app.include_router(router)
    if describe:
        describe(app)
    # The shapes alone: paths would make the files five times as long and are called by name.
    return {**app.openapi(), "paths": {}}


def _live() -> dict[str, Any]:
    """The live protocol as an OpenAPI document without paths: its messages and payloads."""
    types = (Event, Payload, ClientMessage, ServerMessage)
    _, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Netra Apex, live", "version": "1"},
        "paths": {},
        "components": {"schemas": components},
    }


def _typescript(frontend: Path, document: dict[str, Any]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.json"), Path(folder, "out.ts")
        source.write_text(json.dumps(document, sort_keys=True))
        tool = frontend / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
        options = ["--root-types", "--root-types-no-schema-prefix", "--output", str(target)]
        done = subprocess.run(
            [str(node_command()), str(tool), str(source), *options],
            cwd=frontend,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise WebTypesError(f"openapi-typescript failed: {done.stderr.strip()[-400:]}")
        return HEADER + target.read_text()


def main() -> None:
    """Write the files; `--check` only says whether they are current."""
    try:
        made = generate(frontend_folder())
    except (ApexError, OSError) as error:
        exit_with(error)
    stale = [path for path, text in made.items() if not _is(path, text)]
    if "--check" in sys.argv[1:]:
        if stale:
            names = ", ".join(path.name for path in stale)
            exit_with(
                WebTypesError(f"Not current: {names}.", hint="Run python -m netra_apex.web_types.")
            )
        return
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path])
    sys.stdout.write(f"{len(stale)} of {len(made)} files written\n")


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    main()
