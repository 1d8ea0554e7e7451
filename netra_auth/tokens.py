"""Access tokens: short-lived JWTs (RFC 9068) that name a person, a workspace and a session."""

import base64
import binascii
import json
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from netra_auth.deps import Clock
from netra_auth.errors import NotSignedIn
from netra_auth.options import AuthOptions
from netra_auth.signing_keys import SigningKeys

TOKEN_TYPE = "at+jwt"
MAX_TOKEN_LENGTH = 4096
_HEADER_NAMES = frozenset({"alg", "typ", "kid"})
_CLOCK_SKEW_S = 5


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified access token says. Times are Unix seconds."""

    iss: str
    aud: str
    sub: str
    ws: str
    roles: list[str]
    sid: str
    jti: str
    iat: float
    nbf: int
    exp: int
    auth_time: int


class AccessTokens:
    """Signs and verifies access tokens."""

    def __init__(self, options: AuthOptions, keys: SigningKeys, clock: Clock) -> None:
        self._options = options
        self._keys = keys
        self._clock = clock
        self._registry = JWSRegistry(algorithms=[options.algorithm])

    def issue(
        self,
        *,
        user_id: str,
        workspace_id: str,
        role: str,
        session_id: str,
        jti: str,
        auth_time: int,
        not_after: float,
    ) -> tuple[str, int]:
        """A signed token and when it ends: after `access_ttl_s`, and not after `not_after`.

        `iat` is in milliseconds, so that a verifier can tell a token from before a change of
        rights from one made right after it.
        """
        now = self._clock()
        kid, key = self._keys.signer()
        exp = min(int(now) + self._options.access_ttl_s, int(not_after))
        claims: dict[str, Any] = {  # Any: the library's own type of claims
            "iss": self._options.issuer,
            "aud": self._options.audience,
            "sub": user_id,
            "ws": workspace_id,
            "roles": [role],
            "sid": session_id,
            "jti": jti,
            "iat": round(now, 3),
            "nbf": int(now),
            "exp": exp,
            "auth_time": auth_time,
        }
        header = {"alg": self._options.algorithm, "typ": TOKEN_TYPE, "kid": kid}
        return jwt.encode(header, claims, key, registry=self._registry), exp

    def verify(self, token: str) -> AccessClaims:
        """The claims of a token of ours that is valid now; NotSignedIn for anything else.

        The algorithm and the key come from the configuration, never from the token: a header with
        any name but alg, typ and kid (jku, x5u, jwk, crit, …) is refused before a key is looked
        at.
        """
        header = _header(token)
        if header.keys() != _HEADER_NAMES or header["typ"] != TOKEN_TYPE:
            raise NotSignedIn("This is not an access token.")
        kid = header["kid"]
        key = self._keys.verifier(kid) if isinstance(kid, str) else None
        if key is None or header["alg"] != self._options.algorithm:
            raise NotSignedIn("This access token is not signed by a key in use.")
        try:
            raw = jwt.decode(token, key, registry=self._registry).claims
            claims = msgspec.convert(raw, AccessClaims)
        except (JoseError, msgspec.ValidationError, ValueError, OverflowError) as error:
            raise NotSignedIn("This access token is not valid.") from error
        self._check(claims)
        return claims

    def _check(self, claims: AccessClaims) -> None:
        now = self._clock()
        if claims.iss != self._options.issuer or claims.aud != self._options.audience:
            raise NotSignedIn("This access token is meant for another service.")
        if now >= claims.exp:
            raise NotSignedIn("This access token has expired.", hint="Refresh it.")
        if max(claims.nbf, claims.iat) > now + _CLOCK_SKEW_S:
            raise NotSignedIn("This access token is not valid yet.")


def _header(token: str) -> dict[str, object]:
    if len(token) > MAX_TOKEN_LENGTH or token.count(".") != 2:
        raise NotSignedIn("This is not an access token.")
    segment = token.partition(".")[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise NotSignedIn("This is not an access token.") from error
    if not isinstance(found, dict):
        raise NotSignedIn("This is not an access token.")
    return found
