"""Routes of signing in with an account elsewhere. Tokens never stand in an address."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from netra_auth.api.answers import remember_device
from netra_auth.api.bodies import ConfirmBody
from netra_auth.api.cookies import (
    OAUTH_COOKIE,
    clear_oauth_cookie,
    set_oauth_cookie,
    set_refresh_cookie,
)
from netra_auth.api.identity import CredentialLimit, From, Parts, SignedInPerson
from netra_auth.api.problems import responses
from netra_auth.errors import AlreadyExists, InvalidRequest, ProviderUnavailable, SignInFailed
from netra_auth.oauth.flow import DEFAULT_NEXT

router = APIRouter(prefix="/auth", tags=["oauth"])
_TO_BROWSER = {303: {"description": "On to the provider, the web app, or /login#error=CODE"}}
Text = Annotated[str | None, Query(max_length=2048)]


class LinkView(BaseModel):
    """Where to send the browser to link an account elsewhere."""

    url: str


class LinkedView(BaseModel):
    """An account elsewhere that opens mine. Time in Unix seconds."""

    id: str
    provider: str
    email: str | None
    created_at: float


class LinkedList(BaseModel):
    """My accounts elsewhere."""

    items: list[LinkedView]
    next: str | None = None


@router.get(
    "/oauth/{provider}/start",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[CredentialLimit],
    responses={**_TO_BROWSER, **responses(404)},
)
async def start(
    provider: str,
    parts: Parts,
    next_path: Annotated[str, Query(alias="next", max_length=500)] = DEFAULT_NEXT,
) -> RedirectResponse:
    """Send the browser to the identity provider; `next` is where it goes on afterwards."""
    try:
        departure = await parts.oauth.depart(provider, next_path=next_path)
    except ProviderUnavailable as error:
        return _to_login(error.code)
    response = RedirectResponse(departure.url, 303)
    set_oauth_cookie(response, parts.deps.options, departure.browser)
    return response


@router.get(
    "/oauth/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[CredentialLimit],
    responses={**_TO_BROWSER, **responses(404)},
)
async def callback(
    provider: str,
    request: Request,
    parts: Parts,
    client: From,
    state: Text = None,
    code: Text = None,
    iss: Text = None,
) -> RedirectResponse:
    """The browser comes back: check the answer, open a session, go on to the web app."""
    options = parts.deps.options
    try:
        arrival = await parts.oauth.arrive(
            provider,
            state=state,
            code=code,
            issuer=iss,
            browser=request.cookies.get(OAUTH_COOKIE),
            client=client,
        )
    except (AlreadyExists, SignInFailed, ProviderUnavailable, InvalidRequest) as error:
        return _to_login(error.code)
    response = RedirectResponse(arrival.next_path, 303)
    clear_oauth_cookie(response, options)
    if arrival.signed_in is not None:
        set_refresh_cookie(response, options, arrival.signed_in.pair.refresh_token)
        remember_device(response, parts, arrival.signed_in.person.email)
    return response


@router.post(
    "/oauth/{provider}/link",
    dependencies=[CredentialLimit],
    responses=responses(401, 403, 404, 502),
)
async def link(
    provider: str,
    body: ConfirmBody,
    parts: Parts,
    principal: SignedInPerson,
    client: From,
    response: Response,
) -> LinkView:
    """Begin to link an account elsewhere to mine; send the browser to the address."""
    await parts.accounts.reauthenticate(principal, body.password, client)
    departure = await parts.oauth.depart(provider, next_path=DEFAULT_NEXT, link=principal)
    set_oauth_cookie(response, parts.deps.options, departure.browser)
    return LinkView(url=departure.url)


@router.get("/identities", responses=responses(401))
async def list_identities(parts: Parts, principal: SignedInPerson) -> LinkedList:
    """My accounts elsewhere."""
    return LinkedList(
        items=[
            LinkedView(
                id=linked.id,
                provider=linked.provider,
                email=linked.email,
                created_at=linked.created_at,
            )
            for linked in await parts.oauth.linked(principal)
        ]
    )


@router.post(
    "/identities/{identity_id}/unlink",
    status_code=204,
    dependencies=[CredentialLimit],
    responses=responses(401, 403, 404, 409),
)
async def unlink(
    identity_id: str, body: ConfirmBody, parts: Parts, principal: SignedInPerson, client: From
) -> Response:
    """Take a link away; never my only way in."""
    await parts.accounts.reauthenticate(principal, body.password, client)
    await parts.oauth.unlink(principal, identity_id)
    return Response(status_code=204)


def _to_login(code: str) -> RedirectResponse:
    return RedirectResponse(f"/login#error={code}", 303)
