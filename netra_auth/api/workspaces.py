"""Routes of workspaces, their members and invitations."""

from fastapi import APIRouter, Response

from netra_auth.api.answers import seconds_left
from netra_auth.api.bodies import (
    InvitationList,
    InvitationView,
    InviteBody,
    Members,
    MemberView,
    RenameBody,
    RoleBody,
    TokenBody,
    Workspaces,
    WorkspaceTokenView,
    WorkspaceView,
)
from netra_auth.api.identity import CredentialLimit, Parts, SignedInPerson
from netra_auth.api.problems import responses

router = APIRouter(prefix="/auth", tags=["workspaces"])


@router.get("/workspaces", responses=responses(401))
async def list_workspaces(parts: Parts, principal: SignedInPerson) -> Workspaces:
    """The workspaces I belong to."""
    found = await parts.workspaces.mine(principal)
    return Workspaces(items=[WorkspaceView.of(place) for place in found])


@router.post("/workspaces", status_code=201, responses=responses(401))
async def create_workspace(
    body: RenameBody, parts: Parts, principal: SignedInPerson
) -> WorkspaceView:
    """A new workspace that I own."""
    return WorkspaceView.of(await parts.workspaces.create(principal, body.name))


@router.get("/workspaces/{workspace_id}", responses=responses(401, 404))
async def get_workspace(
    workspace_id: str, parts: Parts, principal: SignedInPerson
) -> WorkspaceView:
    """One of my workspaces."""
    return WorkspaceView.of(await parts.workspaces.get(principal, workspace_id))


@router.patch("/workspaces/{workspace_id}", responses=responses(401, 403, 404))
async def rename_workspace(
    workspace_id: str, body: RenameBody, parts: Parts, principal: SignedInPerson
) -> WorkspaceView:
    """Another name for a workspace."""
    return WorkspaceView.of(await parts.workspaces.rename(principal, workspace_id, body.name))


@router.delete(
    "/workspaces/{workspace_id}", status_code=204, responses=responses(401, 403, 404, 409)
)
async def erase_workspace(workspace_id: str, parts: Parts, principal: SignedInPerson) -> None:
    """Delete a workspace of mine for good: usage, analyses, everybody's threads in it."""
    await parts.workspaces.erase(principal, workspace_id)


@router.post("/workspaces/{workspace_id}/token", responses=responses(401, 404))
async def enter_workspace(
    workspace_id: str, parts: Parts, principal: SignedInPerson
) -> WorkspaceTokenView:
    """Exchange my access token for one of another workspace of mine."""
    place, token, expires_at = await parts.workspaces.enter(principal, workspace_id)
    return WorkspaceTokenView(
        workspace=WorkspaceView.of(place),
        access_token=token,
        expires_in=seconds_left(parts, expires_at),
    )


@router.get("/workspaces/{workspace_id}/members", responses=responses(401, 404))
async def list_members(workspace_id: str, parts: Parts, principal: SignedInPerson) -> Members:
    """Everyone in a workspace of mine."""
    found = await parts.workspaces.members(principal, workspace_id)
    return Members(items=[MemberView.of(member) for member in found])


@router.patch(
    "/workspaces/{workspace_id}/members/{user_id}",
    status_code=204,
    responses=responses(401, 403, 404, 409),
)
async def set_role(
    workspace_id: str, user_id: str, body: RoleBody, parts: Parts, principal: SignedInPerson
) -> Response:
    """Give a member another role."""
    await parts.workspaces.set_role(principal, workspace_id, user_id, body.role)
    return Response(status_code=204)


@router.delete(
    "/workspaces/{workspace_id}/members/{user_id}",
    status_code=204,
    responses=responses(401, 403, 404, 409),
)
async def remove_member(
    workspace_id: str, user_id: str, parts: Parts, principal: SignedInPerson
) -> Response:
    """Take a member out, or leave."""
    await parts.workspaces.remove(principal, workspace_id, user_id)
    return Response(status_code=204)


@router.post(
    "/workspaces/{workspace_id}/invitations",
    status_code=201,
    dependencies=[CredentialLimit],
    responses=responses(401, 403, 404),
)
async def invite(
    workspace_id: str, body: InviteBody, parts: Parts, principal: SignedInPerson
) -> InvitationView:
    """Mail an invitation."""
    made = await parts.workspaces.invite(principal, workspace_id, email=body.email, role=body.role)
    return InvitationView.of(made)


@router.get("/workspaces/{workspace_id}/invitations", responses=responses(401, 403, 404))
async def list_invitations(
    workspace_id: str, parts: Parts, principal: SignedInPerson
) -> InvitationList:
    """Open invitations of a workspace."""
    found = await parts.workspaces.invitations(principal, workspace_id)
    return InvitationList(items=[InvitationView.of(made) for made in found])


@router.delete(
    "/workspaces/{workspace_id}/invitations/{invitation_id}",
    status_code=204,
    responses=responses(401, 403, 404),
)
async def withdraw_invitation(
    workspace_id: str, invitation_id: str, parts: Parts, principal: SignedInPerson
) -> Response:
    """Make an invitation useless."""
    await parts.workspaces.withdraw(principal, workspace_id, invitation_id)
    return Response(status_code=204)


@router.post("/invitations/accept", dependencies=[CredentialLimit], responses=responses(400, 401))
async def accept_invitation(
    body: TokenBody, parts: Parts, principal: SignedInPerson
) -> WorkspaceView:
    """Join the workspace that I was invited to."""
    return WorkspaceView.of(await parts.workspaces.accept(principal, body.token))
