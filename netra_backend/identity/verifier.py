"""Access tokens and API keys to identities."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from netra_backend.errors import AuthUnavailableError, UnauthenticatedError
from netra_backend.identity.keys import Keys
from netra_backend.identity.revocations import Revocations
from netra_core.context import Role

INTROSPECT_PATH: Final = "/auth/internal/introspect"
API_KEY_PREFIX: Final = "apxk_"
LEEWAY_S: Final = 5
_HEADER: Final = {"alg", "typ", "kid"}
_KEY_CACHE: Final = 10_000
_KEY_CACHE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks, in which workspace, until when (Unix seconds). `scopes` is None for a person."""

    user_id: str
    workspace_id: str
    session_id: str | None
    roles: frozenset[Role]
    issued_at: float
    expires_at: float
    scopes: frozenset[str] | None = None


@dataclass(slots=True)
class _CachedKey:
    identity: Identity
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say. `secret` is the shared one, with HS256 alone."""

    issuer: str
    audience: str
    algorithm: str = "Ed25519"
    secret: str | None = field(default=None, repr=False)


class TokenVerifier:
    """Verifies what stands behind `Authorization: Bearer`.

    Refused: another algorithm, type, issuer or audience than the configured ones, any header
    besides alg, typ and kid, an expired token, and whatever the revocation feed has taken back.
    While the feed is stale every token is refused with a 503.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        revocations: Revocations,
        rules: TokenRules,
        client: httpx.AsyncClient,
        credential: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._rules = rules
        self._client = client
        self._credential = credential
        self._now = now
        self._api_keys: dict[str, _CachedKey] = {}
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": rules.issuer},
            aud={"essential": True, "value": rules.audience},
            sub={"essential": True},
            ws={"essential": True},
            sid={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )

    async def identify(self, bearer: str) -> Identity:
        """The identity of a token. Raises UnauthenticatedError, AuthUnavailableError."""
        if self._revocations.stale:
            raise AuthUnavailableError(
                "Who may enter cannot be known now: the auth service is silent.",
                hint="Try again in a moment.",
            )
        if bearer.startswith(API_KEY_PREFIX):
            identity = await self._introspect(bearer)
        else:
            identity = await self._verify(bearer)
        self.require_still(identity)
        return identity

    def require_still(self, identity: Identity) -> None:
        """Raise UnauthenticatedError where an identity's rights were taken back since."""
        if self._revocations.refuses(
            user_id=identity.user_id,
            workspace_id=identity.workspace_id,
            session_id=identity.session_id,
            issued_at=identity.issued_at,
        ):
            raise _refused()

    async def _verify(self, token: str) -> Identity:
        try:
            header: dict[str, Any] = extract_compact(token.encode()).headers()
        except (JoseError, ValueError, UnicodeError) as error:
            raise _refused() from error
        rules = self._rules
        if set(header) != _HEADER or header["alg"] != rules.algorithm:
            raise _refused()
        if header["typ"] != "at+jwt" or not isinstance(header["kid"], str):
            raise _refused()
        keys = await self._keys.find(header["kid"])
        if keys is None:
            raise _refused()
        try:
            decoded = jwt.decode(token, keys, algorithms=[rules.algorithm])
            self._claims.validate(decoded.claims)
            return _identity(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _refused() from error

    async def _introspect(self, key: str) -> Identity:
        cached = self._api_keys.get(key)
        if cached is not None and self._now() < cached.until:
            return cached.identity
        try:
            response = await self._client.post(
                INTROSPECT_PATH,
                json={"token": key},
                headers={"Authorization": f"Bearer {self._credential}"},
                timeout=5.0,
            )
            response.raise_for_status()
            answer: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise AuthUnavailableError(
                "API keys cannot be verified now.", hint="Try again in a moment."
            ) from error
        if not answer.get("active"):
            raise _refused()
        now = self._now()
        expires: float = answer.get("exp") or now + _KEY_CACHE_S
        identity = Identity(
            user_id=answer["sub"],
            workspace_id=answer["ws"],
            session_id=answer["key_id"],
            roles=frozenset(Role(role) for role in answer["roles"]),
            issued_at=now,
            expires_at=expires,
            scopes=frozenset(answer.get("scopes", [])),
        )
        if len(self._api_keys) >= _KEY_CACHE:
            self._api_keys.clear()
        self._api_keys[key] = _CachedKey(identity, min(expires, now + _KEY_CACHE_S))
        return identity


def _identity(claims: dict[str, Any]) -> Identity:
    return Identity(
        user_id=str(claims["sub"]),
        workspace_id=str(claims["ws"]),
        session_id=str(claims["sid"]),
        roles=frozenset(Role(role) for role in claims.get("roles", [])),
        issued_at=float(claims["iat"]),
        expires_at=float(claims["exp"]),
    )


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError(
        "The token is not valid.", hint="Sign in again, or refresh the access token."
    )
