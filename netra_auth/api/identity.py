"""Who makes a request: read from the connection and the Authorization header, nothing else."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from netra_auth.errors import NotSignedIn
from netra_auth.parts import AuthParts
from netra_auth.service_credentials import Service, ServiceScope
from netra_auth.sessions import Client, Principal
from netra_auth.throttle import Rate, network

_PERSON = HTTPBearer(
    auto_error=False, scheme_name="accessToken", description="An access token of a person."
)
_SERVICE = HTTPBearer(
    auto_error=False, scheme_name="serviceCredential", description="A service credential."
)
_CREDENTIAL_RATE = Rate(burst=100, per_minute=120)
_COMMON_RATE = Rate(burst=120, per_minute=600)


def auth_parts(request: Request) -> AuthParts:
    """The parts of the service that serves this request."""
    parts: AuthParts = request.app.state.parts
    return parts


Parts = Annotated[AuthParts, Depends(auth_parts)]


def client_of(request: Request) -> Client:
    """Network peer and User-Agent. Forwarded headers are the server's business, not ours."""
    peer = request.client.host if request.client is not None else "local"
    return Client(source=peer, agent=request.headers.get("user-agent", ""))


From = Annotated[Client, Depends(client_of)]


async def person(
    parts: Parts,
    client: From,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_PERSON)],
) -> Principal:
    """The person whose access token came with the request."""
    parts.limiter.take(f"common|{network(client.source)}", _COMMON_RATE)
    if credentials is None:
        raise NotSignedIn("This needs an access token.", hint="Send Authorization: Bearer …")
    _claims, principal = await parts.sessions.authenticate(credentials.credentials)
    return principal


SignedInPerson = Annotated[Principal, Depends(person)]


async def person_if_any(
    parts: Parts,
    client: From,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_PERSON)],
) -> Principal | None:
    """The person, or None where no access token came."""
    return None if credentials is None else await person(parts, client, credentials)


async def limit_credentials(parts: Parts, client: From) -> None:
    """Bound how often one network may try credentials, links and registrations."""
    parts.limiter.take(f"credential|{network(client.source)}", _CREDENTIAL_RATE)


CredentialLimit = Depends(limit_credentials)


async def service_for_changes(
    parts: Parts,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_SERVICE)],
) -> Service:
    """A service that may read the change feed."""
    return await _service(parts, credentials, ServiceScope.CHANGES)


async def service_for_keys(
    parts: Parts,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_SERVICE)],
) -> Service:
    """A service that may ask whom an API key stands for."""
    return await _service(parts, credentials, ServiceScope.INTROSPECT)


async def _service(
    parts: AuthParts, credentials: HTTPAuthorizationCredentials | None, scope: ServiceScope
) -> Service:
    if credentials is None:
        raise NotSignedIn("This needs a service credential.")
    return await parts.services.require(credentials.credentials, scope)
