"""Routes without any credential: keys, what this installation offers, health."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from netra_auth.api.identity import Parts
from netra_auth.api.problems import responses
from netra_auth.errors import AuthDatabaseUnusable, NotReady
from netra_auth.options import Registration
from netra_auth.passwords import MAX_LENGTH, MIN_LENGTH

router = APIRouter(tags=["public"])
KEYS_LIFE_S = 60


class JsonWebKeys(BaseModel):
    """Public keys of access tokens (RFC 7517)."""

    keys: list[dict[str, Any]]


class PasswordRules(BaseModel):
    """Lengths a password may have."""

    min_length: int = MIN_LENGTH
    max_length: int = MAX_LENGTH


class ProviderView(BaseModel):
    """An identity provider to sign in with: start at /auth/oauth/{name}/start."""

    name: str
    label: str


class ConfigView(BaseModel):
    """What a sign-in page needs to know."""

    registration: Registration
    password: PasswordRules
    providers: list[ProviderView]


class Status(BaseModel):
    """Health."""

    status: str


@router.get("/.well-known/jwks.json", responses=responses())
async def json_web_keys(parts: Parts, response: Response) -> JsonWebKeys:
    """The keys that sign access tokens now, did lately, or will soon."""
    response.headers["Cache-Control"] = f"public, max-age={KEYS_LIFE_S}"
    return JsonWebKeys(keys=[dict(key) for key in parts.keys.published()])


@router.get("/auth/config", responses=responses())
async def config(parts: Parts) -> ConfigView:
    """How people may sign in here."""
    options = parts.deps.options
    return ConfigView(
        registration=options.registration,
        password=PasswordRules(),
        providers=[
            ProviderView(name=provider.name, label=provider.label)
            for provider in options.oidc_providers
        ],
    )


@router.get("/auth/health/live", responses=responses())
async def live() -> Status:
    """The process answers."""
    return Status(status="live")


@router.get("/auth/health/ready", responses=responses())
async def ready(parts: Parts) -> Status:
    """Database and keys work."""
    try:
        await parts.deps.database.health_check()
    except AuthDatabaseUnusable as error:
        raise NotReady("The auth database does not answer.") from error
    parts.keys.signer()
    return Status(status="ready")
