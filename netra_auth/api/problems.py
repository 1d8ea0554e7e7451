"""Errors on the wire: RFC 9457 problem details, one shape for every refusal."""

import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from netra_auth.errors import Busy, InvalidRequest, NotSignedIn, TooManyAttempts
from netra_core import ApexError

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("netra.auth")
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not permitted",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Not understood",
    429: "Too many attempts",
    500: "Internal error",
    502: "Bad gateway",
    503: "Not available",
}


class Problem(BaseModel):
    """Why a request was refused, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    retryable: bool


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare refusals of a route; every route may answer 413, 422, 429, 500 and 503."""
    every = sorted({*statuses, 413, 422, 429, 500, 503})
    return {
        status: {
            "description": _TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in every
    }


def problem(error: ApexError) -> JSONResponse:
    """The answer that tells of an error."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    elif isinstance(error, Busy):
        headers["Retry-After"] = "2"
    elif isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="apex"'
    body = Problem(
        type=error.docs,
        title=_TITLES.get(error.status, "Error"),
        status=error.status,
        detail=error.message,
        code=error.code,
        hint=error.hint,
        retryable=error.retryable,
    )
    return JSONResponse(body.model_dump(), error.status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of the app come out as problem details."""

    async def of_ours(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, ApexError):
            raise error
        if error.status >= 500:
            _LOG.error("request failed: %s", error)
        return problem(error)

    async def of_validation(_request: Request, error: Exception) -> JSONResponse:
        return problem(InvalidRequest(_where(error), hint="See the OpenAPI document."))

    async def of_http(_request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(getattr(error, "headers", None) or {})
        title = _TITLES.get(status, "Error")
        body = Problem(
            type="about:blank",
            title=title,
            status=status,
            detail=f"{title}.",
            code=f"HTTP-{status}",
            hint="",
            retryable=False,
        )
        return JSONResponse(body.model_dump(), status, headers, media_type=MEDIA_TYPE)

    app.add_exception_handler(ApexError, of_ours)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, _unforeseen)


def describe(app: FastAPI) -> None:
    """Put the shape of problem details into the app's OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = openapi


async def _unforeseen(_request: Request, error: Exception) -> JSONResponse:
    _LOG.error("unforeseen error", exc_info=error)
    return problem(ApexError("Something went wrong here.", hint="Try again; tell the operator."))


def _where(error: Exception) -> str:
    """Which field is wrong, without repeating what was sent: it may be a password."""
    if not isinstance(error, RequestValidationError):
        return "The request is not understood."
    first = error.errors()[0]
    field = ".".join(str(part) for part in first.get("loc", ()))
    return f"{field}: {first.get('msg', 'not understood')}"[:300]
