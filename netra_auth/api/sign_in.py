"""Routes that open, renew and close a session."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from netra_auth.api.answers import answer_signed_in, device_of, remember_device
from netra_auth.api.bodies import (
    CheckMailView,
    LoginBody,
    RefreshBody,
    RegisterBody,
    SetupBody,
    SignedInView,
)
from netra_auth.api.cookies import REFRESH_COOKIE, clear_refresh_cookie, require_own_page
from netra_auth.api.identity import CredentialLimit, From, Parts
from netra_auth.api.problems import responses
from netra_auth.email_address import normal_email
from netra_auth.errors import SessionEnded

router = APIRouter(prefix="/auth", tags=["sign-in"])
ByCookie = Annotated[bool, Query(alias="cookie", description="Keep the refresh token in a cookie.")]


@router.post(
    "/register",
    status_code=201,
    response_model=SignedInView,
    response_model_exclude_none=True,
    dependencies=[CredentialLimit],
    responses={202: {"model": CheckMailView}, **responses(400, 403, 409)},
)
async def register(
    body: RegisterBody,
    request: Request,
    response: Response,
    parts: Parts,
    client: From,
    by_cookie: ByCookie = False,
) -> SignedInView | JSONResponse:
    """Make an account: 201 with a session, or 202 when the rest goes on by mail."""
    if by_cookie:
        require_own_page(request, parts.deps.options)
    signed_in = await parts.accounts.register(
        email=body.email,
        password=body.password,
        name=body.name,
        invitation=body.invitation,
        client=client,
    )
    if signed_in is None:
        return JSONResponse(CheckMailView().model_dump(), 202)
    remember_device(response, parts, signed_in.person.email)
    return answer_signed_in(response, parts, signed_in, by_cookie=by_cookie)


@router.post(
    "/setup",
    status_code=201,
    response_model_exclude_none=True,
    dependencies=[CredentialLimit],
    responses=responses(400, 403, 409),
)
async def setup(
    body: SetupBody,
    request: Request,
    response: Response,
    parts: Parts,
    client: From,
    by_cookie: ByCookie = False,
) -> SignedInView:
    """Make the first account of an installation with the one-time setup link."""
    if by_cookie:
        require_own_page(request, parts.deps.options)
    signed_in = await parts.setup.claim(
        token=body.token, email=body.email, password=body.password, name=body.name, client=client
    )
    remember_device(response, parts, signed_in.person.email)
    return answer_signed_in(response, parts, signed_in, by_cookie=by_cookie)


@router.post(
    "/login",
    response_model_exclude_none=True,
    dependencies=[CredentialLimit],
    responses=responses(401, 403),
)
async def login(
    body: LoginBody,
    request: Request,
    response: Response,
    parts: Parts,
    client: From,
    by_cookie: ByCookie = False,
) -> SignedInView:
    """Open a session with e-mail and password."""
    if by_cookie:
        require_own_page(request, parts.deps.options)
    email = normal_email(body.email)
    signed_in = await parts.accounts.sign_in(
        email=email,
        password=body.password,
        client=client,
        device=device_of(request, parts, email),
    )
    remember_device(response, parts, email)
    return answer_signed_in(response, parts, signed_in, by_cookie=by_cookie)


@router.post(
    "/refresh",
    response_model_exclude_none=True,
    responses=responses(401, 403),
)
async def refresh(
    request: Request,
    response: Response,
    parts: Parts,
    client: From,
    body: RefreshBody | None = None,
) -> SignedInView:
    """Spend a refresh token, from the body or the cookie, for a new pair."""
    cookie = request.cookies.get(REFRESH_COOKIE)
    if body is None and cookie is None:
        raise SessionEnded("There is no refresh token in the body or a cookie.")
    if body is None:
        require_own_page(request, parts.deps.options)
    token = body.refresh_token if body is not None else cookie or ""
    signed_in = await parts.sessions.refresh(token, client)
    return answer_signed_in(response, parts, signed_in, by_cookie=body is None)


@router.post("/logout", status_code=204, responses=responses(403))
async def logout(request: Request, parts: Parts, body: RefreshBody | None = None) -> Response:
    """End the session of a refresh token, from the body or the cookie; never an error."""
    response = Response(status_code=204)
    cookie = request.cookies.get(REFRESH_COOKIE)
    if body is None and cookie is not None:
        require_own_page(request, parts.deps.options)
        clear_refresh_cookie(response, parts.deps.options)
    token = body.refresh_token if body is not None else cookie
    if token:
        await parts.sessions.end_by_refresh_token(token)
    return response
