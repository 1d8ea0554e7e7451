"""Routes of API keys."""

from fastapi import APIRouter, Response

from netra_auth.api.bodies import ApiKeyBody, ApiKeyList, ApiKeyView, NewApiKeyView
from netra_auth.api.identity import Parts, SignedInPerson
from netra_auth.api.problems import responses

router = APIRouter(prefix="/auth", tags=["api-keys"])


@router.post("/api-keys", status_code=201, responses=responses(401, 403, 404, 409))
async def create_key(body: ApiKeyBody, parts: Parts, principal: SignedInPerson) -> NewApiKeyView:
    """A new key for the current workspace; the answer is the only sight of its secret."""
    scopes = tuple(dict.fromkeys(body.scopes))
    made, secret = await parts.api_keys.create(
        principal, name=body.name, scopes=scopes, ttl_s=body.expires_in
    )
    return NewApiKeyView(**ApiKeyView.of(made).model_dump(), key=secret)


@router.get("/api-keys", responses=responses(401))
async def list_keys(parts: Parts, principal: SignedInPerson) -> ApiKeyList:
    """My live keys in the current workspace."""
    return ApiKeyList(items=[ApiKeyView.of(key) for key in await parts.api_keys.mine(principal)])


@router.delete("/api-keys/{key_id}", status_code=204, responses=responses(401, 404))
async def revoke_key(key_id: str, parts: Parts, principal: SignedInPerson) -> Response:
    """End a key at once."""
    await parts.api_keys.revoke(principal, key_id)
    return Response(status_code=204)
