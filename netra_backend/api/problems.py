"""Errors as RFC 9457 problem details, with our code, what to do, and whether to try again."""

from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from netra_core.errors import ApexError
from netra_optimizer.errors import OptimizerError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2

_log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """An error. `code` is stable and explained in docs/errors.md; `hint` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    retryable: bool


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        401: "No valid token.",
        403: "The role does not allow it.",
        404: "No such thing, or not yours.",
        422: "A field cannot be used.",
        429: "Too many; try again later.",
        503: "Not ready now; try again.",
    }.items()
}
"""What every route of this service may answer besides its own responses."""


def problem_response(
    *, status: int, title: str, detail: str, code: str, hint: str = "", retryable: bool = False
) -> JSONResponse:
    """One problem."""
    body = Problem(
        type=f"docs/errors.md#{code.lower()}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        retryable=retryable,
    )
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body.model_dump(), status, headers, media_type=MEDIA_TYPE)


def describe(app: FastAPI) -> None:
    """Have the OpenAPI document say under which media type problems come."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        for path in document["paths"].values():
            for operation in path.values():
                for response in operation.get("responses", {}).values():
                    _declare(response)
        return document

    app.openapi = openapi


def _declare(response: dict[str, Any]) -> None:
    content = response.get("content", {})
    for media_type, body in list(content.items()):
        if body.get("schema", {}).get("$ref", "").endswith("/Problem"):
            content[MEDIA_TYPE] = content.pop(media_type)


def install(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""
    app.add_exception_handler(ApexError, _apex)
    app.add_exception_handler(OptimizerError, _optimizer)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _apex(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApexError)
    if error.status >= 500:
        _log.error("request_failed", code=error.code, error=error.message)
    return problem_response(
        status=error.status,
        title=_title(error.status),
        detail=error.message,
        code=error.code,
        hint=error.hint,
        retryable=error.retryable,
    )


async def _optimizer(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OptimizerError)
    return problem_response(
        status=422,
        title=_title(422),
        detail=error.message,
        code=error.code,
        hint=error.hint,
        retryable=error.retryable,
    )


async def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem_response(
        status=422, title=_title(422), detail=f"{where}: {first['msg']}", code="API-422"
    )


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem_response(
        status=error.status_code,
        title=_title(error.status_code),
        detail=str(error.detail),
        code=f"API-{error.status_code}",
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    return problem_response(
        status=500,
        title=_title(500),
        detail="The server could not do this.",
        code="API-500",
        hint="Try again; the server's log says more.",
        retryable=True,
    )


def _title(status: int) -> str:
    titles = {
        401: "Not signed in",
        403: "Not allowed",
        404: "Not found",
        405: "Method not allowed",
        409: "Conflict",
        413: "Too large",
        422: "Not usable",
        429: "Too many",
        503: "Not ready",
    }
    return titles.get(status, "Server error" if status >= 500 else "Refused")
