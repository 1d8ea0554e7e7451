"""Routes for other services of the installation, by service credential."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from netra_auth.api.bodies import TokenBody
from netra_auth.api.identity import Parts, service_for_changes, service_for_keys
from netra_auth.api.problems import responses
from netra_auth.api_keys import Scope
from netra_auth.changes import ChangeKind
from netra_core import Role

router = APIRouter(prefix="/auth/internal", tags=["internal"])
MAX_WAIT_S = 30


class ChangeView(BaseModel):
    """One change of rights. `at` is Unix seconds."""

    id: int
    kind: ChangeKind
    user_id: str
    session_id: str | None = None
    workspace_id: str | None = None
    at: float


class FeedView(BaseModel):
    """Changes after the asked number, the newest number, the time of the auth service."""

    changes: list[ChangeView]
    last: int
    now: float


class KeyView(BaseModel):
    """Whom an API key stands for; only `active` where it is none. `exp` is Unix seconds."""

    active: bool
    kind: Literal["api_key"] | None = None
    key_id: str | None = None
    sub: str | None = None
    ws: str | None = None
    roles: list[Role] | None = None
    scopes: list[Scope] | None = None
    exp: float | None = None


@router.get(
    "/changes",
    response_model_exclude_none=True,
    dependencies=[Depends(service_for_changes)],
    responses=responses(401, 403),
)
async def read_changes(
    parts: Parts,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0,
) -> FeedView:
    """What changed after a number, at most 1,000 entries; waits for news up to `wait_s`.

    `after=0` gives everything that may still concern a living access token. When `last` is below
    the asked number the feed has started over: begin again at 0.
    """
    feed = await parts.changes.wait(after=after, wait_s=wait_s)
    return FeedView(
        changes=[
            ChangeView(
                id=change.id,
                kind=change.kind,
                user_id=change.user_id,
                session_id=change.session_id,
                workspace_id=change.workspace_id,
                at=change.at,
            )
            for change in feed.changes
        ],
        last=feed.last,
        now=feed.now,
    )


@router.post(
    "/introspect",
    response_model_exclude_none=True,
    dependencies=[Depends(service_for_keys)],
    responses=responses(401, 403),
)
async def introspect(body: TokenBody, parts: Parts) -> KeyView:
    """Whom an API key stands for now, with the role that its maker has now."""
    holder = await parts.api_keys.introspect(body.token)
    if holder is None:
        return KeyView(active=False)
    return KeyView(
        active=True,
        kind="api_key",
        key_id=holder.key_id,
        sub=holder.user_id,
        ws=holder.workspace_id,
        roles=[holder.role],
        scopes=list(holder.scopes),
        exp=holder.expires_at,
    )
