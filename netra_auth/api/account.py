"""Routes of one's own account and sessions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from netra_auth.api.answers import remember_device
from netra_auth.api.bodies import (
    ChangePasswordBody,
    CheckMailView,
    ConfirmBody,
    EmailBody,
    EndedView,
    MeView,
    RenameBody,
    ResetBody,
    SessionList,
    SessionView,
    UserView,
    VerifyBody,
    WorkspaceView,
)
from netra_auth.api.identity import (
    CredentialLimit,
    From,
    Parts,
    SignedInPerson,
    person_if_any,
)
from netra_auth.api.problems import responses
from netra_auth.errors import NotFound
from netra_auth.sessions import Principal

router = APIRouter(prefix="/auth", tags=["account"])


@router.get("/me", responses=responses(401))
async def me(parts: Parts, principal: SignedInPerson) -> MeView:
    """Who I am and in which workspace my token acts."""
    try:
        place = await parts.workspaces.get(principal, principal.workspace_id)
    except NotFound:
        place = None
    return MeView(
        user=UserView.of(principal.person),
        workspace=None if place is None else WorkspaceView.of(place),
        session_id=principal.session_id,
        has_password=principal.person.password_hash is not None,
    )


@router.patch("/me", responses=responses(401))
async def rename(body: RenameBody, parts: Parts, principal: SignedInPerson) -> UserView:
    """Change my name."""
    return UserView.of(await parts.accounts.rename(principal, body.name))


@router.post(
    "/me/erase", status_code=204, dependencies=[CredentialLimit], responses=responses(401, 403, 409)
)
async def erase(
    body: ConfirmBody, parts: Parts, principal: SignedInPerson, client: From
) -> Response:
    """Delete my account and all that is mine alone."""
    await parts.accounts.reauthenticate(principal, body.password, client)
    await parts.accounts.erase(principal.person.id)
    return Response(status_code=204)


@router.post(
    "/email/verify",
    status_code=204,
    dependencies=[CredentialLimit],
    responses=responses(400, 401),
)
async def verify_email(
    body: VerifyBody,
    parts: Parts,
    client: From,
    principal: Annotated[Principal | None, Depends(person_if_any)],
) -> Response:
    """Prove my address with the mailed token, signed in or with my password."""
    await parts.accounts.verify_email(
        body.token, password=body.password, signed_in=principal, client=client
    )
    return Response(status_code=204)


@router.post(
    "/email/verification",
    status_code=202,
    dependencies=[CredentialLimit],
    responses=responses(401),
)
async def send_verification(parts: Parts, principal: SignedInPerson) -> CheckMailView:
    """Mail me a new link that proves my address."""
    await parts.accounts.resend_verification(principal)
    return CheckMailView()


@router.post(
    "/password/forgot", status_code=202, dependencies=[CredentialLimit], responses=responses()
)
async def forgot_password(body: EmailBody, parts: Parts, client: From) -> CheckMailView:
    """Mail a link to choose a new password; the same answer for every address."""
    await parts.accounts.forgot_password(body.email, client)
    return CheckMailView()


@router.post(
    "/password/reset", status_code=204, dependencies=[CredentialLimit], responses=responses(400)
)
async def reset_password(body: ResetBody, parts: Parts) -> Response:
    """Choose a new password with the mailed token; ends all my sessions."""
    person = await parts.accounts.reset_password(body.token, body.password)
    response = Response(status_code=204)
    remember_device(response, parts, person.email)
    return response


@router.post(
    "/password/change", status_code=204, dependencies=[CredentialLimit], responses=responses(401)
)
async def change_password(
    body: ChangePasswordBody, parts: Parts, principal: SignedInPerson, client: From
) -> Response:
    """Change my password; ends my other sessions."""
    await parts.accounts.change_password(
        principal, current=body.current, new=body.new, client=client
    )
    return Response(status_code=204)


@router.get("/sessions", responses=responses(401))
async def list_sessions(parts: Parts, principal: SignedInPerson) -> SessionList:
    """My live sessions, newest use first."""
    async with parts.deps.database.session(read_only=True) as connection:
        found = await parts.sessions.live(connection, principal.person.id)
    return SessionList(items=[SessionView.of(info, current=principal.session_id) for info in found])


@router.delete("/sessions/{session_id}", status_code=204, responses=responses(401, 404))
async def end_session(session_id: str, parts: Parts, principal: SignedInPerson) -> Response:
    """End one of my sessions at once."""
    await parts.accounts.end_session(principal, session_id)
    return Response(status_code=204)


@router.delete("/sessions", responses=responses(401))
async def end_other_sessions(parts: Parts, principal: SignedInPerson) -> EndedView:
    """End all my sessions but this one."""
    return EndedView(ended=await parts.accounts.end_other_sessions(principal))
