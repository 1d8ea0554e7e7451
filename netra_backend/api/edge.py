"""From a request to an execution context: the only place where one is made."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from netra_backend.composition import Platform
from netra_backend.errors import ForbiddenError, NotReadyError, UnauthenticatedError
from netra_backend.identity import Identity
from netra_core.context import Role, UserExecutionContext
from netra_core.websocket import SocketIdentity

USAGE_WRITE = "usage:write"
_bearer = HTTPBearer(auto_error=False, description="Access token of the auth service.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks and where."""

    ctx: UserExecutionContext
    identity: Identity

    def need_role(self, *allowed: Role) -> None:
        """Raise ForbiddenError without one of the roles."""
        if not self.ctx.has_role(*allowed):
            raise ForbiddenError(
                "Your role in this workspace does not allow this.",
                hint=f"Ask for one of: {', '.join(role.value for role in allowed)}.",
            )


def platform_of(request: Request) -> Platform:
    """The platform behind the app. Raises NotReadyError while it starts or stops."""
    platform: Platform = request.app.state.platform
    if not platform.ready:
        raise NotReadyError("The service is not ready.", hint="Try again in a moment.")
    return platform


PlatformDep = Annotated[Platform, Depends(platform_of)]


async def context_of(platform: Platform, bearer: str) -> tuple[UserExecutionContext, Identity]:
    """The context of a token. Raises UnauthenticatedError, AuthUnavailableError."""
    identity = await platform.verifier.identify(bearer)
    ctx = UserExecutionContext(
        user_id=identity.user_id,
        workspace_id=identity.workspace_id,
        request_id=platform.deps.ids(),
        roles=identity.roles,
        session_id=identity.session_id,
    )
    return ctx, identity


async def socket_identity(platform: Platform, bearer: str) -> SocketIdentity:
    """Who opens a socket; API keys may not."""
    ctx, identity = await context_of(platform, bearer)
    if identity.scopes is not None:
        raise ForbiddenError("An API key cannot open a socket.")
    return SocketIdentity(context=ctx, expires_at=identity.expires_at)


async def any_caller(
    platform: PlatformDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """A person or an API key."""
    if credentials is None:
        raise UnauthenticatedError("There is no bearer token.", hint="Sign in first.")
    ctx, identity = await context_of(platform, credentials.credentials)
    return Caller(ctx, identity)


async def person(caller: Annotated[Caller, Depends(any_caller)]) -> Caller:
    """A person; an API key is refused."""
    if caller.identity.scopes is not None:
        raise ForbiddenError("An API key cannot do this.", hint="Sign in as a person.")
    return caller


async def usage_writer(caller: Annotated[Caller, Depends(any_caller)]) -> Caller:
    """Who may bring usage: an analyst or more, or a key of such a person with the scope for it."""
    if caller.identity.scopes is not None and USAGE_WRITE not in caller.identity.scopes:
        raise ForbiddenError("This API key may not write usage.", hint=f"Scope {USAGE_WRITE}.")
    caller.need_role(Role.OWNER, Role.ADMIN, Role.ANALYST)
    return caller


async def analyst(caller: Annotated[Caller, Depends(person)]) -> Caller:
    """A person who may ask the agents and change things of their own."""
    caller.need_role(Role.OWNER, Role.ADMIN, Role.ANALYST)
    return caller


Person = Annotated[Caller, Depends(person)]
Analyst = Annotated[Caller, Depends(analyst)]
UsageWriter = Annotated[Caller, Depends(usage_writer)]
